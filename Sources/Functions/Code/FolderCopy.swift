import CLinux
import Glibc

/// Reads a folder that an untrusted program has written: regular files and folders only, no link is followed, and what
/// is counted is what is read.
struct FolderCopy {
    private let source: String
    /// The folder inside that is copied, under its own path; empty: all.
    private let member: String
    private let limits: ArchiveLimits

    init(_ source: String, member: String = "", limits: ArchiveLimits) {
        self.source = source
        self.member = member
        self.limits = limits
    }

    /// - Returns: the entries that were copied; links, devices and sockets were not.
    func run(into sink: inout some ArchiveSink) throws(ArchiveError) -> [ArchiveEntry] {
        let root = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard root >= 0 else { throw CodeFolder.failure("cannot open the folder \(source)") }
        defer { close(root) }
        var listing = ArchiveListing(limits)
        var left = limits.totalSize
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        // A list of what is still to be looked at, for a folder can be as deep as it likes.
        var waiting = [member]
        if !member.isEmpty { try sink.folder(member) }
        while let folder = waiting.popLast() {
            for name in try names(in: folder, root) {
                let path = folder.isEmpty ? name : folder + "/" + name
                let file = weir_open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0)
                if file < 0 {
                    // A link, a socket, or gone.
                    if [ELOOP, ENXIO, ENOENT, EXDEV].contains(errno) { continue }
                    throw CodeFolder.failure("cannot open \(path)")
                }
                defer { close(file) }
                var status = stat()
                guard fstat(file, &status) == 0 else { throw CodeFolder.failure("cannot read \(path)") }
                let kind = status.st_mode & S_IFMT
                guard kind == S_IFREG || kind == S_IFDIR else { continue }
                guard
                    let entry = try listing.add(
                        rawName: Array(path.utf8), isFolder: kind == S_IFDIR,
                        isExecutable: status.st_mode & S_IXUSR != 0)
                else { continue }
                if entry.isFolder {
                    try sink.folder(entry.path)
                    waiting.append(path)
                } else {
                    try sink.begin(entry)
                    try copy(file, path, &buffer, &left, into: &sink)
                    try sink.end()
                }
            }
        }
        return listing.entries
    }

    private func copy(
        _ file: Int32, _ path: String, _ buffer: inout [UInt8], _ left: inout Int64, into sink: inout some ArchiveSink
    ) throws(ArchiveError) {
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CodeFolder.failure("cannot read \(path)") }
            guard count > 0 else { return }
            left -= Int64(count)
            guard left >= 0 else {
                throw ArchiveError(.tooLarge, "its files are larger than \(limits.totalSize) bytes together")
            }
            try sink.write(buffer[..<count])
        }
    }

    private func names(in folder: String, _ root: Int32) throws(ArchiveError) -> [String] {
        let file =
            folder.isEmpty
            ? openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            : weir_open_beneath(root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
        guard file >= 0, let stream = fdopendir(file) else {
            if file >= 0 { close(file) }
            throw CodeFolder.failure("cannot open the folder \(folder)")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw ArchiveError(.unsafe, entry: bytes, "has a name that is not UTF-8")
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
