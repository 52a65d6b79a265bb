import CLinux
import Glibc

/// The real disk.
package struct DiskFileSystem: LogFileSystem {
    package init() {}

    package func open(_ path: String, create: Bool, truncate: Bool) throws(SystemError) -> any LogFile {
        let descriptor = weir_open_file(path, create ? 1 : 0, truncate ? 1 : 0)
        guard descriptor >= 0 else { throw SystemError(-descriptor, "open", path) }
        return DiskFile(descriptor: descriptor, path: path)
    }

    package func list(_ directory: String) throws(SystemError) -> [String] {
        guard let stream = opendir(directory) else { throw SystemError(errno, "listing", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw SystemError(errno, "listing", directory) }
        return names
    }

    package func createDirectory(_ path: String) throws(SystemError) {
        if mkdir(path, 0o750) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw SystemError(errno, "mkdir", path)
        }
        try createDirectory(String(path[..<slash]))
        guard mkdir(path, 0o750) == 0 || errno == EEXIST else { throw SystemError(errno, "mkdir", path) }
    }

    package func removeDirectory(_ path: String) throws(SystemError) {
        guard rmdir(path) == 0 else { throw SystemError(errno, "rmdir", path) }
    }

    package func syncDirectory(_ path: String) throws(SystemError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(errno, "open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(errno, "fsync", path) }
    }

    package func unlink(_ path: String) throws(SystemError) {
        guard Glibc.unlink(path) == 0 else { throw SystemError(errno, "unlink", path) }
    }

    package func rename(_ from: String, to: String) throws(SystemError) {
        guard Glibc.rename(from, to) == 0 else { throw SystemError(errno, "rename", from) }
    }

    package func lock(_ path: String) throws(SystemError) -> any LogLock {
        let descriptor = weir_open_file(path, 1, 0)
        guard descriptor >= 0 else { throw SystemError(-descriptor, "open", path) }
        let file = DiskFile(descriptor: descriptor, path: path)
        let outcome = weir_lock_file(descriptor)
        guard outcome == 0 else { throw SystemError(-outcome, "flock", path) }
        return file
    }
}

/// A descriptor that is closed with its last reference; that also gives up a `flock`.
private final class DiskFile: LogFile, LogLock {
    private let descriptor: Int32
    private let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        let count = pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(position))
        guard count >= 0 else { throw SystemError(errno, "write", path) }
        return count
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(position))
        guard count >= 0 else { throw SystemError(errno, "read", path) }
        return count
    }

    func sync() throws(SystemError) {
        guard fdatasync(descriptor) == 0 else { throw SystemError(errno, "fdatasync", path) }
    }

    func truncate(to size: Int) throws(SystemError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw SystemError(errno, "ftruncate", path) }
    }

    func size() throws(SystemError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError(errno, "fstat", path) }
        return Int(status.st_size)
    }
}
