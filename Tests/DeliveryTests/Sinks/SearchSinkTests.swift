import CloudEvents
import Manifest
import Outbound
import Synchronization
import TestSupport
import Testing

@testable import Delivery

@Suite("Elasticsearch and OpenSearch", .timeLimit(.minutes(2)))
struct SearchSinkTests {
    private func spec(_ url: String, _ more: JSONObject = [:]) throws -> SearchSinkSpec {
        var document: JSONObject = [
            "kind": "elasticsearch", "url": .string(url), "index": "events-${time:yyyy.MM.dd}",
        ]
        for member in more.members { document[member.name] = member.value }
        guard case .search(let spec) = try SinkSpec(.object(document), path: "sink") else {
            throw DocumentError(path: "", message: "no search sink")
        }
        return spec
    }

    private func deliver(
        _ spec: SearchSinkSpec, _ parcels: [Parcel], secrets: SecretStore = .none
    ) async throws -> [DeliveryOutcome] {
        let sink = SearchSink(
            spec, client: try WebClient(), ownsClient: true, secrets: secrets, namespace: "default", timeout: 20_000,
            now: { 0 })
        let answers = await sink.deliver(parcels)
        await sink.close()
        return answers.map(\.outcome)
    }

    private func parcel(_ number: Int, day: Int = 20, data: String? = nil) -> Parcel {
        var event = CloudEvent(
            id: "e\(number)", source: "dcache://d", type: "dev.weir.file.written", subject: "/a/\(number)",
            time: EventTime("2026-05-\(day)T12:00:00Z"),
            data: .json(Array((data ?? "{\"size\": \(number), \"native\": {\"raw\": true}}").utf8)))
        event["filesizemib"] = .integer(Int32(number))
        return Parcel(event: EventRecord(event), partition: 0, offset: UInt64(number), attempt: 1)
    }

    /// A server that answers to `_bulk` as a closure says, and keeps what it was sent.
    private final class Bulk: Sendable {
        let requests = Mutex<[TestWebServer.Request]>([])
        func server(_ answer: @escaping @Sendable (Int, [JSONValue]) -> TestWebServer.Reply) async throws
            -> TestWebServer
        {
            try await TestWebServer { request in
                let number = self.requests.withLock { requests in
                    requests.append(request)
                    return requests.count
                }
                return answer(number, lines(request))
            }
        }
    }

    @Test(
        "documents lie in the index of their day, and a second delivery replaces them",
        .enabled(if: SearchServer.unavailable == nil, "\(SearchServer.unavailable ?? "")"))
    func realServer() async throws {
        let server = try await SearchServer()
        let spec = try spec(server.url)
        let parcels = (0..<40).map { parcel($0, day: 20 + $0 % 2) }
        #expect(try await deliver(spec, parcels).allSatisfy { $0 == .delivered })
        #expect(try await deliver(spec, parcels).allSatisfy { $0 == .delivered })
        let client = try WebClient()
        _ = try await client.send(WebRequest("POST", server.url + "/_refresh"))
        for day in [20, 21] {
            let answer = try await client.send(WebRequest("GET", server.url + "/events-2026.05.\(day)/_count"))
            #expect(try JSONValue(parsing: answer.body)["count"] == 20)
        }
        let found = try await client.send(
            WebRequest(
                "POST", server.url + "/events-2026.05.20/_search", headers: [("Content-Type", "application/json")],
                body: Array(#"{"query": {"term": {"filesizemib": 8}}}"#.utf8)))
        let hits = try JSONValue(parsing: found.body)["hits"]?["hits"]?.array ?? []
        #expect(hits.count == 1)
        let source = hits.first?["_source"]
        #expect(source?["subject"] == "/a/8" && source?["@timestamp"] == "2026-05-20T12:00:00.000Z")
        #expect(source?["data"] == ["size": 8])
        await client.shutdown()
        server.stop()
    }

    @Test(
        "a document that the mapping does not take is rejected alone",
        .enabled(if: SearchServer.unavailable == nil, "\(SearchServer.unavailable ?? "")"))
    func mapping() async throws {
        let server = try await SearchServer()
        let client = try WebClient()
        let made = try await client.send(
            WebRequest(
                "PUT", server.url + "/typed", headers: [("Content-Type", "application/json")],
                body: Array(#"{"mappings": {"properties": {"size": {"type": "long"}}}}"#.utf8)))
        #expect(made.status == 200)
        let outcomes = try await deliver(
            try spec(server.url, ["index": "typed", "document": ["size": "${/size}"]]),
            [parcel(1), parcel(2, data: #"{"size": "many"}"#), parcel(3)])
        #expect(outcomes[0] == .delivered && outcomes[2] == .delivered)
        if outcomes[1] == .delivered {
            // This server does not check types against its mapping; the next test says what happens where one does.
            print("the search server took a text for a long")
        } else if case .rejected(let why) = outcomes[1] {
            #expect(!why.isEmpty)
        } else {
            Issue.record("\(outcomes[1])")
        }
        await client.shutdown()
        server.stop()
    }

    @Test("each document has an outcome of its own")
    func partialFailures() async throws {
        let bulk = Bulk()
        let server = try await bulk.server { _, lines in
            let statuses: [Int64] = [201, 429, 400, 409, 503]
            let items = lines.enumerated().filter { $0.offset % 2 == 0 }.map { index, line -> JSONValue in
                let status = statuses[index / 2 % 5]
                var result: JSONObject = ["status": .integer(status)]
                if status >= 400 { result["error"] = ["type": "some_exception", "reason": .string("r\(status)")] }
                return .object(["create": .object(result)])
            }
            return .whole(200, [], JSONValue.object(["errors": true, "items": .array(items)]).encoded())
        }
        let outcomes = try await deliver(try spec(server.url, ["operation": "create"]), (0..<5).map { parcel($0) })
        #expect(outcomes[0] == .delivered && outcomes[3] == .delivered)
        #expect(outcomes[1] == .retry("the document was answered with 429 (some_exception: r429)"))
        #expect(outcomes[2] == .rejected("the document was answered with 400 (some_exception: r400)"))
        guard case .retry = outcomes[4] else { Issue.record("\(outcomes[4])"); return }
        let actions = lines(bulk.requests.withLock { $0[0] }).enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
        #expect(Set(actions.compactMap { $0["create"]?["_id"]?.string }).count == 5)
        #expect(actions.allSatisfy { $0["create"]?["_index"] == "events-2026.05.20" })
        try await server.stop()
    }

    @Test("a cluster without room is left alone for as long as it says")
    func backPressure() async throws {
        let server = try await Bulk().server { _, _ in .whole(429, [("Retry-After", "7")]) }
        let outcomes = try await deliver(try spec(server.url), [parcel(1), parcel(2)])
        #expect(outcomes == Array(repeating: .retry("\(server.url) answered 429", after: 7_000), count: 2))
        try await server.stop()
    }

    @Test("a request that is too large is halved until it passes")
    func tooLarge() async throws {
        let bulk = Bulk()
        let server = try await bulk.server { _, lines in
            guard lines.count <= 4 else { return .whole(413) }
            let items = (0..<(lines.count / 2)).map { _ in JSONValue.object(["index": ["status": 201]]) }
            return .whole(200, [], JSONValue.object(["errors": false, "items": .array(items)]).encoded())
        }
        #expect(try await deliver(try spec(server.url), (0..<9).map { parcel($0) }).allSatisfy { $0 == .delivered })
        // And no request grows beyond what is allowed in the first place.
        bulk.requests.withLock { $0 = [] }
        _ = try await deliver(try spec(server.url, ["requestBytes": 1_000]), (0..<9).map { parcel($0) })
        #expect(bulk.requests.withLock { $0.allSatisfy { $0.body.count <= 1_000 } && $0.count > 2 })
        try await server.stop()
    }

    @Test("an answer that makes no sense, no answer, and no rights are tried again")
    func nonsense() async throws {
        for reply in [
            TestWebServer.Reply.whole(200, [], Array("{}".utf8)), .whole(200, [], Array("x".utf8)), .cut, .whole(401),
            .whole(503),
        ] {
            let server = try await Bulk().server { _, _ in reply }
            guard case .retry = try await deliver(try spec(server.url), [parcel(1)])[0] else {
                Issue.record("\(reply)")
                continue
            }
            try await server.stop()
        }
    }

    @Test("an API key goes with each request, from the secret as it is then")
    func credentials() async throws {
        let bulk = Bulk()
        let server = try await bulk.server { _, _ in
            .whole(200, [], JSONValue.object(["items": [["index": ["status": 200]]]]).encoded())
        }
        let secrets = SecretStore { (_, name) throws(SecretError) in Array("key-\(name)".utf8) }
        let spec = try spec(server.url, ["apiKey": ["secret": "elastic"], "pipeline": "geo ip"])
        #expect(try await deliver(spec, [parcel(1)], secrets: secrets) == [.delivered])
        let request = bulk.requests.withLock { $0[0] }
        #expect(request["Authorization"] == "ApiKey key-elastic" && request.query == "pipeline=geo%20ip")
        guard case .retry(let why, _) = try await deliver(spec, [parcel(1)])[0] else { return }
        #expect(why.contains("no secret"))
        try await server.stop()
    }

    @Test("what is no name for an index is rejected", arguments: ["${subject}", "Events", "_x", "a b"])
    func indexNames(_ index: String) async throws {
        let outcomes = try await deliver(try spec("http://127.0.0.1:1", ["index": .string(index)]), [parcel(1)])
        guard case .rejected(let why) = outcomes[0] else { Issue.record("\(outcomes)"); return }
        #expect(why.contains("no name of an index"))
    }

    @Test("documents read back the same, and a credential is not sent in the clear")
    func documents() throws {
        let spec = try SinkSpec(
            [
                "kind": "elasticsearch", "url": "https://search.example.org:9200/", "index": "e-${time:yyyy}",
                "operation": "create", "user": "u", "password": ["secret": "p"], "native": true,
                "tls": ["trust": "/etc/ca.pem"], "document": ["a": "${subject}"], "requestBytes": "1MB",
            ], path: "sink")
        #expect(try SinkSpec(spec.document, path: "sink") == spec)
        #expect(throws: DocumentError.self) {
            try SinkSpec(
                ["kind": "elasticsearch", "url": "http://x.example.org", "index": "i", "apiKey": ["secret": "k"]],
                path: "sink")
        }
    }
}

/// The lines of a bulk request.
private func lines(_ request: TestWebServer.Request) -> [JSONValue] {
    request.body.split(separator: 0x0A).compactMap { try? JSONValue(parsing: $0) }
}
