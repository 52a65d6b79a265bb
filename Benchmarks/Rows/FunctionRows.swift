import CloudEvents
import Foundation
import Glibc

/// The whole way on the real server: durable event → Python function → activation recorded.
enum FunctionRows {
    private static let handler = "def handle(event, context):\n    return {}\n"

    static func run(_ report: Report, directory: String) async throws {
        report.section("Event → function → activation (real server, Python no-op `handle`, 300 B events)")
        let server = try await BenchServer(directory: directory + "/functions")
        defer { server.stop() }
        _ = try await server.call("PUT", "/v1/channels/in", body: Array("{}".utf8))
        let code = Data(handler.utf8).base64EncodedString()
        _ = try await server.call(
            "PUT", "/v1/functions/noop",
            body: JSONValue.object(["runtime": "python", "code": ["filename": "noop.py", "base64": .string(code)]])
                .encoded())
        let payload = Array(
            #"{"specversion":"1.0","id":"1","source":"bench:pipe","type":"bench","subject":"/a/b/c","data":{"n":1}}"#
                .utf8)
        let floor = [1, 2, 3].map { _ in PipeWorker.cpuPerCall(payload: payload, calls: 30_000) }.min() ?? 0
        try await throughput(report, server, floor: floor)
        try await latency(report, server)
    }

    private static func subscribe(_ server: BenchServer, _ name: String, batch: Int) async throws {
        let subscription: JSONValue = [
            "channel": "in", "sink": "function:noop",
            "delivery": [
                "start": "earliest", "batch": ["size": .integer(Int64(batch)), "linger": "0ms"], "concurrency": 2,
            ],
        ]
        _ = try await server.call("PUT", "/v1/subscriptions/\(name)", body: subscription.encoded())
    }

    private static func throughput(_ report: Report, _ server: BenchServer, floor: Double) async throws {
        let count = 100_000
        try await publish(server, 0..<count)
        // Warm: the worker is there, the code is loaded.
        _ = try await server.call("POST", "/v1/functions/noop/invoke?blocking=true", body: Array("{}".utf8))
        let (wall, cpu) = (Measure.clock(CLOCK_MONOTONIC), server.cpu)
        try await subscribe(server, "throughput", batch: 256)
        try await settled(server, "throughput", count)
        let seconds = Measure.clock(CLOCK_MONOTONIC) - wall
        let used = server.cpu - cpu
        report.add(
            Row(
                name: "CPU of an event, server and workers", value: used / Double(count) * 1e6, unit: "µs",
                floor: floor * 1e6, floorName: "Python worker on a pipe, a call", budget: .ratioAtMost(1.3)))
        report.add(
            Row(name: "events a core", value: Double(count) / used, unit: "events/s core", budget: .atLeast(80_000)))
        report.add(Row(name: "events, wall clock", value: Double(count) / seconds, unit: "events/s"))
        _ = try await server.call("DELETE", "/v1/subscriptions/throughput")
    }

    /// One event at a time: from the request that publishes it to its activation in the list.
    private static func latency(_ report: Report, _ server: BenchServer) async throws {
        _ = try await server.call("PUT", "/v1/channels/one", body: Array("{}".utf8))
        let subscription: JSONValue = ["channel": "one", "sink": "function:noop"]
        _ = try await server.call("PUT", "/v1/subscriptions/one", body: subscription.encoded())
        var samples: [Double] = []
        for number in 0..<2_050 {
            let sent = Date().timeIntervalSince1970
            try await publish(server, number..<(number + 1), channel: "one", salt: "l")
            try await settled(server, "one", number + 1)
            // The activation says when it ended; what the polling costs does not count.
            let last = try await server.call("GET", "/v1/activations?subscription=one&limit=1")
            guard let id = last["items"]?.array?.first?["id"]?.string else { throw BenchError("no activation") }
            let activation = try await server.call("GET", "/v1/activations/\(id)")
            let end = activation["end"]?.string.flatMap { EventTime($0) }?.nanoseconds ?? 0
            if number >= 50 { samples.append(max(0, Double(end) / 1e6 - sent * 1e3)) }
        }
        samples.sort()
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            report.add(
                Row(
                    name: "publish sent → activation ended, \(name)", value: Measure.percentile(samples, share),
                    unit: "ms"))
        }
    }

    static func publish(
        _ server: BenchServer, _ range: Range<Int>, channel: String = "in", salt: String = ""
    ) async throws {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1_000) {
            var body: [UInt8] = Array("[".utf8)
            for number in start..<min(start + 1_000, range.upperBound) {
                if number > start { body.append(0x2C) }
                body += Array(
                    """
                    {"specversion":"1.0","id":"\(salt)\(number)","source":"bench:pipe","type":"dev.weir.file.written",\
                    "subject":"/pnfs/example.org/raw/run\(number % 100)/file-\(number).h5","partitionkey":"k\(number % 64)",\
                    "pool":"pool-\(number % 20)","data":{"n":\(number),"bytes":17179869184}}
                    """.utf8)
            }
            body.append(0x5D)
            _ = try await server.call(
                "POST", "/v1/channels/\(channel)/events", type: "application/cloudevents-batch+json", body: body)
        }
    }

    private static func settled(_ server: BenchServer, _ name: String, _ count: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while true {
            let status = try await server.call("GET", "/v1/subscriptions/\(name)")["status"]
            if (status?["delivered"]?.integer ?? 0) >= Int64(count) { return }
            guard ContinuousClock.now < deadline else {
                throw BenchError("\(name) did not settle: \(status?.text ?? "")")
            }
            // Another process: there is nothing to await.
            try await Task.sleep(for: .milliseconds(count > 10_000 ? 50 : 1))
        }
    }
}
