internal import CSandbox
internal import Glibc

/// Processes that workers started and that have left their worker's session, on hosts where neither a process namespace
/// nor a control group holds them together. While the launcher lives it ends them; this is for when it was killed.
enum Strays {
    /// What the launcher leaves when it is killed becomes this process's, not the system's first process's.
    static func adopt() { _ = weir_adopt_orphans() }

    /// Ends those that the launcher has left to this process, and waits for them. What a worker starts is confined by one
    /// more filter of system calls than this process, and cannot get rid of it; nothing else below this process is.
    ///
    /// - Parameter workers: workers of the launcher that is gone, which have ended with it.
    static func end(with workers: [Int32]) {
        for worker in workers { reap(worker) }
        let own = filters(of: getpid())
        // One that is killed may leave children of its own.
        for _ in 0..<1_000 {
            let strays = ProcessIdentity.children(of: getpid()).filter { filters(of: $0) > own }
            if strays.isEmpty { return }
            for stray in strays { kill(stray, SIGKILL) }
            for stray in strays { reap(stray) }
        }
    }

    /// Ends what workers of a server that is gone have left, which is told by their folder in the environment that they
    /// were started with.
    static func end(ofFolder folder: String) {
        for name in SmallFile.names(in: "/proc") {
            guard let pid = Int32(name), pid != getpid(), let text = SmallFile.read("/proc/\(name)/environ"),
                text.split(separator: "\0").contains(where: { $0.hasSuffix("=" + folder) })
            else { continue }
            kill(pid, SIGKILL)
        }
    }

    private static func reap(_ pid: Int32) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    /// How many filters of system calls a process has (proc(5), Seccomp_filters).
    private static func filters(of pid: Int32) -> Int {
        let text = SmallFile.read("/proc/\(pid)/status") ?? ""
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Seccomp_filters:") }) else {
            return 0
        }
        return line.split(whereSeparator: { $0 == "\t" || $0 == " " }).last.flatMap { Int($0) } ?? 0
    }
}
