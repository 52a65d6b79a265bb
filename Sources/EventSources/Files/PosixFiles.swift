import CLinux
import Glibc

/// The file system of this machine.
package struct PosixFiles: FileAccess {
    package init() {}

    package func list(_ path: String) throws(FileError) -> [[UInt8]] {
        guard let directory = opendir(path) else { throw .last(path, "opendir(3)") }
        defer { closedir(directory) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw .last(path, "readdir(3)") }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
    }

    package func facts(_ path: String) throws(FileError) -> FileFacts? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .last(path, "lstat(2)")
        }
        return FileFacts(status)
    }

    package func writers(_ path: String) -> FileWriters {
        switch weir_file_writers(path) {
        case 0: .none
        case 1: .some
        case 2: .unknown
        default: .gone
        }
    }

    package func open(_ path: String) throws(FileError) -> any OpenFile {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .last(path, "open(2)") }
        return PosixFile(descriptor: descriptor, path: path)
    }
}

/// One open file; closed when the last reference goes.
private final class PosixFile: OpenFile {
    private let descriptor: Int32
    private let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func facts() throws(FileError) -> FileFacts {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last(path, "fstat(2)") }
        return FileFacts(status)
    }

    func read(at offset: Int64, count: Int) throws(FileError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            repeat {
                let got = pread(descriptor, buffer.baseAddress, count, off_t(offset))
                failure = got < 0 ? errno : 0
                used = max(0, got)
            } while failure == EINTR
        }
        if failure != 0 {
            throw FileError(path: path, call: "pread(2)", number: failure, reason: String(cString: strerror(failure)))
        }
        return bytes
    }
}

extension FileError {
    fileprivate static func last(_ path: String, _ call: String) -> FileError {
        let number = errno
        return FileError(path: path, call: call, number: number, reason: String(cString: strerror(number)))
    }
}

extension FileFacts {
    fileprivate init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            default: .other
            }
        self.init(
            kind: kind, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            changed: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec),
            mode: status.st_mode, owner: status.st_uid, group: status.st_gid, links: UInt64(status.st_nlink))
    }
}
