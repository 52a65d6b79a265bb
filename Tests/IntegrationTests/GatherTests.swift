import CloudEvents
import Foundation
import TestSupport
import Testing

/// Sets of events by the public API: one firing a set, however the server ends in between.
@Suite(.fewAtATime, .timeLimit(.minutes(5))) struct GatherTests {
    /// Says once which group it was given and of how many.
    static let handler = """
        def handle(event, context):
            data = event["data"]
            context.publish(type="set.done", subject=event["subject"],
                            data={"group": data["group"], "reason": data["reason"],
                                  "names": [m["subject"] for m in data["members"]]})
        """

    private static func subscribe(_ client: TestClient, _ name: String, _ gather: JSONValue) async throws {
        try await client.make(
            "subscriptions/\(name)",
            [
                "channel": "in", "sink": "function:collect", "gather": gather,
                "filters": [["exact": ["type": "dev.weir.file.written"]]],
                "delivery": ["start": "earliest", "reply": "out", "retry": ["backoff": "20ms"]],
            ])
    }

    private static func file(_ run: String, _ name: String, _ more: JSONObject = [:]) -> JSONValue {
        var more = more
        more["type"] = "dev.weir.file.written"
        more["subject"] = .string("/raw/\(run)/\(name)")
        if more["partitionkey"] == nil { more["partitionkey"] = .string(name) }
        return TestClient.event("\(run)/\(name)", more)
    }

    /// The names of each group that a subscription fired, by group; a group that fired twice is there twice.
    private static func fired(_ client: TestClient, _ subscription: String) async throws -> [String: [[String]]] {
        var groups: [String: [[String]]] = [:]
        for event in try await client.events("in") where event["type"] == "dev.weir.group.completed" {
            guard event["source"]?.string?.hasSuffix("/subscriptions/\(subscription)") == true else { continue }
            let data = event["data"]
            let members = data?["members"]?.array?.compactMap { $0["subject"]?.string }.sorted() ?? []
            for member in data?["group"]?.object?.members ?? [] {
                groups[member.value.string ?? "?", default: []].append(members)
            }
        }
        return groups
    }

    @Test func `a set is one firing, also when the server is killed while it comes`() async throws {
        let folder = try TemporaryDirectory("weir-gather")
        var server = try await ServerProcess(data: folder.file("data"))
        var client = server.client
        for (channel, partitions) in [("in", 3), ("out", 1)] {
            try await client.make("channels/\(channel)", ["partitions": .integer(Int64(partitions))])
        }
        try await client.function("collect", Self.handler)
        let runs = ["r1", "r2", "r3"]
        try await Self.subscribe(client, "counted", ["by": "directory", "count": 6])
        try await Self.subscribe(
            client, "marked",
            [
                "by": ["path": "/raw/{run}/**"],
                "marker": ["filters": [["suffix": ["subject": "/DONE"]]], "settle": "100ms"],
            ])
        for number in 0..<3 {
            try await client.publish(
                "in", runs.map { Self.file($0, "f\(number)", ["run": .string($0)]) })
        }
        server.kill9()
        server = try await ServerProcess(data: folder.file("data"))
        client = server.client
        for number in 3..<5 {
            try await client.publish(
                "in", runs.map { Self.file($0, "f\(number)", ["run": .string($0)]) })
        }
        // Once more what is there already: one event is one member.
        try await client.publish("in", runs.map { Self.file($0, "f0", ["run": .string($0)]) })
        try await client.publish("in", runs.map { Self.file($0, "DONE", ["run": .string($0)]) })
        // When all is there: how long a server takes to start must not be a quiet time.
        try await Self.subscribe(client, "still", ["by": ["attribute": "run"], "quiet": "1500ms", "deadline": "1h"])
        // At any moment of the firing.
        let isFirst = try await eventually { try await !Self.fired(client, "counted").isEmpty }
        #expect(isFirst)
        server.kill9()
        server = try await ServerProcess(data: folder.file("data"))
        client = server.client
        let isDone = try await eventually { try await client.events("out").count >= 9 }
        #expect(isDone, "not all sets have fired")
        for name in ["counted", "marked", "still"] {
            _ = try await eventually { try await client.isSettled(name) }
            let groups = try await Self.fired(client, name)
            #expect(groups.count == 3)
            for run in runs {
                let key = name == "counted" ? "/raw/\(run)" : run
                var wanted = (0..<5).map { "/raw/\(run)/f\($0)" }
                // The marker is not a member of its set.
                if name != "marked" { wanted.insert("/raw/\(run)/DONE", at: 0) }
                #expect(groups[key] == [wanted], "\(name) \(key)")
            }
            let status = try await client.status("subscriptions/\(name)")
            #expect(status["gathering"]?["open"] == 0, "\(status.text)")
        }
        let replies = try await client.events("out")
        #expect(replies.count == 9, "replies are doubled")
        #expect(replies.count { $0["data"]?["reason"] == "marker" } == 3)
        #expect(replies.count { $0["data"]?["reason"] == "quiet" } == 3)
        #expect(server.stop() == 0)
    }

    @Test func `late members are passed over, or make the set again`() async throws {
        let folder = try TemporaryDirectory("weir-gather-late")
        let server = try await ServerProcess(data: folder.file("data"))
        let client = server.client
        for channel in ["in", "out"] { try await client.make("channels/\(channel)", [:]) }
        try await client.function("collect", Self.handler)
        try await Self.subscribe(client, "over", ["by": "directory", "count": 2])
        try await Self.subscribe(client, "again", ["by": "directory", "count": 2, "late": "again"])
        try await client.publish("in", (0..<2).map { Self.file("r", "f\($0)") })
        #expect(try await eventually { try await client.events("out").count == 2 })
        try await client.publish("in", [Self.file("r", "f2")])
        #expect(try await eventually { try await client.events("out").count == 3 })
        for name in ["over", "again"] { #expect(try await eventually { try await client.isSettled(name) }) }
        let all = ["/raw/r/f0", "/raw/r/f1", "/raw/r/f2"]
        #expect(try await Self.fired(client, "over")["/raw/r"] == [Array(all.prefix(2))])
        #expect(try await Self.fired(client, "again")["/raw/r"] == [Array(all.prefix(2)), all])
        #expect(try await client.status("subscriptions/over")["gathering"]?["late"] == 1)
        // A subscription of the same name that is made anew begins anew.
        #expect(try await client.call("DELETE", "/v1/subscriptions/over").status < 300)
        try await Self.subscribe(client, "over", ["by": "directory", "count": 2])
        #expect(try await eventually { try await client.events("out").count == 4 })
        let wrong = try await client.put(
            "/v1/subscriptions/wrong", ["channel": "in", "sink": "function:collect", "gather": ["by": "directory"]])
        expectProblem(wrong, 422, saying: ["gather", "needs an end"], "a gather without an end")
        #expect(server.stop() == 0)
    }

    @Test(.enabled(if: KafkaBroker.unavailable == nil, "\(KafkaBroker.unavailable ?? "")"))
    func `two servers on Kafka: the one that gathers is killed, each set fires once`() async throws {
        let broker = try await KafkaBroker()
        let folder = try TemporaryDirectory("weir-gather-kafka")
        let first = try await KafkaServersTests.server(folder, "a", broker)
        let second = try await KafkaServersTests.server(folder, "b", broker)
        for client in [first.client, second.client] {
            for channel in ["in", "out"] { try await client.make("channels/\(channel)", ["partitions": 4]) }
            try await client.function("collect", Self.handler)
            try await Self.subscribe(client, "sets", ["by": ["attribute": "run"], "count": 12])
        }
        func gathers(_ server: ServerProcess) async throws -> Bool {
            try await server.client.status("subscriptions/sets")["gathering"] != nil
        }
        var isShared = false
        isShared = try await eventually(within: .seconds(60)) {
            for server in [first, second] {
                let count = try await server.client.status("subscriptions/sets")["partitions"]?.array?.count ?? 0
                if count == 0 || count == 4 { return false }
            }
            let one = try await gathers(first)
            return try await gathers(second) != one
        }
        #expect(isShared, "the servers did not share the partitions")
        let runs = (0..<8).map { "run\($0)" }
        func publish(_ numbers: Range<Int>, by server: ServerProcess) async throws {
            for number in numbers {
                let events = runs.map { Self.file($0, "f\(number)", ["run": .string($0)]) }
                while true {
                    let answer = try? await server.client.call(
                        "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json",
                        body: JSONValue.array(events).encoded())
                    if answer?.status == 200 { break }
                    try Task.checkCancellation()
                }
            }
        }
        let (doomed, other) = try await gathers(first) ? (first, second) : (second, first)
        try await publish(0..<7, by: other)
        #expect(
            try await eventually {
                try await doomed.client.status("subscriptions/sets")["gathering"]?["open"] == 8
            })
        doomed.kill9()
        try await publish(7..<12, by: other)
        let isDone = try await eventually(within: .seconds(60)) { try await other.client.events("out").count >= 8 }
        #expect(isDone, "not all sets have fired")
        #expect(try await eventually { try await other.client.isSettled("sets") })
        let groups = try await Self.fired(other.client, "sets")
        #expect(groups.count == 8)
        for run in runs {
            #expect(groups[run] == [(0..<12).map { "/raw/\(run)/f\($0)" }.sorted()], "\(run)")
        }
        #expect(try await other.client.events("out").count == 8, "replies are doubled")
        #expect(other.stop() == 0)
        broker.kill9()
    }
}
