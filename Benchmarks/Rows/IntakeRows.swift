import CloudEvents
import Foundation
import Glibc

/// HTTP intake of CloudEvents: each request answered when its events are on disk.
enum IntakeRows {
    static func run(_ report: Report, directory: String) async throws {
        report.section("HTTP intake (real server, 1 kB events, answered when durable)")
        let server = try await BenchServer(directory: directory + "/intake")
        defer { server.stop() }
        _ = try await server.call("PUT", "/v1/channels/in", body: Array("{}".utf8))
        let healthz = try await load(server, requests: 6_000, connections: 32) { _ in
            _ = try await server.call("GET", "/healthz")
        }
        let single = try await load(server, requests: 12_000, connections: 32) { number in
            var body: [UInt8] = []
            JSONEventFormat.encode(SampleEvents.event(number, salt: "single-"), into: &body)
            _ = try await server.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents+json", body: body)
        }
        let batched = try await load(server, requests: 600, connections: 8) { number in
            var body: [UInt8] = []
            let events = (0..<100).map { SampleEvents.event(number * 100 + $0, salt: "batch-") }
            JSONEventFormat.encodeBatch(events, into: &body)
            _ = try await server.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json", body: body)
        }
        report.add(
            Row(
                name: "server CPU of a request with one event", value: single.cpu * 1e6, unit: "µs",
                floor: healthz.cpu * 1e6, floorName: "GET /healthz of the same server"))
        report.add(Row(name: "requests with one event", value: single.rate, unit: "events/s"))
        report.add(Row(name: "server CPU of an event, 100 a request", value: batched.cpu * 1e4, unit: "µs"))
        report.add(Row(name: "events, 100 a request", value: batched.rate * 100, unit: "events/s"))
    }

    private static func load(
        _ server: BenchServer, requests: Int, connections: Int,
        _ request: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> (cpu: Double, rate: Double) {
        let (wall, cpu) = (Measure.clock(CLOCK_MONOTONIC), server.ownCPU)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for connection in 0..<connections {
                group.addTask {
                    for number in stride(from: connection, to: requests, by: connections) { try await request(number) }
                }
            }
            try await group.waitForAll()
        }
        let seconds = Measure.clock(CLOCK_MONOTONIC) - wall
        return ((server.ownCPU - cpu) / Double(requests), Double(requests) / seconds)
    }
}
