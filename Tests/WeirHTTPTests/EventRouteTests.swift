import Channels
import CloudEvents
import HTTPTypes
import Synchronization
import Testing

@testable import WeirHTTP

@Suite struct EventRouteTests {
    static let structured = "application/cloudevents+json"
    static let batched = "application/cloudevents-batch+json"

    static func event(_ id: String, _ subject: String, type: String = "t", more: String = "") -> String {
        #"{"specversion":"1.0","id":"\#(id)","source":"s","type":"\#(type)","subject":"\#(subject)"\#(more)}"#
    }

    /// A face whose channel `storage` holds four events: /a/1, /b/1, /a/2, /c/1.
    static func filled() async throws -> TestFace {
        let face = try TestFace()
        let batch = [event("1", "/a/1"), event("2", "/b/1"), event("3", "/a/2", type: "u"), event("4", "/c/1")]
        let reply = try await face.send(
            .post, "/v1/channels/storage/events", type: batched, body: "[\(batch.joined(separator: ","))]")
        #expect(reply.status == 200)
        return face
    }

    static func subjects(_ reply: Reply) -> [String] {
        (reply.json["items"]?.array ?? []).compactMap { $0["event"]?["subject"]?.string }
    }

    @Test func eventsComeInInAllThreeModes() async throws {
        let face = try TestFace()
        let path = "/v1/channels/storage/events"
        let one = try await face.send(.post, path, type: Self.structured, body: Self.event("1", "/a"))
        #expect(one.text == #"{"accepted":1,"duplicates":0,"events":[{"partition":0,"offset":0}]}"#)
        let batch = try await face.send(
            .post, path, type: Self.batched + "; charset=UTF-8",
            body: "[\(Self.event("1", "/a")),\(Self.event("2", "/b"))]")
        #expect(batch.text == #"{"accepted":1,"duplicates":1,"events":[null,{"partition":1,"offset":0}]}"#)
        var headers: HTTPFields = [.specversion: "1.0"]
        for (name, value) in [("ce-id", "3"), ("ce-source", "s"), ("ce-type", "t"), ("ce-subject", "/a%20b")] {
            headers[HTTPField.Name(name)!] = value
        }
        let binary = try await face.send(.post, path, headers: headers, type: "text/plain", body: "hello")
        #expect(binary.text == #"{"accepted":1,"duplicates":0,"events":[{"partition":0,"offset":1}]}"#)
        let stored = face.engine.state.withLock { $0.partitions[0][1].record.event }
        #expect(stored.subject == "/a b")
        #expect(stored.data == .bytes(Array("hello".utf8)))
        #expect(stored.datacontenttype == "text/plain")
        let empty = try await face.send(.post, path, type: Self.batched, body: "[]")
        #expect(empty.text == #"{"accepted":0,"duplicates":0,"events":[]}"#)
        let metrics = try await face.send(.get, "/metrics").text
        #expect(metrics.contains("weir_intake_events_total{outcome=\"accepted\"} 3\n"))
        #expect(metrics.contains("weir_intake_events_total{outcome=\"duplicate\"} 1\n"))
    }

    @Test func aFaultyEventIsNamedByIndexAndAttribute() async throws {
        let face = try TestFace()
        let path = "/v1/channels/storage/events"
        let bad = #"{"specversion":"1.0","id":"","source":"s","type":"t"}"#
        let batch = try await face.send(.post, path, type: Self.batched, body: "[\(Self.event("1", "/a")),\(bad)]")
        #expect(batch.status == 400)
        #expect(batch.code == "invalid-event")
        #expect(batch.json["errors"]?.array?.first?["index"] == 1)
        #expect(batch.json["errors"]?.array?.first?["attribute"] == "id")
        #expect(batch.detail?.hasPrefix("the event 1 of the batch: ") == true)
        #expect(face.engine.state.withLock { $0.partitions[0].isEmpty })
        let single = try await face.send(.post, path, type: Self.structured, body: bad)
        #expect(single.json["errors"]?.array?.first?["attribute"] == "id")
        #expect(single.json["errors"]?.array?.first?["index"] == nil)
        let text = try await face.send(.post, path, type: Self.structured, body: "{")
        #expect(text.status == 400)
        #expect(text.code == "invalid-json")
        let none = try await face.send(.post, path, type: "text/plain", body: "x")
        #expect(none.status == 400)
        #expect(none.code == "invalid-event")
        let format = try await face.send(.post, path, type: "application/cloudevents+avro", body: "x")
        #expect(format.status == 415)
    }

    @Test func intakeIsBounded() async throws {
        var limits = HTTPLimits()
        limits.eventsPerBatch = 1
        limits.eventBody = 400
        let face = try TestFace(limits: limits)
        let path = "/v1/channels/storage/events"
        let two = "[\(Self.event("1", "/a")),\(Self.event("2", "/b"))]"
        let many = try await face.send(.post, path, type: Self.batched, body: two)
        #expect(many.status == 413)
        #expect(many.detail == "a batch may hold at most 1 events, and this holds 2")
        let large = try await face.send(.post, path, type: Self.batched, body: "[\(two),\(two),\(two)]")
        #expect(large.code == "too-large")
    }

    @Test func whatTheEngineRefusesIsPassedOn() async throws {
        let face = try TestFace()
        let missing = try await face.send(
            .post, "/v1/channels/none/events", type: Self.structured, body: Self.event("1", "/a"))
        #expect(missing.status == 404)
        #expect(missing.detail == "there is no channel \"none\"")
        let full = Problem(ChannelError(.diskFull, "the disk of /x is full"))
        face.engine.state.withLock { $0.publishProblem = full }
        let reply = try await face.send(
            .post, "/v1/channels/storage/events", type: Self.structured, body: Self.event("1", "/a"))
        #expect(reply.status == 507)
        #expect(reply.code == "disk-full")
        #expect(reply.headers[.retryAfter] == "10")
    }

    @Test func pagesAreReadToTheEnd() async throws {
        let face = try await Self.filled()
        let first = try await face.send(.get, "/v1/channels/storage/events?limit=3")
        #expect(Self.subjects(first) == ["/a/1", "/a/2", "/c/1"])
        #expect(first.json["end"] == false)
        #expect(first.json["next"] == "0:3,1:0")
        #expect(first.headers[.link] == "</v1/channels/storage/events?limit=3&cursor=0%3A3%2C1%3A0>; rel=\"next\"")
        #expect(first.json["items"]?.array?[1]["offset"] == 1)
        #expect(first.json["items"]?.array?[1]["appended"] == "1970-01-01T00:00:01.000Z")
        let second = try await face.send(.get, "/v1/channels/storage/events?limit=3&cursor=0%3A3%2C1%3A0")
        #expect(Self.subjects(second) == ["/b/1"])
        #expect(second.json["end"] == true)
        #expect(second.headers[.link] == nil)
        let bad = try await face.send(.get, "/v1/channels/storage/events?cursor=7:1")
        #expect(bad.detail == "the query parameter \"cursor\": \"7:1\" is no cursor: send `next` of the page before")
    }

    @Test(arguments: [
        ("type=u", ["/a/2"]), ("subject=/a/", ["/a/1", "/a/2"]), ("subject=/a/&type=t", ["/a/1"]),
        ("sql=subject+LIKE+'%25/1'+AND+type%3D't'", ["/a/1", "/c/1", "/b/1"]), ("partition=1", ["/b/1"]),
        (#"filters=[{"suffix":{"subject":"2"}}]"#, ["/a/2"]), ("partition=0&from=2", ["/c/1"]), ("from=latest", []),
        ("from=1h&type=u", ["/a/2"]),
    ])
    func eventsAreSelected(_ query: String, _ expected: [String]) async throws {
        let escaped = query.replacing("[", with: "%5B").replacing("{", with: "%7B").replacing("\"", with: "%22")
        let reply = try await Self.filled().send(.get, "/v1/channels/storage/events?\(escaped)")
        #expect(reply.status == 200, "\(reply.text)")
        #expect(Self.subjects(reply) == expected)
    }

    @Test(arguments: [
        ("sql=subject+LIKE", "invalid-filter"), ("filters=%7B", "invalid-parameter"),
        ("filters=%5B%7B%22near%22:1%7D%5D", "invalid-filter"), ("from=2", "invalid-parameter"),
        ("from=yesterday", "invalid-parameter"), ("partition=2", "invalid-parameter"), ("typ=t", "unknown-parameter"),
    ])
    func aSelectionThatCannotBeIsRefused(_ query: String, _ code: String) async throws {
        for path in ["events", "tail"] {
            let reply = try await Self.filled().send(.get, "/v1/channels/storage/\(path)?\(query)")
            #expect(reply.status == 400)
            #expect(reply.code == code)
        }
    }

    @Test func aReaderSeesOnlyWhatItsScopeAllows() async throws {
        let face = try await Self.filled()
        let page = try await face.send(.get, "/v1/channels/storage/events", key: "reader")
        #expect(Self.subjects(page) == ["/a/1", "/a/2"])
        #expect(face.engine.state.withLock { $0.lastScope } == .below(["/a"]))
        let tail = try await face.send(.get, "/v1/channels/storage/tail?from=earliest&limit=2", key: "reader")
        #expect(tail.text.contains("/a/1") && tail.text.contains("/a/2") && !tail.text.contains("/b/1"))
        _ = try await face.send(.get, "/v1/subscriptions/new-files/dead-letters", key: "reader")
        #expect(face.engine.state.withLock { $0.lastScope } == .below(["/a"]))
    }

    @Test func aTailIsServerSentEvents() async throws {
        let face = try await Self.filled()
        let reply = try await face.send(.get, "/v1/channels/storage/tail?from=earliest&limit=4")
        #expect(reply.status == 200)
        #expect(reply.headers[.contentType] == "text/event-stream")
        let messages = reply.text.split(separator: "\n\n").map(String.init)
        #expect(messages.count == 5)
        #expect(messages[0] == ": listening")
        let lines = messages[1].split(separator: "\n").map(String.init)
        #expect(lines.prefix(2) == ["event: event", "id: 0:0"])
        let event = try JSONValue(parsing: String(lines[2].dropFirst("data: ".count)))
        #expect(event["specversion"] == "1.0" && event["id"] == "1" && event["subject"] == "/a/1")
        #expect(messages[4].hasPrefix("event: event\nid: 1:0,0:2\n"))
    }

    @Test func aTailResumesBehindTheLastEvent() async throws {
        let face = try await Self.filled()
        let reply = try await face.send(
            .get, "/v1/channels/storage/tail?limit=2", headers: [.lastEventID: "0:1"])
        #expect(reply.text.contains("/c/1") && reply.text.contains("/b/1"))
        #expect(!reply.text.contains("/a/1") && !reply.text.contains("/a/2"))
        let bad = try await face.send(.get, "/v1/channels/storage/tail", headers: [.lastEventID: "9:1"])
        #expect(bad.code == "invalid-header")
    }

    @Test func whatIsLostIsTold() async throws {
        let face = try await Self.filled()
        func lose() {
            face.engine.state.withLock {
                $0.gaps = [.init(partition: 1, gap: .init(offsets: 3..<7, reason: .damaged))]
            }
        }
        lose()
        let page = try await face.send(.get, "/v1/channels/storage/events")
        #expect(page.json["gaps"]?.text == #"[{"partition":1,"from":3,"to":7,"reason":"damaged"}]"#)
        lose()
        let tail = try await face.send(.get, "/v1/channels/storage/tail?from=earliest&limit=1")
        #expect(
            tail.text.contains("event: gap\ndata: {\"partition\":1,\"from\":3,\"to\":7,\"reason\":\"damaged\"}\n\n"))
    }

    @Test func aTailThatCannotGoOnSaysWhy() async throws {
        let face = try await Self.filled()
        face.engine.state.withLock { $0.readProblem = Problem.unavailable("the disk failed") }
        let reply = try await face.send(
            .get, "/v1/channels/storage/tail?from=earliest", headers: [.requestID: "r"])
        #expect(reply.text.contains("event: problem\ndata: {"))
        #expect(reply.text.contains(#""detail":"the disk failed","instance":"urn:request:r"}"#))
    }

    @Test func theHeadOfATailIsNoStream() async throws {
        let reply = try await TestFace().send(.head, "/v1/channels/storage/tail")
        #expect(reply.status == 200)
        #expect(reply.headers[.contentType] == "text/event-stream")
        #expect(reply.text.isEmpty)
    }

    @Test func lineEndsInsideDataDoNotBreakTheStream() async throws {
        let face = try TestFace()
        _ = try await face.send(
            .post, "/v1/channels/storage/events", type: Self.structured,
            body: Self.event("1", "/a", more: ",\"data\":{\n\"x\":\r\n\"a\\nb\"}"))
        let reply = try await face.send(.get, "/v1/channels/storage/tail?from=earliest&limit=1")
        let line = try #require(reply.text.split(separator: "\n").first { $0.hasPrefix("data: ") })
        let event = try JSONValue(parsing: String(line.dropFirst(6)))
        #expect(event["data"]?["x"] == "a\nb")
    }
}
