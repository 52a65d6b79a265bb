import CloudEvents
import Foundation
import TestSupport
import Testing

/// Attempts beyond the list in the documentation, at every level of isolation that can be had here: with the host's
/// namespaces shared, what is kept apart elsewhere must be refused.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10))) struct FurtherAbuseTests {
    struct Place: Sendable, CustomTestStringConvertible {
        var account: Account
        var maximum: Int
        var testDescription: String { "\(account.testDescription), level \(maximum) at most" }

        static let all = [1, 2, 3].flatMap { maximum in Account.allCases.map { Place(account: $0, maximum: maximum) } }
    }

    private func start(_ place: Place) async throws -> AbuseHost? {
        try await AbuseHost.start(place.account, ["--maximum-isolation", "\(place.maximum)"])
    }

    @Test("Other processes of the user are not slowed, limited or looked into", arguments: Place.all)
    func otherProcesses(_ place: Place) async throws {
        guard let host = try await start(place) else { return }
        let outside = try Bystander(canary: host.canary)
        let pids = [outside.pid, host.server.pid]
        let before = pids.map(Standing.init)
        let run = try await host.attempt(
            "other_processes", ["pids": .array(pids.map { .integer(Int64($0)) })])
        #expect(run["result"]?["found"]?.object?.members.count == 2, "\(run.text)")
        for (pid, answers) in (run["result"]?["found"]?.object?.members ?? []).map({ ($0.name, $0.value) }) {
            for answer in answers.object?.members ?? [] {
                #expect(
                    ["EPERM", "ESRCH", "EACCES", "ENOENT", "PermissionError"].contains(answer.value.string),
                    "\(answer.name) of \(pid): \(run.text)")
            }
        }
        #expect(pids.map(Standing.init) == before, "\(run.text)")
        try await host.finish()
    }

    @Test("What the kernel keeps for all is neither used up nor left", arguments: Place.all)
    func kernelTables(_ place: Place) async throws {
        guard let host = try await start(place) else { return }
        let before = Tables()
        let run = try await host.attempt("kernel_tables")
        #expect(run["status"] == "success", "\(run.text)")
        let result = run["result"]
        func reason(_ name: String) -> String? { result?[name]?.array?.last?.string }
        if host.level < 2 {
            for name in ["semaphores", "segments", "messages", "queues"] {
                #expect(result?[name]?.array?.first == 0 && reason(name) == "EPERM", "\(name): \(run.text)")
            }
        }
        if host.level < 3 {
            // Not counted by anything that belongs to the worker alone.
            for name in ["semaphores", "segments", "messages", "watches", "memory files"] {
                #expect(
                    (result?[name]?.array?.first == 0 && reason(name) == "EPERM"), "\(name): \(run.text)")
            }
        }
        #expect(reason("watches") != nil, "\(run.text)")
        #expect(reason("locked") != nil, "\(run.text)")
        #expect(Tables() == before, "System V objects are left on the host")
        try await host.finish()
    }

    @Test("Nothing that a process does to itself gives it more", arguments: Place.all)
    func ownProcess(_ place: Place) async throws {
        guard let host = try await start(place) else { return }
        let run = try await host.attempt("own_process")
        #expect(run["status"] == "success", "\(run.text)")
        for kind in ["written", "rights"] {
            #expect((run["result"]?[kind]?.object?.members.count ?? 0) > 10, "\(run.text)")
            for answer in run["result"]?[kind]?.object?.members ?? [] {
                #expect(answer.value != "ok", "\(kind) \(answer.name): \(run.text)")
            }
        }
        for name in ["other numbers", "old gate"] {
            #expect(run["result"]?["rights"]?[name] == "killed by 31", "\(name): \(run.text)")
        }
        #expect(run["result"]?["sockets"] == [], "\(run.text)")
        for limit in run["result"]?["limits"]?.object?.members ?? [] {
            #expect(limit.value == [0, 0], "limit \(limit.name): \(run.text)")
        }
        if host.level >= 2 {
            // Where the host's groups stand is not told.
            let groups = run["result"]?["groups"]?.string ?? "none"
            #expect(groups.split(separator: "\n").allSatisfy { $0.hasSuffix(":/") }, "\(groups)")
        }
        try await host.finish()
    }

    static let ends: [(String, [String])] = [
        ("one line", ["success"]), ("closed", ["developer error"]),
        ("swapped", ["developer error", "timeout"]), ("logs closed", ["success"]),
        ("shut", ["developer error", "timeout"]), ("stopped", ["timeout"]),
        ("stopped by another", ["timeout"]), ("deaf", ["timeout"]), ("sessions", ["developer error"]),
        ("deep", ["developer error", "application error"]), ("no json", ["developer error", "application error"]),
        ("no text", ["developer error", "application error", "success"]),
        // The line numbers of a million frames take their time.
        ("recursion", ["developer error", "application error", "timeout"]),
    ]

    @Test("However a function ends, its call is answered and the next one served", arguments: Place.all)
    func endings(_ place: Place) async throws {
        guard let host = try await start(place) else { return }
        try await host.deploy("ends_badly", ["timeout": "3s"])
        for (how, statuses) in Self.ends {
            let run = try await host.invoke("ends-badly", ["how": .string(how)])
            #expect(statuses.contains(run["status"]?.string ?? ""), "\(how): \(run.text.prefix(2_000))")
            let kept = (run["logs"]?.array ?? []).reduce(0) { $0 + ($1["text"]?.string?.utf8.count ?? 0) }
            #expect(kept <= 2 << 20, "\(how): \(kept) bytes of log were kept")
            let next = try await host.invoke("ends-badly", ["how": "not"])
            #expect(next["status"] == "success", "after \(how): \(next.text)")
        }
        try await host.finish()
    }
}

/// How a process stands with the kernel: what others might change of it.
private struct Standing: Equatable {
    let limits: String
    let nice: Int32
    let policy: Int32
    let processors: String

    init(_ pid: pid_t) {
        limits = String(
            decoding: FileManager.default.contents(atPath: "/proc/\(pid)/limits") ?? Data(), as: UTF8.self)
        nice = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(pid))
        policy = sched_getscheduler(pid)
        let status = String(
            decoding: FileManager.default.contents(atPath: "/proc/\(pid)/status") ?? Data(), as: UTF8.self)
        processors = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list") }.map(String.init) ?? ""
    }
}

/// How many System V objects there are on the host.
private struct Tables: Equatable {
    let counts: [Int]

    init() {
        counts = ["sem", "msg", "shm"].map { name in
            let text = FileManager.default.contents(atPath: "/proc/sysvipc/\(name)") ?? Data()
            return String(decoding: text, as: UTF8.self).split(separator: "\n").count
        }
    }
}
