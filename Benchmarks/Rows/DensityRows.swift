import CloudEvents
import Foundation

/// What idle things cost, and how many functions few workers can serve.
enum DensityRows {
    static func run(_ report: Report, directory: String) async throws {
        try await idleWorkers(report, directory: directory + "/idle")
        try await manyFunctions(report, directory: directory + "/many")
        try await scaledToZero(report, directory: directory + "/zero")
    }

    private static let code = "def main(args):\n    return {\"ok\": True}\n"

    private static func idleWorkers(_ report: Report, directory: String) async throws {
        let count = 100
        report.section("\(count) idle warm Python workers, isolated")
        let server = try await BenchServer(
            directory: directory, arguments: ["--workers", "120", "--idle-grace", "10m"])
        defer { server.stop() }
        for number in 0..<count {
            // Small limits: all of them together must fit into the budget of memory, or some are sent away.
            try await server.function("idle-\(number)", code + "# \(number)\n", ["memory": "64MiB"])
            _ = try await server.call(
                "POST", "/v1/functions/idle-\(number)/invoke?blocking=true", body: Array("{}".utf8))
        }
        let idle = try await server.call("GET", "/v1/workers")["workers"]?["idle"]?.integer ?? 0
        guard idle >= Int64(count) else { throw BenchError("of \(count) workers only \(idle) are idle") }
        let processes = server.processes.dropFirst()
        let total = processes.reduce(0.0) { $0 + Program.proportionalMemory(of: $1) }
        report.add(
            Row(
                name: "PSS of all below the server, a worker", value: total / Double(count) / 1_048_576, unit: "MiB",
                budget: .atMost(1.5)))
        report.add(
            Row(name: "processes below the server, a worker", value: Double(processes.count) / Double(count), unit: ""))
    }

    private static func manyFunctions(_ report: Report, directory: String) async throws {
        let (count, workers, calls) = (1_000, 16, 4_000)
        report.section("\(count) functions called in random order, at most \(workers) workers")
        let server = try await BenchServer(directory: directory, arguments: ["--workers", "\(workers)"])
        defer { server.stop() }
        for number in 0..<count {
            try await server.function("many-\(number)", code + "# \(number)\n")
            try await server.function(
                "shared-\(number)", code + "# \(number)\n", ["scale": ["shared": true, "max": 8]])
        }
        func rate(_ calls: Int, _ name: @escaping @Sendable (Int) -> String) async throws -> Double {
            let began = Measure.clock(CLOCK_MONOTONIC)
            try await withThrowingTaskGroup { group in
                for lane in 0..<8 {
                    group.addTask {
                        for number in stride(from: lane, to: calls, by: 8) {
                            let answer = try await server.call(
                                "POST", "/v1/functions/\(name(number))/invoke?blocking=true", body: Array("{}".utf8))
                            guard answer["status"] == "success" else { throw BenchError(answer.text) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            return Double(calls) / (Measure.clock(CLOCK_MONOTONIC) - began)
        }
        var generator = SystemRandomNumberGenerator()
        let order = (0..<calls).map { _ in Int.random(in: 0..<count, using: &generator) }
        for (kind, text) in [("shared", "workers shared (scale.shared)"), ("many", "workers of their own")] {
            _ = try await rate(400) { _ in "\(kind)-0" }
            let single = try await rate(calls) { _ in "\(kind)-0" }
            let random = try await rate(calls) { "\(kind)-\(order[$0])" }
            report.add(
                Row(
                    name: "calls of random functions, \(text)", value: random, unit: "calls/s", floor: single,
                    floorName: "calls of one function, same load", budget: .ratioAtLeast(1.0 / 3)))
        }
    }

    private static func scaledToZero(_ report: Report, directory: String) async throws {
        let count = 100_000
        report.section("\(count) deployed functions, scaled to zero")
        let server = try await BenchServer(directory: directory)
        defer { server.stop() }
        // What the first thousand cost once (pages, caches) is not what each costs.
        for number in 0..<1_000 { try await server.function("zero-\(number)", code) }
        let before = Program.residentMemory(of: server.pid)
        let began = Measure.clock(CLOCK_MONOTONIC)
        try await withThrowingTaskGroup { group in
            for lane in 0..<16 {
                group.addTask {
                    for number in stride(from: 1_000 + lane, to: count, by: 16) {
                        try await server.function("zero-\(number)", code)
                    }
                }
            }
            try await group.waitForAll()
        }
        let seconds = Measure.clock(CLOCK_MONOTONIC) - began
        report.add(Row(name: "deployments", value: Double(count - 1_000) / seconds, unit: "functions/s"))
        let grown = Program.residentMemory(of: server.pid) - before
        report.add(
            Row(
                name: "resident memory, a function, after deploying", value: max(0, grown) / Double(count - 1_000),
                unit: "B"))
        server.stop()
        let again = try await BenchServer(directory: directory)
        defer { again.stop() }
        let empty = try await BenchServer(directory: directory + "-empty")
        defer { empty.stop() }
        let emptyMemory = try await restingMemory(of: empty)
        let difference = try await restingMemory(of: again) - emptyMemory
        report.add(
            Row(
                name: "resident memory, a function, after a restart", value: max(0, difference) / Double(count),
                unit: "B",
                budget: .atMost(500)))
        report.add(
            Row(
                name: "resident memory of an empty server", value: emptyMemory / 1_048_576,
                unit: "MiB", budget: .atMost(40)))
    }

    /// Resident memory once it has not changed for two seconds: what starting needed is given back after a while.
    private static func restingMemory(of server: BenchServer) async throws -> Double {
        var last = Program.residentMemory(of: server.pid)
        var unchanged = 0
        while unchanged < 8 {
            // Another process: there is nothing to await.
            try await Task.sleep(for: .milliseconds(250))
            let now = Program.residentMemory(of: server.pid)
            unchanged = abs(now - last) < 65_536 ? unchanged + 1 : 0
            last = now
        }
        return last
    }
}
