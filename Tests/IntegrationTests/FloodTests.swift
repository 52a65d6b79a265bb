import AsyncHTTPClient
import CloudEvents
import Foundation
import TestSupport
import Testing

/// Two namespaces on one server: one asks for ten times its share, the other has steady work.
@Suite(.fewAtATime, .serialized) struct FloodTests {
    private static let workers = 8
    /// Half of the places is each one's share.
    private static let flooding = 10 * workers / 2
    /// What a call takes by itself, in seconds: waiting, not computing, so that it is the places that are short.
    private static let nap = 0.1

    /// Milliseconds of each of the steady one's calls, from two lanes.
    private static func steady(_ client: TestClient, calls: Int) async throws -> [Double] {
        try await withThrowingTaskGroup { group in
            for _ in 0..<2 {
                group.addTask {
                    var times: [Double] = []
                    for _ in 0..<calls / 2 {
                        let began = ContinuousClock.now
                        let answer = try await client.call(
                            "POST", "/v1/functions/nap/invoke?namespace=steady&blocking=true", body: Array("{}".utf8))
                        let took = ContinuousClock.now - began
                        try #require(answer.json["status"] == "success", "\(answer.text)")
                        times.append(Double(took / .microseconds(1)) / 1_000)
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted()
        }
    }

    @Test func theOthersP99StaysWithinTwiceOfItsP99Alone() async throws {
        let folder = try TemporaryDirectory("weir-flood")
        let server = try await ServerProcess(data: folder.file("data"), arguments: ["--workers", "\(Self.workers)"])
        let client = server.client
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.flooding
        var flooder = client
        flooder.connections = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            try await Self.compare(server, client, flooder)
        } catch {
            try await flooder.connections.shutdown()
            throw error
        }
        try await flooder.connections.shutdown()
    }

    private static func compare(_ server: ServerProcess, _ client: TestClient, _ flooder: TestClient) async throws {
        let code = "import time\ndef main(args):\n    time.sleep(\(nap))\n    return {}\n"
        for (namespace, functions) in [("steady", ["nap"]), ("flood", (0..<5).map { "nap\($0)" })] {
            for function in functions {
                try await client.make(
                    "functions/\(function)?namespace=\(namespace)", TestClient.upload("f.py", Array(code.utf8)))
            }
        }
        _ = try await steady(client, calls: 8)

        // The machine may be busy with others' work: what holds is shown by one of three rounds.
        var told: [String] = []
        for round in 0..<3 {
            let alone = try await steady(client, calls: 200)
            let flood = Task {
                await withTaskGroup { group in
                    for lane in 0..<flooding {
                        group.addTask {
                            var count = 0
                            while !Task.isCancelled {
                                let answer = try? await flooder.call(
                                    "POST", "/v1/functions/nap\(lane % 5)/invoke?namespace=flood&blocking=true",
                                    body: Array("{}".utf8))
                                if answer?.json["status"] == "success" { count += 1 }
                            }
                            return count
                        }
                    }
                    return await group.reduce(0, +)
                }
            }
            // Until the flood has all that it can get.
            _ = try await eventually {
                let namespaces = try await client.call("GET", "/v1/workers").json["namespaces"]?.array ?? []
                let flood = namespaces.first { $0["name"] == "flood" }
                return (flood?["queued"]?.integer ?? 0) > flooding / 2
            }
            let beside = try await steady(client, calls: 200)
            flood.cancel()
            let served = await flood.value
            let ratio = beside[beside.count * 99 / 100] / alone[alone.count * 99 / 100]
            let text = String(
                format: "round %d: p99 alone %.1f ms, beside a flood %.1f ms, ratio %.2f; the flood had %d calls",
                round,
                alone[alone.count * 99 / 100], beside[beside.count * 99 / 100], ratio, served)
            print("flood: " + text)
            told.append(text)
            #expect(served > flooding, "the flood was a flood")
            if ratio <= 2 {
                #expect(server.stop() == 0)
                return
            }
        }
        Issue.record(
            "beside a flood the other's p99 was more than twice of its p99 alone:\n\(told.joined(separator: "\n"))")
    }
}
