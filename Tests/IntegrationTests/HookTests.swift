import CloudEvents
import Foundation
import TestSupport
import Testing

/// Webhooks and followed files on the real server.
@Suite(.fewAtATime, .timeLimit(.minutes(3))) struct HookTests {
    @Test func `what is posted is on disk when it is answered, and nobody posts without the secret`() async throws {
        let folder = try TemporaryDirectory("weir-hooks")
        var server = try await ServerProcess(data: folder.file("data"))
        try FileManager.default.createDirectory(
            atPath: folder.file("data/secrets/default"), withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        _ = FileManager.default.createFile(
            atPath: folder.file("data/secrets/default/hook"), contents: Data("word".utf8),
            attributes: [.posixPermissions: 0o600])
        try await server.client.make("channels/storage", [:])
        try await server.client.make(
            "sources/objects",
            ["kind": "webhook", "format": "s3", "secret": ["secret": "hook"], "channel": "storage"])
        let body = Array(
            #"""
            {"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-05-20T12:00:00.000Z",
            "eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"raw"},"object":{"key":"a.h5","size":5,"eTag":"e"}}}]}
            """#.utf8)
        func post(_ path: String, _ headers: [(String, String)] = [], _ body: [UInt8]) async throws -> TestClient.Answer
        {
            try await TestClient(url: server.url, key: nil).call("POST", path, headers: headers, body: body)
        }
        let path = "/v1/hooks/default/objects"
        for (place, headers) in [
            (path, []), (path, [("Authorization", "Bearer wrong")]), (path + "?token=wrong", []),
            ("/v1/hooks/default/nothing", [("Authorization", "Bearer word")]),
        ] as [(String, [(String, String)])] {
            let answer = try await post(place, headers, body)
            expectProblem(answer, 401, "unauthenticated", "a post without the secret")
        }
        #expect(try await server.client.events("storage").isEmpty)
        let taken = try await post(path, [("Authorization", "Bearer word")], body)
        #expect(taken.status == 200 && taken.json == ["events": 1, "unreadable": 0], "\(taken.text)")
        server.kill9()
        server = try await ServerProcess(data: folder.file("data"))
        #expect(try await post(path + "?token=word", [], body).status == 200)
        #expect(try await post(path + "?token=word", [], Array("nothing".utf8)).json["unreadable"] == 1)
        let events = try await server.client.events("storage")
        #expect(events.count == 1 && events.first?["type"] == "dev.weir.file.written", "\(events)")
        #expect(try await server.client.events("storage.unreadable").count == 1)
        let status = try await server.client.status("sources/objects")
        #expect(status["duplicates"] == 1 && status["failures"] == 1, "\(status.text)")
        #expect(server.stop() == 0)
    }
}
