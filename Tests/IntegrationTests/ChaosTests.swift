import CloudEvents
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// Kills the server with SIGKILL at random moments while events flow, and looks whether anything was lost, doubled or
/// put out of order. `script/chaos N` runs it N times.
@Suite(.fewAtATime, .serialized)
struct ChaosTests {
    static let rounds = ProcessInfo.processInfo.environment["WEIR_CHAOS_ROUNDS"].flatMap { Int($0) } ?? 1
    static let events = 20_000
    static let keys = 40

    /// Publishes one reply an event and writes down what it saw, in the order in which it saw it.
    private static let handler = """
        import os
        journal = os.open(os.environ["WEIR_MOUNT_NOTES"] + "/journal", os.O_WRONLY | os.O_APPEND)

        def handle(event, context):
            os.write(journal, f"{event['partitionkey']} {event.data['n']}\\n".encode())
            context.publish(type="chaos.reply", subject=event.subject, data=event.data,
                            partitionkey=event["partitionkey"])
            return {}
        """

    @Test(arguments: 0..<rounds)
    func nothingAcknowledgedIsLostDoubledOrReordered(round: Int) async throws {
        var random = SeededGenerator(seed: SeededGenerator().seed &+ UInt64(round))
        print("chaos: round \(round), seed \(random.seed)")
        let folder = try TemporaryDirectory("weir-chaos")
        // Workers are users of their own, one after the other: the journal is for all of them.
        let journal = folder.file("notes/journal")
        try FileManager.default.createDirectory(atPath: folder.file("notes"), withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: journal))
        chmod(folder.path, 0o755)
        chmod(journal, 0o666)
        let arguments = ["--mount", "notes=\(folder.file("notes")):rw"]
        var server = try await ServerProcess(data: folder.file("data"), arguments: arguments)
        try await ChaosTests.configure(server.client)

        // Events of one key are numbered; a batch that was not acknowledged is sent again, the same, before the next.
        var next = Array(repeating: 0, count: ChaosTests.keys)
        var acknowledged = 0
        var kills = 0
        var killAt = ChaosTests.events / 6 + Int(random.next() % 2_000)
        while acknowledged < ChaosTests.events {
            let batch = ChaosTests.batch(&next, count: min(100, ChaosTests.events - acknowledged))
            while true {
                let shouldKill = acknowledged >= killAt && kills < 4
                let victim = server
                let delay = Duration.microseconds(Int(random.next() % 20_000))
                let killer =
                    shouldKill
                    ? Task.detached {
                        // The moment within the request is what chaos is about; the seed decides it.
                        try? await Task.sleep(for: delay)
                        victim.kill9()
                    } : nil
                let answer = try? await server.client.call(
                    "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json", body: batch)
                if let killer {
                    await killer.value
                    kills += 1
                    killAt = acknowledged + 1_500 + Int(random.next() % 3_000)
                    server = try await ServerProcess(data: folder.file("data"), arguments: arguments)
                }
                if answer?.status == 200 { break }
                #expect(
                    answer == nil || killer != nil, "unexpected answer \(answer?.status ?? 0): \(answer?.text ?? "")")
                if answer != nil, killer == nil { return }
            }
            acknowledged += 100
        }
        #expect(kills > 0)
        print("chaos: \(acknowledged) events acknowledged, \(kills) kills")

        let client = server.client
        let settled = try await eventually(within: .seconds(120)) {
            let status = try await client.call("GET", "/v1/subscriptions/echo").json["status"]
            return status?["lag"]?.integer == 0 && status?["inFlight"]?.integer == 0
        }
        let last = try await client.call("GET", "/v1/subscriptions/echo").text
        #expect(settled, "the subscription did not settle: \(last)")

        try ChaosTests.checkJournal(journal, next)
        try await ChaosTests.checkReplies(client, next)
        let dead = try await client.call("GET", "/v1/channels/dead/events?limit=10").json["items"]?.array ?? []
        #expect(dead.count == 0, "dead letters without cause: \(dead.first?.text ?? "")")
        #expect(server.stop() == 0)
    }

    private static func configure(_ client: TestClient) async throws {
        for channel in ["in", "out", "dead"] {
            let answer = try await client.put("/v1/channels/\(channel)", ["partitions": 4])
            try #require((200..<300).contains(answer.status), "\(answer.text)")
        }
        let code = Base64Text.encode(Array(handler.utf8))
        let function = try await client.put(
            "/v1/functions/echo",
            [
                "runtime": "python", "code": ["filename": "echo.py", "base64": .string(code)],
                "mounts": [["name": "notes", "writable": true]],
            ])
        try #require((200..<300).contains(function.status), "\(function.text)")
        let subscription = try await client.put(
            "/v1/subscriptions/echo",
            [
                "channel": "in", "sink": "function:echo",
                "delivery": [
                    "order": "key", "start": "earliest", "deadLetter": "dead", "reply": "out",
                    "batch": ["size": 64, "linger": "5ms"], "retry": ["attempts": 10, "backoff": "50ms"],
                ],
            ])
        try #require((200..<300).contains(subscription.status), "\(subscription.text)")
    }

    private static func batch(_ next: inout [Int], count: Int) -> [UInt8] {
        var events: [JSONValue] = []
        let sent = next.reduce(0, +)
        for index in 0..<count {
            let key = (sent + index) % keys
            let n = next[key]
            next[key] += 1
            events.append([
                "specversion": "1.0", "id": .string("\(key)-\(n)"), "source": "chaos:test", "type": "chaos.event",
                "subject": .string("/chaos/\(key)/\(n)"), "partitionkey": .string("k\(key)"),
                "data": ["key": .integer(Int64(key)), "n": .integer(Int64(n))],
            ])
        }
        return JSONValue.array(events).encoded()
    }

    /// Every event was delivered at least once, and of each key the first deliveries came in order.
    private static func checkJournal(_ path: String, _ next: [Int]) throws {
        let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        var seen: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            let key = String(parts[0])
            let n = try #require(Int(parts[1]))
            let highest = seen[key] ?? -1
            #expect(n <= highest + 1, "key \(key): \(n) came before \(highest + 1)")
            seen[key] = max(highest, n)
        }
        for (key, count) in next.enumerated() {
            #expect(
                seen["k\(key)"] == count - 1, "key \(key): delivered up to \(seen["k\(key)"] ?? -1) of \(count - 1)")
        }
    }

    /// Every event has exactly one reply, and those of a key are in order.
    private static func checkReplies(_ client: TestClient, _ next: [Int]) async throws {
        var replies: [Int: [Int]] = [:]
        for partition in 0..<4 {
            var from = 0
            while true {
                let page = try await client.call(
                    "GET", "/v1/channels/out/events?partition=\(partition)&from=\(from)&limit=1000"
                ).json
                let items = page["items"]?.array ?? []
                guard !items.isEmpty else { break }
                for item in items {
                    let data = item["event"]?["data"]
                    replies[Int(data?["key"]?.integer ?? -1), default: []].append(Int(data?["n"]?.integer ?? -1))
                    from = Int(item["offset"]?.integer ?? 0) + 1
                }
            }
        }
        for (key, count) in next.enumerated() {
            #expect(replies[key] == Array(0..<count), "key \(key): \(replies[key]?.count ?? 0) replies of \(count)")
        }
    }
}

/// Base64 by Foundation: a second opinion on the server's own.
enum Base64Text {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
