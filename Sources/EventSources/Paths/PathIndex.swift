/// What has been announced: which files with which facts, by directory. One file costs about 100 bytes.
package struct PathIndex<Entry: Sendable & Hashable>: Sendable {
    private var directories: [String: [String: Entry]] = [:]
    /// Changes that are not on disk yet; `nil` removes.
    private var changes: [String: Entry?] = [:]
    package private(set) var count = 0

    package init() {}

    package subscript(path: String) -> Entry? {
        let (directory, name) = Self.split(path)
        return directories[directory]?[name]
    }

    /// The names announced in a directory.
    package func names(in directory: String) -> [String] { directories[directory].map { Array($0.keys) } ?? [] }

    package mutating func set(_ path: String, _ entry: Entry) {
        let (directory, name) = Self.split(path)
        if let old = directories[directory, default: [:]].updateValue(entry, forKey: name) {
            if old == entry { return }
        } else {
            count += 1
        }
        changes[path] = .some(entry)
    }

    @discardableResult
    package mutating func remove(_ path: String) -> Entry? {
        let (directory, name) = Self.split(path)
        guard let old = directories[directory]?.removeValue(forKey: name) else { return nil }
        if directories[directory]?.isEmpty == true { directories[directory] = nil }
        count -= 1
        changes[path] = .some(nil)
        return old
    }

    /// Removes a directory with everything below and returns it, children before their directory.
    package mutating func removeTree(_ path: String) -> [(path: String, entry: Entry)] {
        var removed: [(path: String, entry: Entry)] = []
        for name in names(in: path).sorted() {
            removed += removeTree(path + "/" + name)
        }
        if let entry = remove(path) { removed.append((path, entry)) }
        return removed
    }

    /// Gives a file or a whole directory another path.
    package mutating func move(_ path: String, to target: String) {
        for name in names(in: path) { move(path + "/" + name, to: target + "/" + name) }
        if let entry = remove(path) { set(target, entry) }
    }

    /// What has changed since the last call, to be written.
    package mutating func takeChanges() -> [(path: String, entry: Entry?)] {
        defer { changes = [:] }
        return changes.map { ($0.key, $0.value) }
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: 0x2F) else { return ("", path) }
        return (String(path[..<slash]), String(path[path.utf8.index(after: slash)...]))
    }
}
