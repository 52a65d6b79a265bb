import CloudEvents
import HTTPTypes
import Invocation
import Synchronization
import Testing

@testable import WeirHTTP

@Suite struct FunctionRouteTests {
    @Test func aCallWaitsForItsActivationOrNot() async throws {
        let face = try TestFace()
        let waited = try await face.send(.post, "/v1/functions/checksum/invoke?blocking=true", body: #"{"a":1}"#)
        #expect(waited.status == 200)
        #expect(
            waited.text
                == #"{"id":"0123","namespace":"default","function":"checksum","status":"success","#
                + #""start":"1970-01-01T00:00:01.000Z","end":"1970-01-01T00:00:01.250Z","duration":1.5,"wait":3,"#
                + #""isolation":0,"cause":{"attempt":1},"result":{"sum":1},"#
                + #""logs":[{"time":"1970-01-01T00:00:01.000Z","stream":"stderr","text":"hello"}],"logsTruncated":false}"#
        )
        guard case .arguments(let arguments) = face.engine.state.withLock({ $0.lastCall?.input }) else {
            Issue.record("arguments were expected")
            return
        }
        #expect(arguments == ["a": 1])
        let left = try await face.send(.post, "/v1/functions/pkg/sum/invoke")
        #expect(left.status == 202)
        #expect(left.text == #"{"activationId":"0123"}"#)
        #expect(left.headers[.location] == "/v1/activations/0123")
    }

    @Test func aCallTakesAnEventInEitherMode() async throws {
        let face = try TestFace()
        let path = "/v1/functions/checksum/invoke?blocking=true"
        let body = EventRouteTests.event("7", "/a")
        for (headers, type, text) in [
            (HTTPFields(), EventRouteTests.structured, body),
            (
                [
                    .specversion: "1.0", HTTPField.Name("ce-id")!: "7", HTTPField.Name("ce-type")!: "t",
                    HTTPField.Name("ce-source")!: "s",
                ], "application/json", "{}"
            ),
        ] {
            #expect(try await face.send(.post, path, headers: headers, type: type, body: text).status == 200)
            guard case .event(let record) = face.engine.state.withLock({ $0.lastCall?.input }) else {
                Issue.record("an event was expected")
                return
            }
            #expect(record.event.id == "7")
        }
    }

    @Test func aCallThatCannotBeIsRefused() async throws {
        let face = try TestFace()
        #expect(try await face.send(.post, "/v1/functions/nope/invoke").status == 404)
        #expect(
            try await face.send(.post, "/v1/functions/checksum/invoke", type: "text/plain", body: "x").status == 415)
        let list = try await face.send(.post, "/v1/functions/checksum/invoke", body: "[1]")
        #expect(list.detail == "the arguments must be a JSON object")
        let broken = try await face.send(.post, "/v1/functions/checksum/invoke", body: "{\"a\" 1}")
        #expect(broken.code == "invalid-json")
        #expect(try await face.send(.get, "/v1/functions/checksum/invoke").status == 405)
    }

    @Test func versionsAreListed() async throws {
        let face = try TestFace()
        #expect(try await face.send(.get, "/v1/functions/a/b/versions").detail == "there is no function \"a/b\"")
        _ = try await face.send(.put, "/v1/functions/a/b", body: "{}")
        #expect(try await face.send(.get, "/v1/functions/a/b/versions").text == #"{"items":[{"generation":1}]}"#)
    }
}

@Suite struct ActivationRouteTests {
    static func called() async throws -> TestFace {
        let face = try TestFace()
        _ = try await face.send(.post, "/v1/functions/checksum/invoke?blocking", body: "{}")
        return face
    }

    @Test func activationsAreListedWithoutResultAndLogs() async throws {
        let face = try await Self.called()
        let reply = try await face.send(
            .get,
            "/v1/activations?function=checksum&subscription=s&status=application%20error&since=1h&until=2026-03-01T14:00:00+02:00"
        )
        let item = try #require(reply.json["items"]?.array?.first)
        #expect(item["id"] == "0123")
        #expect(item["result"] == nil && item["logs"] == nil)
        let query = face.engine.state.withLock { $0.lastQuery }
        #expect(
            query
                == ActivationQuery(
                    namespace: "default", function: "checksum", subscription: "s", status: .applicationError,
                    since: TestFace.now - 3_600_000, until: TestFace.now, page: PageRequest()))
        let bad = try await face.send(.get, "/v1/activations?status=succes")
        #expect(bad.detail?.hasSuffix("did you mean \"success\"?") == true)
        #expect(try await face.send(.get, "/v1/activations?since=then").code == "invalid-parameter")
    }

    @Test func oneActivationIsShownWithItsLogs() async throws {
        let face = try await Self.called()
        #expect(try await face.send(.get, "/v1/activations/0123").json["result"]?["sum"] == 1)
        #expect(
            try await face.send(.get, "/v1/activations/0123/logs").text
                == #"{"items":[{"time":"1970-01-01T00:00:01.000Z","stream":"stderr","text":"hello"}],"truncated":false}"#
        )
        #expect(try await face.send(.get, "/v1/activations/9").status == 404)
        #expect(try await face.send(.get, "/v1/activations/9/logs").status == 404)
    }

    @Test func logsAreReadByPage() async throws {
        let face = try TestFace()
        face.engine.state.withLock { state in
            state.logs = (1...3).map {
                LogEntry(
                    activation: "a\($0)", function: "f", line: .init(time: 1_000, stream: .stdout, text: "line \($0)"))
            }
        }
        let first = try await face.send(.get, "/v1/logs?limit=2")
        #expect(first.json["items"]?.array?.compactMap { $0["text"]?.string } == ["line 1", "line 2"])
        #expect(first.json["next"] == "2")
        let rest = try await face.send(.get, "/v1/logs?cursor=2")
        #expect(
            rest.text
                == #"{"items":[{"time":"1970-01-01T00:00:01.000Z","stream":"stdout","text":"line 3","activation":"a3","function":"f"}],"next":"3"}"#
        )
        #expect(try await face.send(.get, "/v1/logs?cursor=3").json["next"] == nil)
    }
}
