/// What has been announced: which files with which facts, by directory. One file costs about 100 bytes.
package struct FolderIndex: Sendable {
    /// What is remembered of a file or directory.
    package struct Entry: Sendable, Hashable {
        package var isDirectory: Bool
        package var inode: UInt64
        package var size: Int64
        package var modified: Int64
        package var changed: Int64

        package init(_ facts: FileFacts) {
            isDirectory = facts.kind == .directory
            inode = facts.inode
            size = isDirectory ? 0 : facts.size
            modified = isDirectory ? 0 : facts.modified
            changed = isDirectory ? 0 : facts.changed
        }

        /// Whether the content is the same version. `ctime` is left out: permissions are no version.
        package func sameVersion(as other: Entry) -> Bool {
            isDirectory == other.isDirectory && inode == other.inode && size == other.size
                && modified == other.modified
        }
    }

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

extension FolderIndex.Entry {
    /// `version, kind, inode, size, mtime, ctime`, little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [1, isDirectory ? 1 : 0]
        for number in [Int64(bitPattern: inode), size, modified, changed] {
            withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        guard bytes.count == 34, bytes[0] == 1 else { return nil }
        func number(_ index: Int) -> Int64 {
            bytes.withUnsafeBytes {
                Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 2 + index * 8, as: Int64.self))
            }
        }
        isDirectory = bytes[1] == 1
        inode = UInt64(bitPattern: number(0))
        size = number(1)
        modified = number(2)
        changed = number(3)
    }
}
