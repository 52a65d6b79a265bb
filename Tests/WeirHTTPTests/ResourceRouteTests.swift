import Synchronization
import CloudEvents
import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct ResourceRouteTests {
    @Test func aPutThingCanBeReadListedAndDeleted() async throws {
        let face = try TestFace()
        let created = try await face.send(.put, "/v1/channels/storage", body: #"{"retention":"30d"}"#)
        #expect(created.status == 201)
        #expect(created.headers[.location] == "/v1/channels/storage")
        #expect(created.headers[.eTag] == "\"1\"")
        #expect(created.json["outcome"] == "created")
        #expect(created.json["resource"]?["retention"] == "30d")

        let read = try await face.send(.get, "/v1/channels/storage")
        #expect(read.status == 200)
        #expect(read.headers[.eTag] == "\"1\"")
        #expect(read.headers[.contentType] == "application/json")
        #expect(read.json["name"] == "storage")

        let again = try await face.send(.put, "/v1/channels/storage", body: #"{"retention":"30d"}"#)
        #expect(again.status == 200)
        #expect(again.json["outcome"] == "unchanged")
        let changed = try await face.send(.put, "/v1/channels/storage", body: #"{"retention":"60d"}"#)
        #expect(changed.json["outcome"] == "updated")
        #expect(changed.headers[.eTag] == "\"2\"")

        let list = try await face.send(.get, "/v1/channels")
        #expect(list.json["items"]?.array?.count == 1)
        #expect(list.json["next"] == nil)

        let gone = try await face.send(.delete, "/v1/channels/storage")
        #expect(gone.status == 204)
        #expect(gone.text.isEmpty)
        let missing = try await face.send(.get, "/v1/channels/storage")
        #expect(missing.status == 404)
        #expect(missing.detail == "there is no channel \"storage\"")
        #expect(try await face.send(.delete, "/v1/channels/storage").status == 404)
    }

    @Test(arguments: ResourceKind.allCases)
    func everyKindHasItsRoutes(_ kind: ResourceKind) async throws {
        let face = try TestFace()
        #expect(try await face.send(.put, "/v1/\(kind.rawValue)/one", body: "{}").status == 201)
        #expect(try await face.send(.get, "/v1/\(kind.rawValue)/one").status == 200)
        #expect(try await face.send(.get, "/v1/\(kind.rawValue)").json["items"]?.array?.count == 1)
        #expect(try await face.send(.delete, "/v1/\(kind.rawValue)/one").status == 204)
    }

    @Test func aDryRunChangesNothing() async throws {
        let face = try TestFace()
        let put = try await face.send(.put, "/v1/channels/storage?dryRun=true", body: "{}")
        #expect(put.status == 200)
        #expect(put.json["outcome"] == "created")
        #expect(try await face.send(.get, "/v1/channels/storage").status == 404)
        _ = try await face.send(.put, "/v1/channels/storage", body: "{}")
        #expect(try await face.send(.delete, "/v1/channels/storage?dryRun").status == 204)
        #expect(try await face.send(.get, "/v1/channels/storage").status == 200)
    }

    @Test func listsArePaged() async throws {
        let face = try TestFace()
        for name in ["a", "b", "c"] { _ = try await face.send(.put, "/v1/sources/\(name)", body: "{}") }
        let first = try await face.send(.get, "/v1/sources?limit=2&namespace=x")
        #expect(first.json["items"]?.array?.count == 2)
        #expect(first.json["next"] == "b")
        #expect(first.headers[.link] == "</v1/sources?limit=2&namespace=x&cursor=b>; rel=\"next\"")
        let second = try await face.send(.get, "/v1/sources?limit=2&cursor=b&namespace=x")
        #expect(second.json["items"]?.array?.first?["name"] == "c")
        #expect(second.headers[.link] == nil)
        #expect(face.engine.state.withLock { $0.namespaces } == ["x"])
    }

    @Test func aFunctionOfAPackageIsNamedWithASlashOrItsEscape() async throws {
        let face = try TestFace()
        let body = #"{"runtime":"python","code":{"filename":"a.py","base64":"cHJpbnQoKQ=="}}"#
        #expect(try await face.send(.put, "/v1/functions/pkg/sum", body: body).status == 201)
        #expect(try await face.send(.get, "/v1/functions/pkg%2Fsum").json["name"] == "pkg/sum")
        let code = face.engine.state.withLock { $0.code["pkg/sum"] }
        #expect(code == FunctionCode(filename: "a.py", bytes: Array("print()".utf8)))
        #expect(try await face.send(.get, "/v1/functions/pkg/sum").json["code"] == nil)
    }

    @Test func codeAsTextStaysInTheDocument() async throws {
        let face = try TestFace()
        let body = #"{"runtime":"python","code":"def main(args): pass"}"#
        #expect(try await face.send(.put, "/v1/functions/f", body: body).status == 201)
        #expect(try await face.send(.get, "/v1/functions/f").json["code"] == "def main(args): pass")
        #expect(face.engine.state.withLock { $0.code["f"] } == nil)
    }

    @Test(arguments: [
        (#"{"code":3}"#, "code: text, or an object with filename and base64, was expected, not an integer"),
        (
            #"{"code":{"filename":"a.py"}}"#,
            "code.base64: the file's bytes are expected as Base64 with padding (RFC 4648 §4)"
        ),
        (#"{"code":{"base64":""}}"#, "code.filename: the name of the file is expected, without a folder"),
        (
            #"{"code":{"filename":"../a","base64":""}}"#,
            "code.filename: the name of the file is expected, without a folder"
        ),
        (#"{"code":{"file":"a","base64":""}}"#, "code.file: this key is unknown: known here are base64, filename"),
    ])
    func badCodeIsRefused(_ body: String, _ detail: String) async throws {
        let reply = try await TestFace().send(.put, "/v1/functions/f", body: body)
        #expect(reply.status == 422)
        #expect(reply.detail == detail)
    }

    @Test func preconditionsAreKept() async throws {
        let face = try TestFace()
        _ = try await face.send(.put, "/v1/channels/a", body: "{}")
        func put(_ name: String, _ headers: HTTPFields) async throws -> Reply {
            try await face.send(.put, "/v1/channels/\(name)", headers: headers, body: #"{"partitions":2}"#)
        }
        let stale = try await put("a", [.ifMatch: "\"7\""])
        #expect(stale.status == 412)
        #expect(stale.detail == "If-Match asks for generation \"7\", but it is at \"1\": read it again and retry")
        #expect(try await put("b", [.ifMatch: "*"]).status == 412)
        #expect(try await put("a", [.ifNoneMatch: "*"]).status == 412)
        #expect(try await put("a", [.ifMatch: "7"]).code == "invalid-header")
        #expect(try await put("a", [.ifMatch: "\"3\", \"1\""]).json["outcome"] == "updated")
        #expect(try await face.send(.get, "/v1/channels/a", headers: [.ifNoneMatch: "\"2\""]).status == 304)
        #expect(try await face.send(.get, "/v1/channels/a", headers: [.ifNoneMatch: "\"1\""]).status == 200)
        #expect(try await face.send(.delete, "/v1/channels/a", headers: [.ifMatch: "\"1\""]).status == 412)
    }

    @Test func whatTheEngineRefusesNamesThePlace() async throws {
        let reply = try await TestFace().send(.put, "/v1/channels/a", body: #"{"retention":"soon"}"#)
        #expect(reply.status == 422)
        #expect(reply.headers[.contentType] == "application/problem+json")
        #expect(
            reply.faults
                == ##"[{"path":"retention","message":"\"soon\" is no length of time: write 300ms, 30s or 7d"}]"##)
    }
}
