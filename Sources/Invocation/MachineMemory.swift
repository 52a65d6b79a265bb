internal import Glibc

/// How much memory there is to give away.
enum MachineMemory {
    /// Bytes: what the machine has, or what the control group of this process may use if that is less.
    static var available: Int64 {
        var least = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        // cgroup v2, then v1 (cgroups(7)); the files of the own group as a container or a service manager mounts them.
        for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            if let limit = number(in: path), limit > 0 { least = min(least, limit) }
        }
        return max(least, 64 << 20)
    }

    private static func number(in path: String) -> Int64? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return Int64(String(decoding: bytes[..<count].prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    }
}
