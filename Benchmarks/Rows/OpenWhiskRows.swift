import CloudEvents
import Foundation

/// A blocking no-op call through the OpenWhisk API beside the same function's through the native one, asked by the same
/// plain client in alternation.
enum OpenWhiskRows {
    private static let rounds = 12
    private static let callsARound = 500

    static func run(_ report: Report, directory: String) async throws {
        report.section("Blocking no-op Python call through the OpenWhisk API beside the native one (real server)")
        let server = try await BenchServer(directory: directory + "/openwhisk")
        defer { server.stop() }
        let made = try await server.call("POST", "/v1/keys?namespace=bench")
        let key = "Basic " + Data((made["auth"]?.string ?? "").utf8).base64EncodedString()
        // One connection for both: connections are served by several threads, and one of them may stand better than another.
        let client = try PlainClient(port: server.port)
        let put: JSONValue = ["exec": ["kind": "python:3", "code": "def main(args):\n    return {}\n"]]
        try client.call(
            PlainClient.request("/api/v1/namespaces/_/actions/noop", method: "PUT", key: key, put.text))
        let nativePath = "/v1/functions/noop/invoke?blocking=true&namespace=bench"
        let record = PlainClient.request("/api/v1/namespaces/_/actions/noop?blocking=true", key: key)
        let result = PlainClient.request("/api/v1/namespaces/_/actions/noop?blocking=true&result=true", key: key)
        let invoke = PlainClient.request(nativePath, key: key)
        for _ in 0..<300 {
            try client.call(record)
            try client.call(invoke)
        }
        // By rounds: the middle one of them is told, so that what else the machine did in one of them counts little.
        var samples: (record: [[Double]], result: [[Double]], native: [[Double]]) = ([], [], [])
        var cpu = (whisk: 0.0, native: 0.0)
        for _ in 0..<rounds {
            var before = server.cpu
            samples.record.append(try time(client, record))
            cpu.whisk += server.cpu - before
            before = server.cpu
            samples.native.append(try time(client, invoke))
            cpu.native += server.cpu - before
            samples.result.append(try time(client, result))
        }
        for (name, found) in [("record", samples.record), ("result=true", samples.result)] {
            for (word, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                report.add(
                    Row(
                        name: "blocking call, \(name), \(word)", value: middle(found) { Measure.percentile($0, share) },
                        unit: "µs",
                        floor: middle(samples.native) { Measure.percentile($0, share) }, floorName: "the native API",
                        budget: .ratioAtMost(1.15)))
            }
        }
        let count = Double(rounds * callsARound)
        report.add(
            Row(
                name: "blocking calls, one after the other", value: middle(samples.record, perSecond),
                unit: "calls/s", floor: middle(samples.native, perSecond), floorName: "the native API",
                budget: .ratioAtLeast(0.85)))
        report.add(
            Row(
                name: "CPU of a call, server and worker", value: cpu.whisk / count * 1e6, unit: "µs",
                floor: cpu.native / count * 1e6, floorName: "the native API", budget: .ratioAtMost(1.15)))
    }

    /// A figure of each round, and of those the middle one.
    private static func middle(_ rounds: [[Double]], _ figure: ([Double]) -> Double) -> Double {
        Measure.median(rounds.map { figure($0.sorted()) })
    }

    private static func perSecond(_ microseconds: [Double]) -> Double {
        Double(microseconds.count) / microseconds.reduce(0, +) * 1e6
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
