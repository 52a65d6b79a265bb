import CloudEvents
import Foundation

/// A warm no-op Python call by HTTP, one at a time, beside a bare asyncio server: both asked by the same plain client, in
/// alternation.
enum WarmRows {
    private static let rounds = 12
    private static let callsARound = 500

    static func run(_ report: Report, directory: String) async throws {
        report.section("Warm no-op Python call by HTTP, isolated, one at a time (real server)")
        let server = try await BenchServer(directory: directory + "/warm")
        defer { server.stop() }
        try await server.function("noop", "def main(args):\n    return {}\n")
        let floor = try AsyncioServer()
        defer { floor.stop() }
        let ours = try PlainClient(port: server.port)
        let bare = try PlainClient(port: floor.port)
        let request = PlainClient.request(
            "/v1/functions/noop/invoke?blocking=true", key: server.authorization)
        let bareRequest = PlainClient.request("/")
        for _ in 0..<300 {
            try ours.call(request)
            try bare.call(bareRequest)
        }
        var samples: [Double] = []
        var floors: [Double] = []
        var cpu = 0.0
        for _ in 0..<rounds {
            let before = server.cpu
            samples += try time(ours, request)
            cpu += server.cpu - before
            floors += try time(bare, bareRequest)
        }
        samples.sort()
        floors.sort()
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            report.add(
                Row(
                    name: "call by HTTP, \(name)", value: Measure.percentile(samples, share), unit: "µs",
                    floor: Measure.percentile(floors, share), floorName: "bare asyncio HTTP server",
                    budget: share == 0.5 ? .ratioAtMost(2.5) : .atMost(500)))
        }
        let payload = Array(#"{"a":1,"b":"two","c":[1,2,3]}"#.utf8)
        let pipe = [1, 2, 3].map { _ in PipeWorker.cpuPerCall(payload: payload, calls: 20_000) }.min() ?? 0
        report.add(
            Row(
                name: "CPU of a call, server and worker", value: cpu / Double(samples.count) * 1e6, unit: "µs",
                floor: pipe * 1e6, floorName: "Python worker on a pipe, a call", budget: .ratioAtMost(3.5)))
    }

    /// Microseconds of each call.
    private static func time(_ client: PlainClient, _ request: [UInt8]) throws -> [Double] {
        var samples: [Double] = []
        samples.reserveCapacity(callsARound)
        for _ in 0..<callsARound {
            let began = Measure.clock(CLOCK_MONOTONIC)
            try client.call(request)
            samples.append((Measure.clock(CLOCK_MONOTONIC) - began) * 1e6)
        }
        return samples
    }
}
