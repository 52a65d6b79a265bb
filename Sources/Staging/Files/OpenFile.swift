internal import Glibc

/// An open descriptor that is closed when nobody holds it any more.
package final class OpenFile: Sendable {
    package let descriptor: Int32

    package init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Opens a file of Weir's own.
    package init(reading path: String) throws(StagingError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw StagingError("the file \(path) cannot be read", errno: errno) }
    }

    deinit { close(descriptor) }
}

/// What the file system says of an open file.
package struct FileState: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case file, folder, link
        /// As a word: a device, a pipe, a socket.
        case other(String)
    }

    package var kind: Kind
    package var device: UInt64
    package var inode: UInt64
    package var size: Int64
    /// Nanoseconds since 1970.
    package var modified: Int64
    package var owner: UInt32
    package var group: UInt32
    /// Permission bits.
    package var mode: UInt32

    /// `nil` and errno when the system does not say.
    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    /// The last part of a path is not followed.
    init?(_ name: String, in folder: Int32) {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .folder
        case S_IFLNK: kind = .link
        case S_IFIFO: kind = .other("a pipe")
        case S_IFSOCK: kind = .other("a socket")
        default: kind = .other("a device")
        }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        owner = status.st_uid
        group = status.st_gid
        mode = status.st_mode & 0o7777
    }

    /// What it is, as a word in a sentence.
    package var word: String {
        switch kind {
        case .file: "a file"
        case .folder: "a folder"
        case .link: "a symbolic link"
        case .other(let word): word
        }
    }
}
