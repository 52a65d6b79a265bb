import CloudEvents
import Foundation
import TestSupport
import Testing

/// Functions that take more than their share. Each fails inside; the server and the neighbours go on, the activation
/// says what happened, and nothing is left. The numbers are those of the list in the security documentation.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10))) struct ResourceAbuseTests {
    private static let memory: Int64 = 128 << 20

    @Test("A1: a fork bomb ends at the limit", arguments: Account.allCases)
    func forkBomb(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt("fork_bomb")
        #expect(run["result"]?["reason"] == "EAGAIN", "\(run.text)")
        #expect((run["result"]?["made"]?.integer ?? .max) < 1_000, "\(run.text)")
        try await host.expectNeighbour()
        let endless = try await host.attempt("fork_bomb_for_ever", spec: ["timeout": "1s"])
        // Whichever limit it meets first: so many processes need memory, too.
        let isOutOfMemory = endless["result"]?["error"]?.string?.hasPrefix("out of memory") == true
        #expect(endless["status"] == "timeout" || isOutOfMemory, "\(endless.text)")
        try await host.finish()
    }

    @Test("A2: a thread bomb ends at the limit", arguments: Account.allCases)
    func threadBomb(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt("thread_bomb")
        let reason = run["result"]?["reason"]?.string ?? ""
        #expect(reason.contains("can't start new thread") || reason == "MemoryError", "\(run.text)")
        #expect((run["result"]?["made"]?.integer ?? .max) < 5_000, "\(run.text)")
        try await host.finish()
    }

    @Test(
        "A3: memory beyond the limit is told as that, whatever kind it is",
        arguments: Account.allCases,
        ["memory_private", "memory_shared", "memory_children", "memfd_memory", "shared_memory"])
    func memoryBomb(_ account: Account, _ attempt: String) async throws {
        guard let host = try await AbuseHost.start(account, minimum: 2) else { return }
        let run = try await host.attempt(
            attempt, ["bytes": .integer(5 * Self.memory), "seconds": 15], spec: ["timeout": "20s"])
        expectHeld(run)
        try await host.finish()
    }

    /// Either the limit refuses (an error inside), or what goes beyond is ended and the run is told so.
    private func expectHeld(_ run: JSONValue) {
        if let held = run["result"]?["held"]?.integer {
            #expect(held <= Self.memory + (Self.memory / 4), "\(run.text)")
        } else {
            #expect(run["status"] != "success", "\(run.text)")
            #expect(run["result"]?["error"]?.string?.contains("memory") == true, "\(run.text)")
        }
    }

    /// A zygote forks for functions of all sizes, and where only limits of a process hold them, a lowered one stays low.
    @Test("forked workers have all the memory that their functions may have", arguments: Account.allCases)
    func memoryOfForkedWorkers(_ account: Account) async throws {
        guard let host = try await zygoteHost(account) else { return }
        // Together they hold more than the zygote of the usual size may have.
        let code = "held = bytearray(300 << 20)\ndef main(args):\n    return {'held': len(held)}\n"
        for round in 0..<2 {
            for name in ["large", "larger"] {
                if round == 0 { try await host.client.function(name, code, ["memory": "512MB"]) }
                let run = try await host.invoke(name)
                #expect(run["result"] == ["held": .integer(300 << 20)], "\(run.text)")
                #expect(round > 0 || run["coldStart"]?["way"] == "zygote", "\(run.text)")
            }
            // Longer than trees are left alone by who watches them.
            try await host.client.function("wait-\(round)", "import time\ndef main(args):\n    time.sleep(1)\n")
            #expect(try await host.invoke("wait-\(round)")["status"] == "success")
        }
        try await host.finish()
    }

    @Test("A3: a forked worker is held before it has said a word", arguments: Account.allCases)
    func memoryBombWhileLoading(_ account: Account) async throws {
        guard let host = try await zygoteHost(account) else { return }
        let run = try await host.attempt("memory_while_loading")
        // What failed to start does not tell of its way.
        #expect(run["status"] != "success" || run["coldStart"]?["way"] == "zygote", "\(run.text)")
        expectHeld(run)
        try await host.finish()
    }

    /// A server whose next first call is served by a zygote.
    private func zygoteHost(_ account: Account) async throws -> AbuseHost? {
        guard let host = try await AbuseHost.start(account, ["--stems", "0"], minimum: 2) else { return nil }
        // The zygote is made beside the first calls.
        let isThere = try await eventually {
            let name = "first-\(Int.random(in: 0..<1_000_000_000))"
            try await host.client.function(name, "def main(args):\n    return {}\n")
            return try await host.invoke(name)["coldStart"]?["way"] == "zygote"
        }
        #expect(isThere)
        return host
    }

    @Test("A4, A5: /tmp has an end, in bytes and in files", arguments: Account.allCases)
    func fullFolder(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account, minimum: 2) else { return }
        let bytes = try await host.attempt("fill_tmp", spec: ["memory": "512MB"])
        if let reason = bytes["result"]?["reason"]?.string {
            #expect(["ENOSPC", "EFBIG", "EDQUOT"].contains(reason), "\(bytes.text)")
            #expect((bytes["result"]?["written"]?.integer ?? .max) <= 600 << 20, "\(bytes.text)")
        } else {
            // What lies in /tmp is memory: a folder larger than the limit ends as memory does.
            #expect(bytes["result"]?["error"]?.string?.contains("memory") == true, "\(bytes.text)")
        }
        let files = try await host.attempt("many_files")
        #expect(["ENOSPC", "EDQUOT"].contains(files["result"]?["reason"]?.string), "\(files.text)")
        try await host.finish()
    }

    @Test("A6: descriptors have an end", arguments: Account.allCases)
    func descriptors(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt("many_descriptors")
        #expect(run["result"]?["reason"] == "EMFILE", "\(run.text)")
        try await host.finish()
    }

    @Test(
        "A7, A8: what does not end in time is ended", arguments: Account.allCases, ["busy_loop", "sleep_past_deadline"])
    func deadline(_ account: Account, _ attempt: String) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt(attempt, spec: ["timeout": "1s"])
        #expect(run["status"] == "timeout", "\(run.text)")
        #expect(run["result"]?["error"]?.string?.contains("1 s") == true, "\(run.text)")
        try await host.finish()
    }

    @Test("A9: a daemon goes with its sandbox", arguments: Account.allCases)
    func daemon(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let marker = "weir-marker-\(UUID().uuidString)"
        let run = try await host.attempt("daemon", ["marker": .string(marker)])
        #expect(run["status"] == "success", "\(run.text)")
        // It left a process behind, so its worker is not used again: both go.
        let isGone = try await eventually { Traces.processes(naming: marker).isEmpty }
        #expect(isGone)
        try await host.finish()
    }

    @Test("A10: a flood of output is cut and marked", arguments: Account.allCases)
    func output(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let before = Self.residentBytes(host.server.pid)
        let run = try await host.attempt("flood_of_output", ["mebibytes": 512], spec: ["timeout": "60s"])
        #expect(run["status"] == "success", "\(run["status"]?.text ?? "")")
        #expect(run["logsTruncated"] == true)
        let kept = (run["logs"]?.array ?? []).reduce(0) { $0 + ($1["text"]?.string?.utf8.count ?? 0) }
        #expect(kept <= 2 << 20, "\(kept) bytes of log were kept")
        let grown = Self.residentBytes(host.server.pid) - before
        #expect(grown < 256 << 20, "the server grew by \(grown) bytes")
        try await host.finish()
    }

    @Test("A11: an answer beyond the limit is refused", arguments: Account.allCases)
    func answer(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        for bytes in [Int64(2 << 20), 64 << 20, 1 << 30] {
            let run = try await host.attempt("huge_answer", ["bytes": .integer(bytes)], spec: ["memory": "256MB"])
            #expect(run["status"] == "developer error", "\(bytes): \(run["status"]?.text ?? "")")
        }
        try await host.finish()
    }

    @Test("A12: a crash is told with its signal, and the next run gets a new worker", arguments: Account.allCases)
    func crash(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        try await host.deploy("crash", ["timeout": "3s"])
        for (how, words) in [
            ("segfault", ["signal 11"]), ("abort", ["signal 6"]), ("exit", ["status 7"]), ("kill", ["signal 9"]),
        ] {
            let run = try await host.invoke("crash", ["how": .string(how)])
            #expect(run["status"] == "developer error", "\(how): \(run.text)")
            for word in words {
                #expect(run["result"]?["error"]?.string?.contains(word) == true, "\(how): \(run.text)")
            }
            let next = try await host.invoke("crash", ["how": "not"])
            #expect(next["status"] == "success", "\(next.text)")
        }
        let stopped = try await host.invoke("crash", ["how": "stop"])
        #expect(stopped["status"] == "timeout", "\(stopped.text)")
        try await host.finish()
    }

    @Test("A13: children that are left behind do not pile up", arguments: Account.allCases)
    func children(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        try await host.deploy("leave_a_child")
        for _ in 0..<100 {
            let run = try await host.invoke("leave-a-child")
            #expect(run["status"] == "success", "\(run.text)")
            if host.level >= 2 {
                #expect((run["result"]?["processes"]?.integer ?? .max) < 20, "\(run.text)")
                let zombies = run["result"]?["zombies"]?.integer ?? .max
                #expect(zombies <= 1, "\(run.text)")
            }
        }
        try await host.finish()
    }

    @Test(
        "A worker that breaks its protocol is ended and told", arguments: Account.allCases,
        ["length", "answers", "noise", "close"])
    func brokenProtocol(_ account: Account, _ kind: String) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        try await host.deploy("raw_control", ["timeout": "5s"])
        let run = try await host.invoke("raw-control", ["kind": .string(kind)])
        // A forged answer of its own call is its own affair; of more calls than there were, it is not.
        #expect(run["status"] != "success" || kind == "answers", "\(run.text)")
        try await host.expectNeighbour()
        try await host.finish()
    }

    @Test("Kernel memory by full pipes is bounded", arguments: Account.allCases)
    func pipes(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt("pipe_memory", ["bytes": .integer(4 << 30)])
        if let held = run["result"]?["held"]?.integer {
            #expect(held < 1 << 30, "\(run.text)")
        } else {
            #expect(run["status"] != "success", "\(run.text)")
        }
        try await host.finish()
    }

    private static func residentBytes(_ pid: pid_t) -> Int {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(pid)/statm") ?? Data(), as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}
