internal import CLinux
internal import Functions
internal import Glibc

/// An open folder. Whatever is opened or made through it lies beneath it: no link is followed, no `..` leads out
/// (openat2(2), RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS).
package final class Folder: Sendable {
    package let descriptor: Int32
    /// For messages.
    package let path: String

    /// Takes the descriptor over.
    package init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a folder by a path that an operator wrote; links in it are the operator's and are followed.
    package init(opening path: String) throws(StagingError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StagingError("the folder \(path) cannot be opened", errno: errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// `path` as messages show it.
    func shown(_ relative: String) -> String { relative.isEmpty ? path : "\(path)/\(relative)" }

    /// Opens beneath the folder; the descriptor, or -1 and errno.
    func descriptor(of relative: String, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        guard !relative.isEmpty else { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
        // A rename somewhere on the way makes the kernel give up with EAGAIN (openat2(2)): it is tried again.
        var result: Int32 = -1
        for _ in 0..<64 {
            result = weir_open_beneath(descriptor, relative, flags, mode)
            if result >= 0 || (errno != EAGAIN && errno != EINTR) { break }
        }
        return result
    }

    /// Opens the folder at a relative path.
    func folder(_ relative: String) throws(StagingError) -> Folder {
        let opened = descriptor(of: relative, O_RDONLY | O_DIRECTORY | O_NONBLOCK)
        guard opened >= 0 else { throw StagingError("the folder \(shown(relative)) cannot be opened", errno: errno) }
        return Folder(descriptor: opened, path: shown(relative))
    }

    /// Opens the folder at a relative path, making what is missing of it, and puts new folders on disk.
    func makeFolder(_ relative: String, owner: FileOwner?) throws(StagingError) -> Folder {
        guard !relative.isEmpty else { return try folder("") }
        let opened = descriptor(of: relative, O_RDONLY | O_DIRECTORY | O_NONBLOCK)
        if opened >= 0 { return Folder(descriptor: opened, path: shown(relative)) }
        guard errno == ENOENT else {
            throw StagingError("the folder \(shown(relative)) cannot be opened", errno: errno)
        }
        let (above, name) = StagingPath.split(relative)
        let parent = try makeFolder(above, owner: owner)
        guard mkdirat(parent.descriptor, name, 0o755) == 0 || errno == EEXIST else {
            throw StagingError("the folder \(shown(relative)) cannot be made", errno: errno)
        }
        let made = try parent.folder(name)
        if let owner { try owner.give(made.descriptor, made.path) }
        try parent.sync()
        return Folder(descriptor: fcntl(made.descriptor, F_DUPFD_CLOEXEC, 0), path: shown(relative))
    }

    /// Puts the folder's entries on disk.
    func sync() throws(StagingError) {
        // Some network file systems cannot, and need not: their entries are with the server at once.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
            throw StagingError("the folder \(path) cannot be written", errno: errno)
        }
    }

    /// The names in it as they are, without `.` and `..`, at most `limit`; `nil` when there are more.
    func names(limit: Int) throws(StagingError) -> [[UInt8]]? {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            throw StagingError("the folder \(path) cannot be read", errno: errno)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw StagingError("the folder \(path) cannot be read", errno: errno) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                let bytes = UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self)
                return Array(
                    UnsafeBufferPointer(
                        start: bytes, count: strlen(UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))))
            }
            if name == [0x2E] || name == [0x2E, 0x2E] { continue }
            guard names.count < limit else { return nil }
            names.append(name)
        }
    }

    /// Removes everything in it, as far as that goes.
    func empty(depth: Int = 64) {
        guard depth > 0 else { return }
        while let names = try? names(limit: 4096) ?? [], !names.isEmpty {
            var removed = 0
            for name in names {
                let ended = name.map { CChar(bitPattern: $0) } + [0]
                if unlinkat(descriptor, ended, 0) == 0 {
                    removed += 1
                    continue
                }
                let inner = openat(descriptor, ended, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
                if inner >= 0 {
                    let folder = Folder(descriptor: inner, path: path + "/…")
                    fchmod(inner, 0o700)
                    folder.empty(depth: depth - 1)
                    if unlinkat(descriptor, ended, AT_REMOVEDIR) == 0 { removed += 1 }
                }
            }
            if removed == 0 { return }
        }
    }
}

/// To whom files that Weir makes on a mount belong.
package struct FileOwner: Sendable, Hashable {
    package var user: UInt32
    package var group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }

    func give(_ descriptor: Int32, _ path: String) throws(StagingError) {
        guard fchown(descriptor, user, group) == 0 else {
            throw StagingError("\(path) cannot be given to user \(user), group \(group)", errno: errno)
        }
    }
}
