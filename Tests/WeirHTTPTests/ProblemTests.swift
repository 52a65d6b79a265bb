import CloudEvents
import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct ProblemTests {
    @Test func aProblemIsWholeAndNamesItsRequest() async throws {
        let reply = try await TestFace().send(.get, "/v1/nothing", headers: [.requestID: "abc-1"])
        #expect(reply.headers[.requestID] == "abc-1")
        #expect(
            reply.text
                == #"{"type":"urn:weir:problem:no-such-path","title":"Not Found","status":404,"#
                + #""code":"no-such-path","detail":"nothing is at /v1/nothing: /openapi.json lists what is","#
                + #""instance":"urn:request:abc-1"}"#)
    }

    @Test func aRequestIdThatCouldSpoilALogIsReplaced() async throws {
        let reply = try await TestFace().send(.get, "/healthz", headers: [.requestID: "a b"])
        #expect(reply.headers[.requestID]?.isEmpty == false)
        #expect(reply.headers[.requestID] != "a b")
    }

    @Test(arguments: [
        (HTTPRequest.Method.post, "/v1/channels", "GET, HEAD"),
        (.post, "/v1/channels/a", "DELETE, GET, HEAD, PUT"),
        (.delete, "/healthz", "GET, HEAD"),
        (.options, "/v1/status", "GET, HEAD"),
    ])
    func aWrongMethodIsToldTheRightOnes(_ method: HTTPRequest.Method, _ path: String, _ allow: String) async throws {
        let reply = try await TestFace().send(method, path)
        #expect(reply.status == 405)
        #expect(reply.headers[.allow] == allow)
        #expect(reply.code == "method-not-allowed")
    }

    @Test(arguments: [
        (
            "/v1/channels?limt=3", "unknown-parameter",
            "the query parameter \"limt\": it is unknown: did you mean \"limit\"?"
        ),
        (
            "/v1/channels?colour=red", "unknown-parameter",
            "the query parameter \"colour\": it is unknown: known here are cursor, limit, namespace"
        ),
        ("/v1/channels?limit=x", "invalid-parameter", "the query parameter \"limit\": \"x\" is not a whole number"),
        (
            "/v1/channels?limit=0", "invalid-parameter",
            "the query parameter \"limit\": 0 is out of range: 1 to 1000 is allowed"
        ),
        ("/v1/channels?limit=1&limit=2", "invalid-parameter", "the query parameter \"limit\": it is given twice"),
        ("/v1/channels?cursor=", "invalid-parameter", "the query parameter \"cursor\": it has no value"),
        (
            "/v1/channels?cursor=%zz", "invalid-parameter",
            "the query has an escape that is not well-formed UTF-8 percent-encoding: \"cursor=%zz\""
        ),
        ("/healthz?x=1", "unknown-parameter", "the query parameter \"x\": it is unknown: none is known here"),
    ])
    func aBadQueryIsRefused(_ uri: String, _ code: String, _ detail: String) async throws {
        let reply = try await TestFace().send(.get, uri)
        #expect(reply.status == 400)
        #expect(reply.code == code)
        #expect(reply.detail == detail)
    }

    @Test(arguments: ["/v1/channels/%", "/v1/channels/%4", "/v1/channels/%ff", "/v1/channels/a%00", "/v1/channels/%0a"])
    func aBadlyEscapedNameIsRefused(_ path: String) async throws {
        let reply = try await TestFace().send(.get, path)
        #expect(reply.status == 400)
        #expect(reply.code == "invalid-path")
    }

    @Test(arguments: ["/v1/functions/..", "/v1/functions/%2e%2E/x", "/v1/functions/a%2F."])
    func aNameThatWalksUpIsRefused(_ path: String) async throws {
        #expect(try await TestFace().send(.get, path).code == "invalid-path")
    }

    @Test(arguments: ["/v1/channels/", "/v1/channels/a/", "//v1/channels", "/v1/channels/a%2Fb/c/d", "/v1"])
    func pathsAreTakenToTheLetter(_ path: String) async throws {
        #expect(try await TestFace().send(.get, path).code == "no-such-path")
    }

    @Test func badJSONIsToldLineAndColumn() async throws {
        let reply = try await TestFace().send(.put, "/v1/channels/a", body: "{\n  \"a\": }")
        #expect(reply.status == 400)
        #expect(reply.code == "invalid-json")
        #expect(reply.json["errors"]?.array?.first?["line"] == 2)
        #expect(reply.json["errors"]?.array?.first?["column"] == 8)
    }

    @Test func aBodyThatIsNoObjectIsRefused() async throws {
        let face = try TestFace()
        #expect(try await face.send(.put, "/v1/channels/a", body: "[]").detail == "the body must be a JSON object")
        #expect(try await face.send(.put, "/v1/channels/a", type: "application/json").code == "missing-body")
    }

    @Test func aTypeThatIsNotUnderstoodIsRefused() async throws {
        let face = try TestFace()
        let wrong = try await face.send(.put, "/v1/channels/a", type: "text/yaml; charset=utf-8", body: "a: 1")
        #expect(wrong.status == 415)
        #expect(wrong.detail == "a body of type text/yaml is not understood: send application/json")
        #expect(wrong.headers[.accept] == "application/json")
        let absent = try await face.send(.put, "/v1/channels/a")
        #expect(absent.status == 415)
    }

    @Test(arguments: [
        ("application/json", 200), ("*/*", 200), ("text/*, application/*;q=0.5", 200), ("text/html", 406),
        ("application/json;q=0, */*", 406),
    ])
    func theAcceptHeaderIsHeard(_ accept: String, _ status: Int) async throws {
        #expect(try await TestFace().send(.get, "/v1/status", headers: [.accept: accept]).status == status)
    }

    @Test func aBodyThatIsTooLargeIsRefused() async throws {
        var limits = HTTPLimits()
        limits.document = 1024
        let face = try TestFace(limits: limits)
        let reply = try await face.send(.put, "/v1/channels/a", body: "\"\(String(repeating: "x", count: 2000))\"")
        #expect(reply.status == 413)
        #expect(reply.detail == "the body is larger than 1KiB")
        #expect(reply.headers[.connection] == "close")
    }

    @Test func aTargetThatIsTooLongIsRefused() async throws {
        let reply = try await TestFace().send(.get, "/v1/channels/" + String(repeating: "x", count: 9000))
        #expect(reply.status == 414)
    }

    @Test func headIsGetWithoutTheBody() async throws {
        let face = try TestFace()
        let get = try await face.send(.get, "/v1/status")
        let head = try await face.send(.head, "/v1/status")
        #expect(head.status == 200)
        #expect(head.text.isEmpty)
        #expect(head.headers[.contentLength] == get.headers[.contentLength])
        #expect(try await face.send(.head, "/v1/channels/none").status == 404)
    }
}
