import CloudEvents
import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// Events on their whole way: channel, subscription, sink, what comes back and what is given up.
@Suite(.fewAtATime) struct DeliveryTests {
    private let folder: TemporaryDirectory
    private let server: ServerProcess
    private let client: TestClient

    init() async throws {
        folder = try TemporaryDirectory("weir-delivery")
        server = try await ServerProcess(data: folder.file("data"))
        client = server.client
        for channel in ["in", "out", "dead"] { try await client.make("channels/\(channel)", [:]) }
    }

    private func subscribe(_ name: String, _ sink: JSONValue, _ delivery: JSONObject = [:], _ more: JSONObject = [:])
        async throws
    {
        var policy: JSONObject = ["start": "earliest", "retry": ["attempts": 3, "backoff": "20ms"]]
        for member in delivery.members { policy[member.name] = member.value }
        var document: JSONObject = ["channel": "in", "sink": sink, "delivery": .object(policy)]
        for member in more.members { document[member.name] = member.value }
        try await client.make("subscriptions/\(name)", .object(document))
    }

    private func settle(_ subscription: String, at location: SourceLocation = #_sourceLocation) async throws {
        let isSettled = try await eventually { try await client.isSettled(subscription) }
        let status = try await client.status("subscriptions/\(subscription)")
        #expect(isSettled, "\(status.text)", sourceLocation: location)
    }

    @Test func whatFailsIsTriedAgainAndThenGivenUpWithTheReason() async throws {
        try await client.function(
            "shaky",
            """
            counts = {}
            def handle(event, context):
                count = counts[event["id"]] = counts.get(event["id"], 0) + 1
                print("attempt", count)
                if event["id"] == "never" or count < 2: raise ValueError("not yet, " + event["id"])
                context.publish(type="shaky.done", subject=event["id"], data={"count": count})
                return {"count": count}
            """, ["concurrency": 1])
        try await subscribe("shaky", "function:shaky", ["deadLetter": "dead", "reply": "out"])
        try await client.publish(
            "in", [TestClient.event("twice"), TestClient.event("never"), TestClient.event("again")])
        try await settle("shaky")
        let status = try await client.status("subscriptions/shaky")
        #expect(status["delivered"] == 2 && status["deadLettered"] == 1 && status["retried"] == 4, "\(status.text)")

        let dead = try await client.events("dead")
        #expect(dead.count == 1)
        #expect(dead.first?["weirdlid"] == "never" && dead.first?["weirdlattempts"] == 3, "\(dead)")
        #expect(dead.first?["weirdlerror"]?.string?.contains("not yet, never") == true, "\(dead)")
        #expect(dead.first?["weirdlreason"]?.string?.isEmpty == false)
        let letters = try await client.call("GET", "/v1/subscriptions/shaky/dead-letters").json["items"]?.array ?? []
        #expect(letters.count == 1 && letters.first?["event"]?["weirdlid"] == "never", "\(letters)")

        let replies = try await client.events("out")
        #expect(replies.compactMap { $0["subject"]?.string }.sorted() == ["again", "twice"])
        #expect(replies.allSatisfy { $0["weircause"] == $0["subject"] && $0["weirdepth"] == 1 }, "\(replies)")
        #expect(replies.allSatisfy { $0["id"]?.string?.count == 32 && $0["data"]?["count"] == 2 }, "\(replies)")

        // Run again over the past: the replies have the same ids, so there are not more of them.
        let replay = try await client.call(
            "POST", "/v1/subscriptions/shaky/replay", body: JSONValue.object(["from": "earliest"]).encoded())
        #expect(replay.status == 202, "\(replay.text)")
        let id = replay.json["id"]?.string ?? ""
        #expect(try await eventually { try await client.call("GET", "/v1/replays/\(id)").json["state"] != "running" })
        #expect(try await client.ids("out").count == 2)

        _ = try await eventually { try await client.activations("shaky").count >= 12 }
        // Two events succeeded once, and once more in the replay.
        #expect(try await client.activations("shaky").count { $0["status"] == "success" } == 4)
        let failed = try await client.call("GET", "/v1/activations?function=shaky&status=application%20error").json[
            "items"]
        let activation = failed?.array?.last?["id"]?.string ?? ""
        let logs = try await client.call("GET", "/v1/activations/\(activation)/logs").json["items"]?.array ?? []
        #expect(logs.contains { $0["text"]?.string?.hasPrefix("attempt 1") == true }, "\(logs)")
        #expect(server.stop() == 0)
    }

    @Test func aPausedSubscriptionKeepsItsPlaceAndAReplayGoesElsewhere() async throws {
        try await client.make("channels/elsewhere", [:])
        try await subscribe("copy", "channel:out", [:], ["filters": [["prefix": ["subject": "/a/"]]]])
        try await client.publish(
            "in", [TestClient.event("1", ["subject": "/a/1"]), TestClient.event("2", ["subject": "/b/2"])])
        try await settle("copy")
        #expect(try await client.ids("out").count == 1)
        #expect(try await client.call("POST", "/v1/subscriptions/copy/pause").json["status"]?["state"] == "paused")
        try await client.publish("in", [TestClient.event("3", ["subject": "/a/3"])])
        let paused = try await client.status("subscriptions/copy")
        #expect(paused["state"] == "paused" && paused["lag"] == 1, "\(paused.text)")
        #expect(try await client.ids("out").count == 1)

        let plan = try await client.call(
            "POST", "/v1/subscriptions/copy/replay",
            body: JSONValue.object(["from": "earliest", "dryRun": true]).encoded())
        #expect(plan.status == 200 && plan.json["scanned"] == 3 && plan.json["matched"] == 2, "\(plan.text)")
        #expect(plan.json["samples"]?.array?.count == 2)
        #expect(try await client.ids("out").count == 1)
        let replay = try await client.call(
            "POST", "/v1/subscriptions/copy/replay",
            body: JSONValue.object(["from": "earliest", "sink": "channel:elsewhere"]).encoded())
        let id = replay.json["id"]?.string ?? ""
        #expect(try await eventually { try await client.call("GET", "/v1/replays/\(id)").json["state"] == "done" })
        #expect(try await client.events("elsewhere").compactMap { $0["subject"]?.string }.sorted() == ["/a/1", "/a/3"])
        #expect(try await client.ids("out").count == 1)

        #expect(try await client.call("POST", "/v1/subscriptions/copy/resume").status == 200)
        try await settle("copy")
        #expect(try await client.events("out").compactMap { $0["subject"]?.string }.sorted() == ["/a/1", "/a/3"])
        #expect(server.stop() == 0)
    }

    @Test func eventsGoToWebServersInBothModes() async throws {
        let binary = try await WebReceiver(status: { $0 == 0 ? 503 : 200 })
        let structured = try await WebReceiver()
        let refusing = try await WebReceiver(status: { _ in 400 })
        try await subscribe("binary", .string(binary.url))
        try await subscribe(
            "structured", ["url": .string(structured.url), "mode": "structured", "headers": ["X-Site": "here"]])
        try await subscribe("refused", .string(refusing.url), ["deadLetter": "dead"])
        try await client.publish(
            "in", [TestClient.event("1", ["subject": "/p/é 1", "size": 5, "data": ["a": [1, 2]]])])
        for name in ["binary", "structured", "refused"] { try await settle(name) }
        #expect(binary.received.count == 2)
        let first = try #require(binary.received.last)
        #expect(first.headers.first(name: "ce-id") == "1" && first.headers.first(name: "ce-specversion") == "1.0")
        #expect(
            first.headers.first(name: "ce-subject") == "/p/%C3%A9%201" && first.headers.first(name: "ce-size") == "5")
        #expect(try JSONValue(parsing: first.body) == ["a": [1, 2]])
        let second = try #require(structured.received.first)
        #expect(second.headers.first(name: "content-type")?.hasPrefix("application/cloudevents+json") == true)
        #expect(second.headers.first(name: "x-site") == "here")
        #expect(try JSONValue(parsing: second.body)["subject"] == "/p/é 1")
        #expect(refusing.received.count == 1)
        let dead = try await client.events("dead")
        #expect(dead.first?["weirdlerror"]?.string?.contains("400") == true, "\(dead)")
        for receiver in [binary, structured, refusing] { try await receiver.stop() }
        #expect(server.stop() == 0)
    }

    @Test func whatASubscriptionNeedsMayComeLater() async throws {
        try await client.make(
            "subscriptions/early",
            [
                "channel": "later", "sink": "function:later",
                "delivery": [
                    "start": "earliest", "reply": "out",
                    "retry": ["attempts": 200, "backoff": "50ms", "maxBackoff": "50ms"],
                ],
            ])
        try await client.make("channels/later", [:])
        try await client.publish("later", [TestClient.event("1")])
        #expect(try await eventually { (try await client.status("subscriptions/early")["retried"]?.integer ?? 0) > 0 })
        func version(_ number: Int) -> String {
            "def handle(event, context):\n    context.publish(type='v\(number)', subject=event['id'])\n"
        }
        try await client.function("later", version(1))
        try await settle("early")
        try await client.function("later", version(2))
        try await client.publish("later", [TestClient.event("2")])
        #expect(try await eventually { try await client.ids("out").count == 2 })
        let replies = try await client.events("out").map {
            "\($0["type"]?.string ?? "") \($0["subject"]?.string ?? "")"
        }
        #expect(replies.sorted() == ["v1 1", "v2 2"])
        let versions = try await client.call("GET", "/v1/functions/later/versions").json["items"]?.array ?? []
        #expect(versions.count == 2 && versions.first?["current"] == true, "\(versions)")

        // A channel that was deleted and made anew is served as a new one.
        #expect(try await client.call("DELETE", "/v1/channels/later").status == 409)
        #expect(try await client.call("DELETE", "/v1/subscriptions/early").status == 204)
        #expect(try await client.call("DELETE", "/v1/channels/later").status == 204)
        try await client.make("channels/later", [:])
        try await client.make(
            "subscriptions/early", ["channel": "later", "sink": "channel:out", "delivery": ["start": "earliest"]])
        try await client.publish("later", [TestClient.event("3")])
        let goesOn = try await eventually(within: .seconds(10)) { try await client.ids("out").count == 3 }
        let status = try await client.status("subscriptions/early")
        #expect(goesOn, "\(status.text)")
        #expect(server.stop() == 0)
    }

    @Test func aChannelMayGetMorePartitionsUnderASubscription() async throws {
        try await subscribe("copy", "channel:out", ["order": "key"])
        try await client.publish("in", (0..<20).map { TestClient.event("a\($0)", ["partitionkey": .string("k\($0)")]) })
        try await client.make("channels/in", ["partitions": 4])
        try await client.publish("in", (0..<20).map { TestClient.event("b\($0)", ["partitionkey": .string("k\($0)")]) })
        let isThere = try await eventually(within: .seconds(10)) { try await client.ids("out").count == 40 }
        let status = try await client.status("subscriptions/copy")
        #expect(isThere, "\(status.text)")
        let fewer = try await client.put("/v1/channels/in", ["partitions": 2])
        expectProblem(fewer, 409, "conflict", saying: ["partitions"], "fewer partitions")
        #expect(server.stop() == 0)
    }

    @Test func aTimeoutEndsTheWorkerAndTheNextEventGetsAFreshOne() async throws {
        try await client.function(
            "slow",
            """
            import time, uuid
            worker = uuid.uuid4().hex
            def handle(event, context):
                if event["id"] == "slow": time.sleep(600)
                context.publish(type="worker", subject=event["id"], data={"worker": worker})
            """, ["timeout": "500ms", "concurrency": 1])
        try await subscribe(
            "slow", "function:slow", ["reply": "out", "concurrency": 1, "retry": ["attempts": 1], "deadLetter": "dead"])
        for id in ["a", "b", "slow", "c"] { try await client.publish("in", [TestClient.event(id)]) }
        try await settle("slow")
        var workers: [String: String] = [:]
        for event in try await client.events("out") {
            workers[event["subject"]?.string ?? ""] = event["data"]?["worker"]?.string
        }
        #expect(workers["a"] != nil && workers["a"] == workers["b"])
        #expect(workers["c"] != nil && workers["c"] != workers["a"])
        #expect(try await client.events("dead").first?["weirdlid"] == "slow")
        let timeouts = try await client.call("GET", "/v1/activations?status=timeout").json["items"]?.array ?? []
        #expect(timeouts.count == 1)
        #expect(server.stop() == 0)
    }

    @Test func programsRunAndEventsOfOneKeyStayInOrder() async throws {
        let script =
            "#!/bin/sh\nwhile read -r line; do echo \"$line\" >&2; echo '{\"type\":\"shell.done\",\"specversion\":\"1.0\",\"data\":{\"n\":1}}'; done\n"
        try await client.function("shell", file: "run.sh", Array(script.utf8), ["runtime": "executable"])
        try await subscribe("shell", "function:shell", ["reply": "out"])
        let program = """
            #!/usr/bin/env python3
            import json, sys
            for line in sys.stdin:
                call = json.loads(line)
                event = call["event"]
                done = {"specversion": "1.0", "type": "done", "subject": event["partitionkey"], "data": event["data"]}
                print(json.dumps(done), flush=True)
            """
        try await client.function("ordered", file: "ordered", Array(program.utf8), ["runtime": "executable"])
        try await client.make("channels/journal", [:])
        try await subscribe("ordered", "function:ordered", ["order": "key", "concurrency": 8, "reply": "journal"])
        try await client.publish(
            "in",
            (0..<200).map { n in
                TestClient.event(
                    "e\(n)", ["partitionkey": .string("k\(n % 5)"), "data": ["n": .integer(Int64(n / 5))]])
            })
        try await settle("shell")
        try await settle("ordered")
        let replies = try await client.events("out")
        #expect(replies.count == 200 && replies.allSatisfy { $0["type"] == "shell.done" })
        var next: [String: Int] = [:]
        for event in try await client.events("journal") {
            let key = event["subject"]?.string ?? ""
            #expect(event["data"]?["n"]?.integer == Int64(next[key, default: 0]), "\(event)")
            next[key, default: 0] += 1
        }
        #expect(next == Dictionary(uniqueKeysWithValues: (0..<5).map { ("k\($0)", 40) }))
        #expect(server.stop() == 0)
    }
}
