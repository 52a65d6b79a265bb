import CloudEvents
import Foundation
import TestSupport
import Testing

/// Functions that try to see or reach what is outside.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10))) struct EscapeTests {
    @Test("A14, A15, A21, A22, A24, A31, A34: nothing of the host is seen or written", arguments: Account.allCases)
    func look(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let outside = try Bystander(canary: host.canary)
        let run = try await host.attempt(
            "look_around",
            [
                "canary": .string(host.canary), "host": .integer(Int64(outside.pid)),
                "server": .integer(Int64(host.server.pid)), "data": .string(host.server.data),
                "file": .string(host.folder.file("canary.txt")),
            ])
        let result = try #require(run["result"], "\(run.text)")
        #expect(run["status"] == "success", "\(run.text)")
        // Its own arguments hold the canary: only what is found elsewhere counts, and an object is one of them.
        let found = result["found"]?.array ?? ["nothing was looked for"]
        #expect(found.allSatisfy { $0 == "an object" }, "\(run.text)")
        #expect(result["open"] == [], "\(run.text)")
        #expect(result["writable"] == [], "\(run.text)")
        let groups = result["groups"]?.array ?? []
        #expect(!groups.contains(0), "\(run.text)")
        // In a user namespace there is no user 0 to become: EINVAL.
        #expect(result["setuid"] == "EPERM" || result["setuid"] == "EINVAL", "\(run.text)")
        for set in result["caps"]?.array ?? [] {
            #expect(set.string?.allSatisfy { $0 == "0" } == true, "a capability: \(run.text)")
        }
        if host.level >= 2 {
            let pids = result["pids"]?.array?.count ?? .max
            #expect(pids <= 3, "\(run.text)")
        }
        try await host.finish()
    }

    @Test("A16: no process outside can be signalled", arguments: Account.allCases)
    func signals(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let outside = try Bystander(canary: host.canary)
        let pids = [outside.pid, host.server.pid]
        let run = try await host.attempt("signals", ["pids": .array(pids.map { .integer(Int64($0)) })])
        for (pid, answers) in (run["result"]?.object?.members ?? []).map({ ($0.name, $0.value) }) {
            for answer in answers.array ?? [] {
                #expect(["EPERM", "ESRCH"].contains(answer.string), "\(pid): \(run.text)")
            }
        }
        #expect(outside.isAlive)
        try await host.finish()
    }

    @Test("A17 to A20, A22, A23, A30: the kernel's dangerous calls are refused", arguments: Account.allCases)
    func calls(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let outside = try Bystander(canary: host.canary)
        let run = try await host.attempt("kernel_calls", ["pid": .integer(Int64(outside.pid))])
        let answers = try #require(run["result"]?.object, "\(run.text)")
        #expect(answers.members.count > 50, "\(run.text)")
        for answer in answers.members {
            let text = answer.value.string ?? answer.value.text
            #expect(text != "ok", "\(answer.name) succeeded")
            // Refused by the filter or the kernel's own check, never merely for a wrong argument of ours.
            #expect(
                ["EPERM", "ENOSYS", "EACCES", "ESRCH", "ENOTTY", "EBADF", "ENOMSG", "ValueError"].contains(text)
                    || text.hasPrefix("killed") || (text == "EINVAL" && answer.name.hasPrefix("set")),
                "\(answer.name): \(text)")
        }
        try await host.finish()
    }

    @Test("A23: nothing in the sandbox gives more rights", arguments: Account.allCases)
    func setuid(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let run = try await host.attempt("setuid_file")
        for mode in run["result"]?["modes"]?.object?.members ?? [] {
            #expect(mode.value.string?.count == "0o100444".count, "\(run.text)")
        }
        let uid = run["result"]?["uid"]?.integer ?? 0
        #expect(uid != 0, "\(run.text)")
        #expect(run["result"]?["su"]?.string != "0", "\(run.text)")
        #expect(run["result"]?["id"]?.string != "0", "\(run.text)")
        try await host.finish()
    }

    @Test("A25: only its own descriptors are open", arguments: Account.allCases)
    func descriptors(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account, minimum: 2) else { return }
        let run = try await host.attempt("descriptors")
        for one in run["result"]?.object?.members ?? [] {
            let kind = one.value.array?.first?.string ?? ""
            let target = one.value.array?.dropFirst().first?.string ?? ""
            #expect(
                ["pipe", "socket"].contains(kind) || target.contains("/dev/null") || target.contains("memfd:"),
                "\(one.name): \(one.value.text)")
            #expect(!target.contains(host.folder.path), "\(one.value.text)")
        }
        try await host.finish()
    }

    @Test("A26 to A29: the network is not there unless it is granted", arguments: Account.allCases)
    func network(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let listener = try CanaryListener(folder: host.folder)
        let port = URL(string: host.server.url)?.port ?? 0
        let run = try await host.attempt(
            "network",
            [
                "canary": .integer(Int64(listener.port)), "api": .integer(Int64(port)),
                "abstract": .string(listener.abstractName), "path": .string(listener.path),
            ])
        let answers = try #require(run["result"]?.object, "\(run.text)")
        for answer in answers.members {
            #expect(answer.value != "ok", "\(answer.name): \(run.text)")
        }
        for name in ["raw", "packet", "netlink", "vsock", "alg"] {
            #expect(
                ["EPERM", "EACCES", "EAFNOSUPPORT"].contains(answers[name]?.string), "\(name): \(run.text)")
        }
        #expect(listener.connections == 0)
        try await host.finish()
    }

    @Test("Memory tricks change nothing outside", arguments: Account.allCases)
    func memoryTricks(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        let outside = try Bystander(canary: host.canary)
        let run = try await host.attempt("rewrite_memory", ["pid": .integer(Int64(outside.pid))])
        for name in ["core", "release agent"] {
            #expect(run["result"]?[name] != "ok", "\(name): \(run.text)")
        }
        for answer in run["result"]?["other memory"]?.array ?? [] { #expect(answer != "ok", "\(run.text)") }
        #expect(run["result"]?["oom"] != "ok", "\(run.text)")
        try await host.finish()
    }
}

/// A process outside that holds the canary in its environment and arguments.
final class Bystander: Sendable {
    let pid: pid_t

    init(canary: String) throws {
        var pointers = ["/bin/sleep", "600"].map { (text: String) in strdup(text) } + [nil]
        var variables = ["CANARY=\(canary)"].map { (text: String) in strdup(text) } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, "/bin/sleep", nil, nil, &pointers, &variables)
        guard result == 0 else { throw ServerProcess.StartFailure(description: "sleep: \(result)") }
        self.pid = pid
    }

    var isAlive: Bool { kill(pid, 0) == 0 && waitpid(pid, nil, WNOHANG) == 0 }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
