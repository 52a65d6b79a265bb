/// One file or folder of an archive whose name has been found harmless.
package struct ArchiveEntry: Sendable, Hashable {
    /// Relative, `/` between its parts, none of them empty, `.` or `..`.
    package var path: String
    package var isFolder: Bool
    package var isExecutable: Bool

    package init(path: String, isFolder: Bool = false, isExecutable: Bool = false) {
        self.path = path
        self.isFolder = isFolder
        self.isExecutable = isExecutable
    }
}

/// Takes what comes out of an archive: `folder` and `begin`, `write`…, `end` for each entry in turn.
package protocol ArchiveSink {
    mutating func folder(_ path: String) throws(ArchiveError)
    mutating func begin(_ entry: ArchiveEntry) throws(ArchiveError)
    mutating func write(_ bytes: ArraySlice<UInt8>) throws(ArchiveError)
    mutating func end() throws(ArchiveError)
}

/// Collects the entries of an archive and refuses names and combinations that are not to be unpacked.
struct ArchiveListing {
    private(set) var entries: [ArchiveEntry] = []
    private var files: Set<String> = []
    private var folders: Set<String> = []
    private let limits: ArchiveLimits

    init(_ limits: ArchiveLimits) {
        self.limits = limits
    }

    /// Adds an entry by its raw name; `nil` for the archive's own folder (`./`), which is none.
    mutating func add(
        rawName: some Collection<UInt8>, isFolder: Bool, isExecutable: Bool
    ) throws(ArchiveError) -> ArchiveEntry? {
        guard entries.count < limits.entries else {
            throw ArchiveError(
                .tooLarge, "the archive holds more than \(limits.entries) entries, which is all that is allowed")
        }
        let parts = try parts(rawName)
        guard !parts.isEmpty else {
            guard isFolder else { throw ArchiveError(.unsafe, entry: rawName, "has no name") }
            return nil
        }
        let entry = ArchiveEntry(
            path: parts.joined(separator: "/"), isFolder: isFolder, isExecutable: isExecutable && !isFolder)
        var above = ""
        for part in parts.dropLast() {
            above += above.isEmpty ? part : "/" + part
            guard !files.contains(above) else {
                throw ArchiveError(.unsafe, entry: rawName, "lies below \"\(above)\", which is a file")
            }
            folders.insert(above)
        }
        if isFolder {
            guard !files.contains(entry.path) else {
                throw ArchiveError(.unsafe, entry: rawName, "is a file and a folder")
            }
            folders.insert(entry.path)
        } else {
            guard !folders.contains(entry.path) else {
                throw ArchiveError(.unsafe, entry: rawName, "is a file and a folder")
            }
            guard files.insert(entry.path).inserted else {
                throw ArchiveError(.unsafe, entry: rawName, "stands in it twice")
            }
        }
        entries.append(entry)
        return entry
    }

    private func parts(_ name: some Collection<UInt8>) throws(ArchiveError) -> [String] {
        guard name.count <= limits.pathLength else {
            throw ArchiveError(
                .unsafe, entry: name, "has a name of \(name.count) bytes, \(limits.pathLength) are allowed")
        }
        guard name.first != UInt8(ascii: "/") else {
            throw ArchiveError(.unsafe, entry: name, "has an absolute path")
        }
        guard !name.contains(UInt8(ascii: "\\")) else {
            throw ArchiveError(.unsafe, entry: name, "has a backslash in its name")
        }
        guard !name.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw ArchiveError(.unsafe, entry: name, "has a control character in its name")
        }
        guard let text = String(validating: Array(name), as: UTF8.self) else {
            throw ArchiveError(.unsafe, entry: name, "has a name that is not UTF-8")
        }
        var parts: [String] = []
        for part in text.utf8.split(separator: UInt8(ascii: "/")) {
            let part = String(decoding: part, as: UTF8.self)
            if part == "." { continue }
            guard part != ".." else { throw ArchiveError(.unsafe, entry: name, "leads out of the archive by \"..\"") }
            guard part.utf8.count <= limits.partLength else {
                throw ArchiveError(
                    .unsafe, entry: name,
                    "has a part of \(part.utf8.count) bytes in its name, \(limits.partLength) are allowed")
            }
            parts.append(part)
        }
        guard parts.count <= limits.depth else {
            throw ArchiveError(
                .tooLarge, entry: name, "lies \(parts.count) folders deep, \(limits.depth) are allowed")
        }
        return parts
    }
}
