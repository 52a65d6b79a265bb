import CloudEvents
import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// Every route asks who is there, and the key stays where it belongs.
@Suite(.fewAtATime) struct AuthorisationTests {
    private static let open = ["/healthz", "/readyz", "/openapi.json", "/v1/openapi.json"]

    @Test func everyRouteThatIsDescribedNeedsTheKey() async throws {
        let folder = try TemporaryDirectory("weir-authorisation")
        let server = try await ServerProcess(data: folder.file("data"), arguments: ["--log-level", "trace"])
        try await server.client.make("channels/kept", [:])
        let nobody = TestClient(url: server.url, key: nil)
        let description = try await nobody.call("GET", "/openapi.json").json
        let paths = try #require(description["paths"]?.object)
        #expect(paths.count > 15)
        let wrong = String(server.key.dropLast()) + (server.key.hasSuffix("A") ? "B" : "A")
        var count = 0
        for path in paths.members {
            let filled = path.name.replacing(#/\{[a-z]+\}/#, with: "kept")
            for method in path.value.object?.names ?? [] where method != "parameters" {
                count += 1
                let body: [UInt8]? = ["put", "post"].contains(method) ? Array("{}".utf8) : nil
                let name = "\(method) \(filled)"
                let answer = try await nobody.call(method.uppercased(), filled, body: body)
                if Self.open.contains(path.name) {
                    #expect(answer.status == 200, "\(name)")
                    continue
                }
                // Webhooks have a secret of their own, in whatever header their senders put it.
                let isHook = path.name.hasPrefix("/v1/hooks/")
                expectProblem(
                    answer, 401, "unauthenticated", saying: [isHook ? "secret" : "Authorization"], name)
                #expect(
                    isHook || answer.headers.first(name: "www-authenticate")?.hasPrefix("Bearer") == true, "\(name)")
                for header in ["Bearer \(wrong)", "Bearer", "Basic \(server.key)", "Bearer \(server.key)x", server.key]
                {
                    let answer = try await nobody.call(
                        method.uppercased(), filled, headers: [("Authorization", header)], body: body)
                    expectProblem(answer, 401, "unauthenticated", "\(name) with \(header.prefix(6))")
                }
            }
        }
        #expect(count > 25)
        // Paths that nobody described tell nobody whether they are there.
        for path in ["/v1/nothing", "/v1", "/v1/channels/kept/nothing", "/api", "/api/v1/nothing"] {
            let answer = try await nobody.call("GET", path)
            #expect([401, 404].contains(answer.status), "\(path): \(answer.status)")
        }
        #expect(try await server.client.call("GET", "/v1/channels/kept").status == 200)
        #expect(!server.log.contains(server.key), "the key stands in the log")
        #expect(!server.log.contains(String(server.key.suffix(20))), "a part of the key stands in the log")
        #expect(server.stop() == 0)
        #expect(!server.log.contains(server.key), "the key stands in the log")
    }

    /// The usual call goes a way of its own, on which the same is asked, and each time.
    @Test func aKeyRunsFunctionsOfItsOwnNamespaceAloneAndOnlyWhileItIsThere() async throws {
        let folder = try TemporaryDirectory("weir-calls")
        let server = try await ServerProcess(data: folder.file("data"))
        let code = TestClient.upload("f.py", Array("def main(args):\n    return {}\n".utf8))
        for namespace in ["mine", "theirs"] {
            let made = try await server.client.put("/v1/functions/f?namespace=\(namespace)", code)
            #expect(made.status == 201, "\(made.text)")
        }
        let key = try await server.client.call("POST", "/v1/keys?namespace=mine").json
        let header = ("Authorization", "Basic " + Base64Text.encode(Array((key["auth"]?.string ?? "").utf8)))
        let mine = TestClient(url: server.url, key: nil)
        func call(_ path: String) async throws -> Int {
            try await mine.call("POST", path, headers: [header], body: Array("{}".utf8)).status
        }
        let native = "/v1/functions/f/invoke?blocking=true"
        func whisk(_ namespace: String) -> String { "/api/v1/namespaces/\(namespace)/actions/f?blocking=true" }
        for _ in 0..<2 {
            #expect(try await call(native) == 200)
            #expect(try await call(native + "&namespace=mine") == 200)
            #expect(try await call(native + "&namespace=theirs") == 403)
            #expect(try await call(whisk("_")) == 200)
            #expect(try await call(whisk("mine")) == 200)
            #expect(try await call(whisk("theirs")) == 403)
        }
        let front = try await server.client.call("GET", "/metrics").text.split(separator: "\n")
            .contains("weir_http_requests_front_total 8")
        #expect(front, "those that may were not answered in front")
        let id = key["id"]?.string ?? ""
        #expect(try await server.client.call("DELETE", "/v1/keys/\(id)?namespace=mine").status == 204)
        #expect(try await call(native) == 401)
        #expect(try await call(whisk("_")) == 401)
        #expect(server.stop() == 0)
    }

    @Test func theKeysFileIsForItsOwnerAlone() async throws {
        let folder = try TemporaryDirectory("weir-key")
        let data = folder.file("data")
        let server = try await ServerProcess(data: data)
        let file = data + "/admin.key"
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(server.stop() == 0)
        for open in [0o640, 0o604, 0o660] {
            try FileManager.default.setAttributes([.posixPermissions: open], ofItemAtPath: file)
            let refused = try await Command.weir(data, "serve", "--port", "0")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("chmod 600 \(file)"), "\(refused.errors)")
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let again = try await ServerProcess(data: data)
        #expect(again.key == server.key)
        #expect(try await again.client.call("GET", "/v1/status").status == 200)
        #expect(again.stop() == 0)
    }

    @Test func theDataFolderIsMadeForItsOwnerAlone() async throws {
        let folder = try TemporaryDirectory("weir-folder")
        // An address of documentation (RFC 5737), which no machine has: the server makes its folder and then cannot listen.
        let refused = try await Command.weir(folder.file("new"), "serve", "--host", "203.0.113.1", "--port", "0")
        #expect(refused.status == 1)
        #expect(refused.errors.contains("cannot listen on 203.0.113.1"), "\(refused.errors)")
        let mode = try FileManager.default.attributesOfItem(atPath: folder.file("new"))[.posixPermissions] as? Int
        #expect(mode == 0o700)
        #expect(!FileManager.default.fileExists(atPath: folder.file("new/server.json")))
    }
}
