internal import Glibc

/// Measures the memory of process trees that no control group limits.
///
/// What it sees is what processes have mapped: memory that only an open descriptor holds escapes it, and so does what
/// comes and goes between two looks. It is the best that an ordinary user's server can do (docs/security.md).
enum MemoryWatch {
    /// How often trees are looked at, milliseconds.
    static var interval: Int64 { 250 }

    /// Memory of processes and all below them, bytes.
    static func memory(ofTrees roots: [Int32], beyond limit: UInt64) -> UInt64 {
        let processes = tree(roots)
        let quick = processes.reduce(0) { $0 + anonymous(of: $1) }
        guard quick > limit else { return quick }
        // What parent and child still share counts twice there; the exact number takes longer.
        return processes.reduce(0) { $0 + (proportional(of: $1) ?? anonymous(of: $1)) }
    }

    /// All processes of trees. Only those of its own process namespace have their orphans below them.
    private static func tree(_ roots: [Int32]) -> [Int32] {
        var found = roots
        var index = 0
        // A tree that grows while it is looked at ends somewhere.
        while index < found.count, found.count < 100_000 {
            found += ProcessIdentity.children(of: found[index])
            index += 1
        }
        return found
    }

    private static func anonymous(of pid: Int32) -> UInt64 {
        let text = SmallFile.read("/proc/\(pid)/status") ?? ""
        return kibibytes(text, "RssAnon:") + kibibytes(text, "RssShmem:")
    }

    private static func proportional(of pid: Int32) -> UInt64? {
        guard let text = SmallFile.read("/proc/\(pid)/smaps_rollup"), !text.isEmpty else { return nil }
        return kibibytes(text, "Pss_Anon:") + kibibytes(text, "Pss_Shmem:")
    }

    /// The number of a line `name   12 kB`, in bytes.
    private static func kibibytes(_ text: String, _ name: String) -> UInt64 {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return words.count > 1 ? (UInt64(words[1]) ?? 0) * 1024 : 0
        }
        return 0
    }
}
