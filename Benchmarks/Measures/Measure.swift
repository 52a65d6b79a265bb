import Foundation
import Glibc

/// Wall time and processor time of a piece of work.
struct Measure {
    /// Seconds.
    let wall: Double
    /// Processor seconds of this process, all threads.
    let cpu: Double

    static func of(_ body: () throws -> Void) rethrows -> Measure {
        let (wall, cpu) = (clock(CLOCK_MONOTONIC), clock(CLOCK_PROCESS_CPUTIME_ID))
        try body()
        return Measure(wall: clock(CLOCK_MONOTONIC) - wall, cpu: clock(CLOCK_PROCESS_CPUTIME_ID) - cpu)
    }

    static func of(_ body: () async throws -> Void) async rethrows -> Measure {
        let (wall, cpu) = (clock(CLOCK_MONOTONIC), clock(CLOCK_PROCESS_CPUTIME_ID))
        try await body()
        return Measure(wall: clock(CLOCK_MONOTONIC) - wall, cpu: clock(CLOCK_PROCESS_CPUTIME_ID) - cpu)
    }

    static func clock(_ id: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(id, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The value below which `share` of the sorted samples lie.
    static func percentile(_ sorted: [Double], _ share: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    static func median(_ samples: [Double]) -> Double { percentile(samples.sorted(), 0.5) }
}

/// Runs another program and measures it as a whole.
enum Program {
    /// Where a program is, looked for in the usual folders; `nil` when it is not there.
    static func find(_ name: String) -> String? {
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map { "\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    /// A pipe whose ends are not inherited.
    static func pipe(_ ends: inout [Int32]) -> Bool {
        guard Glibc.pipe(&ends) == 0 else { return false }
        return ends.allSatisfy { fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }
    }

    /// Processor seconds (user and system) and wall seconds of one run; its output goes to /dev/null.
    static func run(_ arguments: [String]) -> (cpu: Double, wall: Double) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let start = Measure.clock(CLOCK_MONOTONIC)
        guard posix_spawnp(&pid, arguments[0], &actions, nil, &pointers, nil) == 0 else { return (0, 0) }
        var status: Int32 = 0
        var usage = rusage()
        wait4(pid, &status, 0, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (seconds(usage.ru_utime) + seconds(usage.ru_stime), Measure.clock(CLOCK_MONOTONIC) - start)
    }

    /// Processor seconds that a running process and its threads have used (`/proc/PID/stat`, fields 14 and 15).
    static func cpu(of pid: Int32) -> Double {
        guard let file = fopen("/proc/\(pid)/stat", "r") else { return 0 }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = fread(&buffer, 1, buffer.count, file)
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        // The name (field 2) may hold blanks; what follows the last parenthesis is regular.
        guard let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Bytes of a process's proportional share of memory (`/proc/PID/smaps_rollup`).
    static func proportionalMemory(of pid: Int32) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Pss:") }
        return Double(line?.split(separator: " ").dropFirst().first ?? "0").map { $0 * 1024 } ?? 0
    }

    /// Bytes of a process that are in memory.
    static func residentMemory(of pid: Int32) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)) ?? ""
        return Double(text.split(separator: " ").dropFirst().first ?? "0").map { $0 * 4096 } ?? 0
    }
}
