internal import Glibc
internal import Synchronization

/// A folder of a worker's own for temporary files, on hosts where it cannot have a file system of its own for that.
enum PrivateFolder {
    static var parent: String {
        getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
    }

    private static let made = Atomic<Int>(0)

    /// A new folder that only this user may look into.
    static func make() throws(SandboxError) -> String {
        let start = ProcessIdentity.startTime(of: getpid()) ?? 0
        // Slots are numbered by each launcher; a process may have several.
        let number = made.add(1, ordering: .relaxed).newValue
        Strays.adopt()
        let path = "\(parent)/weir-\(getpid())-\(start)-\(number)"
        guard mkdir(path, 0o700) == 0 else {
            throw SandboxError(
                .resources, "the worker's folder \(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        return path
    }

    /// Removes the folders of servers that are gone.
    static func sweep() {
        for name in SmallFile.names(in: parent) where name.hasPrefix("weir-") {
            let parts = name.split(separator: "-")
            guard parts.count == 4, let pid = Int32(parts[1]), let start = UInt64(parts[2]), UInt64(parts[3]) != nil,
                ProcessIdentity.startTime(of: pid) != start
            else { continue }
            Strays.end(ofFolder: parent + "/" + name)
            remove(parent + "/" + name)
        }
    }

    /// Removes a folder with all that a worker has put there, however deep. Links are removed, not followed.
    static func remove(_ path: String) {
        // A worker may have taken the right to look into its folders from itself.
        chmod(path, 0o700)
        let top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard top >= 0 else { return }
        var moved = 0
        // What lies too deep is moved up and taken in the next round.
        while true {
            let before = moved
            empty(top, top: top, depth: 0, &moved)
            if moved == before { break }
        }
        close(top)
        rmdir(path)
    }

    private static func empty(_ folder: Int32, top: Int32, depth: Int, _ moved: inout Int) {
        let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let entries = fdopendir(copy) else {
            if copy >= 0 { close(copy) }
            return
        }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(entries)
        for name in names where unlinkat(folder, name, 0) != 0 {
            var status = stat()
            guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                continue
            }
            fchmodat(folder, name, 0o700, 0)
            let inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard inner >= 0 else { continue }
            if depth < 64 {
                empty(inner, top: top, depth: depth + 1, &moved)
            } else {
                moved += 1
                renameat(folder, name, top, ".weir-\(moved)")
            }
            close(inner)
            unlinkat(folder, name, AT_REMOVEDIR)
        }
    }
}
