import CLinux
import Crypto
import Glibc

/// Writes files into a new folder and nowhere else, and takes their digest on the way.
///
/// Every path is opened beneath the folder without following links; the files end read-only, without an owner's or
/// setuid bits, with the time of writing.
struct CodeFolder: ArchiveSink {
    private let path: String
    private let directory: Int32
    private var file: Int32 = -1
    private var entry = ArchiveEntry(path: "")
    private var hash = SHA256()
    private var size: Int64 = 0
    private var folders: Set<String> = []
    /// One line a file, by path.
    private var lines: [String: String] = [:]
    /// Whether each file is put on disk by itself; else all are with the last call.
    private let syncsFiles: Bool

    /// Makes the folder; its parent must be there.
    ///
    /// - Parameter syncsFiles: off for many files: then ``finish()`` puts the whole file system on disk.
    init(creating path: String, syncsFiles: Bool = true) throws(ArchiveError) {
        self.path = path
        self.syncsFiles = syncsFiles
        guard mkdir(path, 0o700) == 0 else { throw Self.failure("cannot make the folder \(path)") }
        directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard directory >= 0 else { throw Self.failure("cannot open the folder \(path)") }
    }

    mutating func folder(_ path: String) throws(ArchiveError) {
        guard !folders.contains(path) else { return }
        let (above, name) = Self.split(path)
        if !above.isEmpty { try folder(above) }
        let parent = above.isEmpty ? dup(directory) : weir_open_beneath(directory, above, O_RDONLY | O_DIRECTORY, 0)
        guard parent >= 0 else { throw Self.failure("cannot open the folder \(above)") }
        defer { close(parent) }
        guard mkdirat(parent, name, 0o700) == 0 else { throw Self.failure("cannot make the folder \(path)") }
        folders.insert(path)
    }

    mutating func begin(_ entry: ArchiveEntry) throws(ArchiveError) {
        let (above, _) = Self.split(entry.path)
        if !above.isEmpty { try folder(above) }
        file = weir_open_beneath(directory, entry.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.failure("cannot make the file \(entry.path)") }
        self.entry = entry
        hash = SHA256()
        size = 0
    }

    mutating func write(_ bytes: ArraySlice<UInt8>) throws(ArchiveError) {
        hash.update(data: bytes)
        size += Int64(bytes.count)
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("cannot write the file \(entry.path)") }
            rest = rest.dropFirst(count)
        }
    }

    mutating func end() throws(ArchiveError) {
        guard fchmod(file, entry.isExecutable ? 0o555 : 0o444) == 0, !syncsFiles || fsync(file) == 0 else {
            throw Self.failure("cannot write the file \(entry.path)")
        }
        close(file)
        file = -1
        // What an interpreter compiled holds times, and says nothing that its source does not say.
        guard !entry.path.contains("__pycache__/") else { return }
        let content = CodeStore.hexadecimal(hash.finalize())
        lines[entry.path] = "\(entry.isExecutable ? "x" : "-") \(size) \(content)\n"
    }

    /// Makes the folders read-only, puts all on disk and gives the digest of paths, executable bits and contents.
    /// Empty folders and the order in the archive do not count.
    mutating func finish() throws(ArchiveError) -> String {
        // Deepest first: a read-only folder's own entries are done.
        for folder in folders.sorted(by: { $0.utf8.count > $1.utf8.count }) {
            let open = weir_open_beneath(directory, folder, O_RDONLY | O_DIRECTORY, 0)
            guard open >= 0 else { throw Self.failure("cannot open the folder \(folder)") }
            defer { close(open) }
            guard fchmod(open, 0o555) == 0, !syncsFiles || fsync(open) == 0 else {
                throw Self.failure("cannot write the folder \(folder)")
            }
        }
        guard fchmod(directory, 0o555) == 0,
            syncsFiles ? fsync(directory) == 0 : weir_sync_file_system(directory) == 0
        else {
            throw Self.failure("cannot write the folder \(path)")
        }
        var digest = SHA256()
        for path in lines.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            // The length keeps a path from running into what follows it.
            digest.update(data: Array("\(path.utf8.count) \(path) \(lines[path] ?? "")".utf8))
        }
        return CodeStore.hexadecimal(digest.finalize())
    }

    mutating func close() {
        if file >= 0 { Glibc.close(file) }
        Glibc.close(directory)
        file = -1
    }

    private static func split(_ path: String) -> (above: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path) }
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    private func close(_ file: Int32) { Glibc.close(file) }

    static func failure(_ what: String) -> ArchiveError {
        let code = errno
        guard code == ENOSPC || code == EDQUOT else {
            return ArchiveError(.storage, "\(what): \(String(cString: strerror(code)))")
        }
        return ArchiveError(.diskFull, "\(what): the disk is full; free some space, nothing accepted before is lost")
    }
}
