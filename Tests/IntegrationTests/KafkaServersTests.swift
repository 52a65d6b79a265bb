import CloudEvents
import Foundation
import NIOCore
import TestSupport
import Testing

/// Two real servers on one real broker, sharing the partitions of a channel: what is killed loses nothing, and nothing is
/// done twice. `script/chaos` makes more rounds of it.
///
/// The servers run with the librdkafka that `script/setup-tests` fetched: the broker does not understand Debian's.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10)))
struct KafkaServersTests {
    static let keys = 16
    static let rounds = ProcessInfo.processInfo.environment["WEIR_CHAOS_ROUNDS"].flatMap { Int($0) } ?? 1

    /// Publishes one reply an event.
    static let handler = """
        def handle(event, context):
            context.publish(type="kafka.reply", subject=event.subject, data=event.data,
                            partitionkey=event["partitionkey"])
            return {}
        """

    static func server(_ folder: TemporaryDirectory, _ name: String, _ broker: KafkaBroker) async throws
        -> ServerProcess
    {
        let properties = folder.file("kafka.properties")
        // A broker of tests gives a group half of this time to gather.
        try "session.timeout.ms = 6000\nheartbeat.interval.ms = 500\n".write(
            toFile: properties, atomically: true, encoding: .utf8)
        return try await ServerProcess(
            data: folder.file(name),
            arguments: ["--kafka", broker.bootstrap, "--kafka-properties", properties],
            environment: ["LD_LIBRARY_PATH": KafkaBroker.library])
    }

    private static func configure(_ client: TestClient) async throws {
        for channel in ["in", "out", "dead"] {
            let answer = try await client.put("/v1/channels/\(channel)", ["partitions": 4])
            try #require((200..<300).contains(answer.status), "\(answer.text)")
        }
        let code = Base64Text.encode(Array(handler.utf8))
        let function = try await client.put(
            "/v1/functions/echo", ["runtime": "python", "code": ["filename": "echo.py", "base64": .string(code)]])
        try #require((200..<300).contains(function.status), "\(function.text)")
        let subscription = try await client.put(
            "/v1/subscriptions/echo",
            [
                "channel": "in", "sink": "function:echo",
                "delivery": [
                    "order": "key", "start": "earliest", "deadLetter": "dead", "reply": "out",
                    "batch": ["size": 16, "linger": "5ms"], "retry": ["attempts": 10, "backoff": "50ms"],
                ],
            ])
        try #require((200..<300).contains(subscription.status), "\(subscription.text)")
    }

    private struct Unanswered: Error, CustomStringConvertible { var description: String }

    /// Publishes one more event of each key; again until it is answered.
    private static func publish(_ client: TestClient, _ n: Int) async throws {
        let events: [JSONValue] = (0..<keys).map { key in
            [
                "specversion": "1.0", "id": .string("\(key)-\(n)"), "source": "kafka:test", "type": "kafka.event",
                "subject": .string("/kafka/\(key)/\(n)"), "partitionkey": .string("k\(key)"),
                "data": ["key": .integer(Int64(key)), "n": .integer(Int64(n))],
            ]
        }
        let body = JSONValue.array(events).encoded()
        var last = ""
        let end = ContinuousClock.now + .seconds(180)
        while ContinuousClock.now < end {
            do {
                let answer = try await client.call(
                    "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json", body: body)
                if answer.status == 200 { return }
                last = "\(answer.status) \(answer.text)"
            } catch {
                last = "\(error)"
            }
            try Task.checkCancellation()
        }
        throw Unanswered(description: "batch \(n) was not kept within three minutes; the last answer: \(last)")
    }

    /// The replies of each key, in their order in the topic.
    private static func replies(_ client: TestClient) async throws -> [Int: [Int]] {
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
        return replies
    }

    @Test(.enabled(if: KafkaBroker.unavailable == nil, "\(KafkaBroker.unavailable ?? "")"), arguments: 0..<rounds)
    func `one of two servers is killed under load: nothing is lost, doubled or out of order`(_: Int) async throws {
        let broker = try await KafkaBroker()
        let folder = try TemporaryDirectory("weir-kafka")
        let first = try await Self.server(folder, "a", broker)
        let second = try await Self.server(folder, "b", broker)
        try await Self.configure(first.client)
        try await Self.configure(second.client)
        // Both have a share before it begins.
        let shared = try await eventually(within: .seconds(60)) {
            for server in [first, second] {
                let status = try await server.client.call("GET", "/v1/subscriptions/echo").json["status"]
                let count = status?["partitions"]?.array?.count ?? 0
                if count == 0 || count == 4 { return false }
            }
            return true
        }
        #expect(shared, "the servers did not share the partitions")

        let count = 120
        for n in 0..<count {
            if n == count / 2 { first.kill9() }
            try await Self.publish(n < count / 2 && n % 2 == 0 ? first.client : second.client, n)
        }
        let complete = try await eventually(within: .seconds(90)) {
            try await Self.replies(second.client).values.reduce(0) { $0 + $1.count } >= count * Self.keys
        }
        let replies = try await Self.replies(second.client)
        #expect(complete, "\(replies.values.reduce(0) { $0 + $1.count }) replies of \(count * Self.keys)")
        for key in 0..<Self.keys {
            #expect(replies[key] == Array(0..<count), "key \(key): \(replies[key]?.count ?? 0) replies of \(count)")
        }
        let dead = try await second.client.call("GET", "/v1/channels/dead/events?limit=10").json["items"]?.array ?? []
        #expect(dead.isEmpty, "dead letters without cause: \(dead.first?.text ?? "")")
        #expect(second.stop() == 0)
        broker.kill9()
    }

    /// Why there is no broker whose records outlive it.
    private static let unlasting = KafkaBroker.unavailable ?? ObjectStoreServer.unavailable

    @Test(.enabled(if: unlasting == nil, "\(unlasting ?? "")"))
    func `the broker is killed under load: what was answered is there, in order, and no reply is doubled`() async throws
    {
        let objects = try await ObjectStoreServer()
        let made = try await TestClient(url: objects.url, key: nil).call("PUT", "/weir")
        try #require(made.status == 200, "\(made.text)")
        let broker = try await KafkaBroker(
            .s3(
                bucket: "weir",
                environment: [
                    "AWS_ENDPOINT": objects.url, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "t",
                    "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": "us-east-1",
                ]))
        let folder = try TemporaryDirectory("weir-kafka-broker")
        let server = try await Self.server(folder, "a", broker)
        try await Self.configure(server.client)
        let count = 30
        for n in 0..<count {
            if n == count / 2 {
                broker.kill9()
                // Nobody is told that it is there while it is not.
                let answer = try await server.client.call(
                    "POST", "/v1/channels/in/events", type: "application/cloudevents+json",
                    body: TestClient.event("away", ["partitionkey": "away"]).encoded(), timeout: .seconds(90))
                #expect(answer.status == 503, "\(answer.text)")
                try await broker.start()
            }
            try await Self.publish(server.client, n)
        }
        let complete = try await eventually(within: .seconds(120)) {
            try await Self.replies(server.client).filter { $0.key >= 0 }.values.reduce(0) { $0 + $1.count } >= count
                * Self.keys
        }
        let replies = try await Self.replies(server.client)
        #expect(complete, "\(replies.values.reduce(0) { $0 + $1.count }) replies of \(count * Self.keys)")
        for key in 0..<Self.keys {
            #expect(replies[key] == Array(0..<count), "key \(key): \(replies[key]?.count ?? 0) replies of \(count)")
        }
        #expect(server.stop() == 0)
        broker.kill9()
        objects.stop()
    }
}
