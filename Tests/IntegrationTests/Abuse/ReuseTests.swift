import CloudEvents
import Foundation
import TestSupport
import Testing

/// What one run leaves must not reach another function, version or tenant, and names must not reach the file system.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10))) struct ReuseTests {
    @Test("A32: what a run leaves is seen by no other function or version", arguments: Account.allCases)
    func leftovers(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account, minimum: 2) else { return }
        let secret = "secret-\(UUID().uuidString)"
        try await host.deploy("remember", as: "first")
        try await host.deploy("remember", as: "second")
        let planted = try await host.invoke("first", ["plant": .string(secret)])
        #expect(planted["status"] == "success", "\(planted.text)")
        let other = try await host.invoke("second", ["look": .string(secret)])
        #expect(other["result"]?["found"] == [], "\(other.text)")
        // A new version of the same function begins anew.
        try await host.deploy("remember", as: "first", ["description": "again", "timeout": "19s"])
        let later = try await host.invoke("first", ["look": .string(secret)])
        #expect(later["result"]?["found"] == [], "\(later.text)")
        try await host.finish()
    }

    @Test("A33: a thread that goes on after the answer uses no processor time", arguments: Account.allCases)
    func threads(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account, minimum: 2) else { return }
        try await host.deploy("remember", ["concurrency": 1])
        let started = try await host.invoke("remember", ["thread": true])
        #expect(started["status"] == "success", "\(started.text)")
        let before = try await host.invoke("remember", ["cpu": true])
        // The other function's runs are the time that passes.
        let began = ContinuousClock.now
        for _ in 0..<40 { try await host.expectNeighbour() }
        let passed = (ContinuousClock.now - began) / .seconds(1)
        let after = try await host.invoke("remember", ["cpu": true])
        let used = (after["result"]?["cpu"]?.double ?? 0) - (before["result"]?["cpu"]?.double ?? 0)
        // Ended and begun anew counts as well: then it has used less than before.
        // It would have a processor for itself. What it uses until it is stopped takes longer on a busy machine.
        #expect(
            used < max(0.1, passed / 5),
            "in \(passed) s the thread used \(used) s between the calls: \(before.text) \(after.text)")
        try await host.finish()
    }

    @Test("A35: every cold start has random numbers of its own", arguments: Account.allCases)
    func randomness(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        var seen: Set<String> = []
        let count = 30
        for number in 0..<count {
            try await host.deploy("random_numbers", as: "random-\(number)")
            let run = try await host.invoke("random-\(number)")
            let numbers = (run["result"]?["numbers"]?.array ?? []).compactMap(\.string)
            #expect(numbers.count == 6, "\(run.text)")
            seen.formUnion(numbers)
        }
        #expect(seen.count == count * 6)
        try await host.finish()
    }

    @Test("A40: names that are no names are refused, and a forged log line stays one line", arguments: Account.allCases)
    func names(_ account: Account) async throws {
        guard let host = try await AbuseHost.start(account) else { return }
        for name in ["..%2fx", "%2e%2e", "a%00b", "a%2f..%2fb", "a%0ab", "%2fetc%2fpasswd", "a%20b", "-a", "a%2fb%2fc"]
        {
            let answer = try await host.client.put(
                "/v1/functions/\(name)", TestClient.upload("x.py", Array("def main(a): return {}".utf8)))
            #expect((400..<500).contains(answer.status), "\(name): \(answer.status) \(answer.text)")
        }
        let run = try await host.attempt("forge_log")
        let lines = run["logs"]?.array ?? []
        #expect(lines.count == 5, "\(run.text)")
        #expect(lines.allSatisfy { $0["stream"] == "stdout" }, "\(run.text)")
        try await host.finish()
    }
}
