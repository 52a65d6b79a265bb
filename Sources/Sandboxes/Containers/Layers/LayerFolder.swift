internal import CLinux
internal import Glibc

/// Whose the files of a layer become.
package enum LayerOwnership: Sendable, Hashable {
    /// The ids of the image, shifted: nobody outside has such ids, and root of the image is nobody here.
    case shifted(by: UInt32, count: UInt32)
    /// All belong to who unpacks them, for want of other ids.
    case own
}

/// A layer on its way to the disk, in the form that overlayfs takes. The archive is a stranger's: nothing outside the
/// folder is touched whatever its entries are called, since every path is opened with the folder as its root.
///
/// Set-id bits, extended attributes, devices and pipes do not come along.
struct LayerFolder: ~Copyable {
    private let root: Int32
    private let ownership: LayerOwnership
    /// Folders get their mode and time at the end: filling them needs the one and changes the other.
    private var folders: [(path: LayerPath, mode: UInt32, modified: Int64)] = []
    private var last: (path: LayerPath, descriptor: Int32)?

    /// Makes the folder; its parent must be there.
    init(creating path: String, _ ownership: LayerOwnership) throws(ContainerError) {
        guard mkdir(path, 0o755) == 0 else { throw PartialBlob.failure("cannot make the folder \(path)") }
        let root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard root >= 0 else { throw PartialBlob.failure("cannot open the folder \(path)") }
        let ids = Self.ids(ownership, 0, 0)
        guard fchmod(root, 0o755) == 0, ids.map({ fchown(root, $0.0, $0.1) == 0 }) ?? true else {
            close(root)
            throw PartialBlob.failure("cannot write the folder \(path)")
        }
        self.root = root
        self.ownership = ownership
    }

    deinit {
        if let last { close(last.descriptor) }
        close(root)
    }

    /// Takes all entries of an archive.
    mutating func unpack(_ tar: inout LayerTar) throws(ContainerError) {
        while let entry = try tar.next() {
            do {
                try put(entry, &tar)
            } catch {
                throw error.at("\"\(entry.path.shown)\"")
            }
        }
        try finish()
    }

    private mutating func put(_ entry: LayerEntry, _ tar: inout LayerTar) throws(ContainerError) {
        if entry.path.isRoot {
            // The root folder itself: its mode counts, nothing else can be said of it.
            switch entry.kind {
            case .folder:
                try own(root, entry.user, entry.group)
                folders.append((entry.path, entry.mode, entry.modified))
            case .opaque: try markOpaque(root)
            case .ignored: break
            default: throw ContainerError(.invalidImage, "the layer's root is no folder")
            }
            return
        }
        switch entry.kind {
        case .ignored: return
        case .opaque:
            let folder = try folder(entry.path)
            try markOpaque(folder)
        case .folder: try putFolder(entry)
        case .file: try putFile(entry, &tar)
        case .link(let target):
            let (parent, name) = try place(for: entry)
            guard symlinkat(target.map { CChar(bitPattern: $0) } + [0], parent, name) == 0 else { throw failure() }
            try ownName(parent, name, entry.user, entry.group)
            try date(parent, name, entry.modified)
        case .hardLink(let other):
            try putHardLink(entry, to: other)
        case .whiteout:
            let (parent, name) = try place(for: entry)
            guard weir_overlay_whiteout(parent, name) == 0 else { throw failure() }
        }
    }

    private mutating func putFolder(_ entry: LayerEntry) throws(ContainerError) {
        let parent = try folder(entry.path.above)
        let name = Self.terminated(entry.path.name)
        var status = stat()
        if fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT != S_IFDIR {
            try remove(parent, name)
        }
        guard mkdirat(parent, name, 0o700) == 0 || errno == EEXIST else { throw failure() }
        try ownName(parent, name, entry.user, entry.group)
        folders.append((entry.path, entry.mode, entry.modified))
    }

    private mutating func putFile(_ entry: LayerEntry, _ tar: inout LayerTar) throws(ContainerError) {
        let (parent, name) = try place(for: entry)
        let file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure() }
        defer { close(file) }
        while true {
            let piece = try tar.read()
            if piece.isEmpty { break }
            var rest = piece
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure() }
                rest = rest.dropFirst(count)
            }
        }
        try own(file, entry.user, entry.group)
        // After the owner: chown takes mode bits away.
        guard fchmod(file, entry.mode & 0o1777) == 0 else { throw failure() }
        var times = Self.times(entry.modified)
        guard futimens(file, &times) == 0 else { throw failure() }
    }

    private mutating func putHardLink(_ entry: LayerEntry, to other: LayerPath) throws(ContainerError) {
        guard !other.isRoot, other != entry.path else {
            throw ContainerError(.invalidImage, "is a hard link to what cannot have one")
        }
        // The file that is linked to is opened beneath the layer, and must be a plain one: a link to a link could lead
        // anywhere later.
        let target = weir_open_in_root(root, other.terminated, weir_open_path | O_NOFOLLOW, 0)
        guard target >= 0 else {
            throw ContainerError(
                .invalidImage, "is a hard link to \"\(other.shown)\", which is not in the same layer")
        }
        defer { close(target) }
        var status = stat()
        guard fstat(target, &status) == 0 else { throw failure() }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG || kind == S_IFLNK else {
            throw ContainerError(.invalidImage, "is a hard link to \"\(other.shown)\", which is no file")
        }
        let above = weir_open_in_root(root, other.above.terminated, weir_open_path | O_DIRECTORY, 0)
        guard above >= 0 else { throw failure() }
        defer { close(above) }
        let (parent, name) = try place(for: entry)
        guard linkat(above, Self.terminated(other.name), parent, name, 0) == 0 else { throw failure() }
    }

    /// The folder where an entry goes and its name there, with whatever had that name removed.
    private mutating func place(for entry: LayerEntry) throws(ContainerError) -> (parent: Int32, name: [CChar]) {
        let parent = try folder(entry.path.above)
        let name = Self.terminated(entry.path.name)
        var status = stat()
        if fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { try remove(parent, name) }
        return (parent, name)
    }

    /// Opens a folder of the layer, making it and those above when they are not there. Links inside are followed, and
    /// end inside.
    private mutating func folder(_ path: LayerPath) throws(ContainerError) -> Int32 {
        if path.isRoot { return root }
        if let last {
            if last.path == path { return last.descriptor }
            close(last.descriptor)
            self.last = nil
        }
        var descriptor = weir_open_in_root(root, path.terminated, O_RDONLY | O_DIRECTORY, 0)
        if descriptor < 0, errno == ENOENT {
            for length in 1...path.parts.count {
                let part = LayerPath(parts: Array(path.parts[..<length]))
                let there = weir_open_in_root(root, part.terminated, weir_open_path | O_DIRECTORY, 0)
                if there >= 0 {
                    close(there)
                    continue
                }
                guard errno == ENOENT else { throw failure() }
                let above = weir_open_in_root(root, part.above.terminated, O_RDONLY | O_DIRECTORY, 0)
                guard above >= 0 else { throw failure() }
                defer { close(above) }
                // A name that is there and leads to nothing is a dangling link: nothing is made through it.
                // Whatever the server's mask of file modes is.
                guard mkdirat(above, Self.terminated(part.name), 0o755) == 0,
                    fchmodat(above, Self.terminated(part.name), 0o755, 0) == 0
                else { throw failure() }
                try ownName(above, Self.terminated(part.name), 0, 0)
            }
            descriptor = weir_open_in_root(root, path.terminated, O_RDONLY | O_DIRECTORY, 0)
        }
        guard descriptor >= 0 else { throw failure() }
        last = (path, descriptor)
        return descriptor
    }

    /// Modes and times of folders, deepest first.
    private mutating func finish() throws(ContainerError) {
        for folder in folders.sorted(by: { $0.path.parts.count > $1.path.parts.count }) {
            let descriptor = weir_open_in_root(root, folder.path.terminated, O_RDONLY | O_DIRECTORY, 0)
            // A later entry may have put something else in its place.
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var times = Self.times(folder.modified)
            guard fchmod(descriptor, folder.mode & 0o3777) == 0, futimens(descriptor, &times) == 0 else {
                throw failure()
            }
        }
    }

    /// Removes what has a name, a folder with all that is in it, and follows no link.
    private mutating func remove(_ parent: Int32, _ name: [CChar]) throws(ContainerError) {
        let wasLast = last?.descriptor == parent
        try Self.remove(parent, name)
        // The folder that is kept open may have been among it.
        if let last, !wasLast {
            close(last.descriptor)
            self.last = nil
        }
    }

    static func remove(_ parent: Int32, _ name: [CChar]) throws(ContainerError) {
        if unlinkat(parent, name, 0) == 0 { return }
        guard errno == EISDIR || errno == EPERM else { throw failure() }
        let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { throw failure() }
        fchmod(folder, 0o700)
        guard let listing = fdopendir(folder) else {
            close(folder)
            throw failure()
        }
        defer { closedir(listing) }
        while let found = readdir(listing) {
            let child = withUnsafePointer(to: &found.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { start in
                    Array(UnsafeBufferPointer(start: start, count: strlen(start) + 1))
                }
            }
            if child == [0x2E, 0] || child == [0x2E, 0x2E, 0] { continue }
            try remove(folder, child)
        }
        guard unlinkat(parent, name, AT_REMOVEDIR) == 0 else { throw failure() }
    }

    // MARK: Owners, times

    private static func ids(_ ownership: LayerOwnership, _ user: Int64, _ group: Int64) -> (uid_t, gid_t)? {
        guard case .shifted(let base, let count) = ownership else { return nil }
        func shifted(_ id: Int64) -> UInt32 {
            // Beyond the range that a container has: it is nobody there.
            base + (id >= 0 && id < Int64(count) ? UInt32(id) : min(65_534, count - 1))
        }
        return (shifted(user), shifted(group))
    }

    private func own(_ descriptor: Int32, _ user: Int64, _ group: Int64) throws(ContainerError) {
        guard let (user, group) = Self.ids(ownership, user, group) else { return }
        guard fchown(descriptor, user, group) == 0 else { throw failure() }
    }

    private func ownName(
        _ parent: Int32, _ name: [CChar], _ user: Int64, _ group: Int64
    ) throws(ContainerError) {
        guard let (user, group) = Self.ids(ownership, user, group) else { return }
        guard fchownat(parent, name, user, group, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure() }
    }

    private func date(_ parent: Int32, _ name: [CChar], _ modified: Int64) throws(ContainerError) {
        var times = Self.times(modified)
        guard utimensat(parent, name, &times, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure() }
    }

    /// Interpreters compare the times of files with those in their caches, so times are kept.
    private static func times(_ seconds: Int64) -> [timespec] {
        let time = timespec(tv_sec: Int(max(0, min(seconds, 1 << 34))), tv_nsec: 0)
        return [time, time]
    }

    private func markOpaque(_ folder: Int32) throws(ContainerError) {
        guard weir_overlay_opaque(folder, ownership == .own ? 1 : 0) == 0 else { throw failure() }
    }

    private static func terminated(_ name: [UInt8]) -> [CChar] { name.map { CChar(bitPattern: $0) } + [0] }

    private func failure() -> ContainerError { Self.failure() }

    private static func failure() -> ContainerError {
        let code = errno
        switch code {
        case ENOSPC, EDQUOT: return ContainerError(.diskFull, "the disk is full")
        // The kernel refuses what would lead out, goes round in circles or through what is no folder.
        case ELOOP, EXDEV, ENOTDIR, EEXIST, ENAMETOOLONG, ENOENT:
            return ContainerError(
                .invalidImage, "cannot be unpacked where the layer puts it: \(String(cString: strerror(code)))")
        default: return ContainerError(.storage, "cannot be written: \(String(cString: strerror(code)))")
        }
    }
}
