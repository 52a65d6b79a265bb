import AsyncHTTPClient
import CloudEvents
import Foundation
import Functions
import Manifest
import Synchronization
import TestSupport
import Testing

@testable import Sandboxes

@Suite(.fewAtATime) struct RegistryClientTests {
    static func client(
        _ document: JSONValue = [:], body: (RegistryClient) async throws -> Void
    ) async throws {
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: RegistryClient.clientConfiguration)
        do {
            let settings = try RegistrySettings(document) { (path) throws(DocumentError) in
                throw DocumentError(path: path, message: "")
            }
            try await body(RegistryClient(http: http, settings: settings))
        } catch {
            try await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }

    private static let image = TestImage([LayerBuilder().tar], config: ["Cmd": ["/x"]])

    private func code(_ body: () async throws -> Void) async -> ContainerError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ContainerError)?.code
        }
    }

    @Test(.enabled(if: TestRegistry.missing == nil, "\(TestRegistry.missing ?? "")"))
    func aRealRegistryGivesWhatWasPushed() async throws {
        let registry = try await TestRegistry()
        let digest = try await registry.push(Self.image, "project/base", tag: "1")
        try await Self.client { client in
            let name = try ImageReference("\(registry.host)/project/base:1")
            let found = try await client.manifest(name, namespace: "n")
            #expect(found.digest.description == digest && found.bytes == Self.image.manifest)
            let pinned = name.pinned(found.digest)
            let found1 = try await client.manifest(pinned, namespace: "n")
            #expect(found1.bytes == Self.image.manifest)
            guard case .image(let configuration, let layers) = try ImageManifest(found.bytes) else {
                Issue.record("is no image")
                return
            }
            #expect(
                try await client.blob(configuration, of: name, namespace: "n", upTo: 1 << 20)
                    == Self.image.configuration)
            let folder = try TemporaryDirectory()
            try await client.download(layers[0], of: name, namespace: "n", to: folder.file("layer"))
            #expect(FileManager.default.contents(atPath: folder.file("layer")).map { Array($0) } == Self.image.blobs[0])
            #expect(
                await code { _ = try await client.manifest(try ImageReference("\(registry.host)/no"), namespace: "n") }
                    == .notFound)
            #expect(
                await code {
                    _ = try await client.manifest(try ImageReference("\(registry.host)/project/base:2"), namespace: "n")
                } == .notFound)
        }
    }

    @Test(.enabled(if: TestRegistry.missing == nil, "\(TestRegistry.missing ?? "")"))
    func aPasswordIsSentOnlyWhereItBelongs() async throws {
        let registry = try await TestRegistry(needsPassword: true)
        try await registry.push(Self.image, "private/base", tag: "1")
        let name = try ImageReference("\(registry.host)/private/base:1")
        func account(_ password: String, _ namespaces: JSONValue = .null) -> JSONValue {
            [
                "registries": .object([
                    registry.host: [
                        "username": "robot", "password": .string(password), "namespaces": namespaces,
                    ]
                ])
            ]
        }
        try await Self.client(account("secret")) { client in
            let found2 = try await client.manifest(name, namespace: "n")
            #expect(found2.bytes == Self.image.manifest)
        }
        try await Self.client { client in
            #expect(await code { _ = try await client.manifest(name, namespace: "n") } == .unauthorized)
        }
        try await Self.client(account("wrong")) { client in
            #expect(await code { _ = try await client.manifest(name, namespace: "n") } == .unauthorized)
        }
        try await Self.client(account("secret", ["others"])) { client in
            #expect(await code { _ = try await client.manifest(name, namespace: "n") } == .unauthorized)
            let found3 = try await client.manifest(name, namespace: "others")
            #expect(found3.bytes == Self.image.manifest)
            #expect(
                await code { _ = try await client.manifest(name, namespace: "n") } == .unauthorized, "nor afterwards")
        }
    }

    @Test func aTokenIsFetchedOnceAndSentNowhereElse() async throws {
        let elsewhere = try ScriptedServer { _ in ScriptedServer.response(200, [], Self.image.configuration) }
        defer { elsewhere.stop() }
        let realm = Mutex("")
        let registry = try ScriptedServer { request in
            if request.line.hasPrefix("GET /token") {
                return ScriptedServer.response(200, [], Array(#"{"token":"abc","expires_in":300}"#.utf8))
            }
            guard request.header("authorization") == "Bearer abc" else {
                let challenge = #"Bearer realm="\#(realm.withLock { $0 })",service="s",scope="repository:a/b:pull""#
                return ScriptedServer.response(401, [("WWW-Authenticate", challenge)])
            }
            if request.line.contains("/blobs/") {
                return ScriptedServer.response(307, [("Location", "http://\(elsewhere.host)/storage")])
            }
            return ScriptedServer.response(200, [], Self.image.manifest)
        }
        defer { registry.stop() }
        realm.withLock { $0 = "http://\(registry.host)/token" }
        let account: JSONValue = [
            "registries": .object([registry.host: ["username": "robot", "password": "secret"]])
        ]
        try await Self.client(account) { client in
            let name = try ImageReference("\(registry.host)/a/b:1")
            let found = try await client.manifest(name, namespace: "n")
            guard case .image(let configuration, _) = try ImageManifest(found.bytes) else { return }
            #expect(
                try await client.blob(configuration, of: name, namespace: "n", upTo: 1 << 20)
                    == Self.image.configuration)
        }
        let tokens = registry.requests.filter { $0.line.hasPrefix("GET /token") }
        #expect(tokens.count == 1)
        #expect(tokens.first?.line.contains("service=s") == true)
        #expect(tokens.first?.header("authorization") == "Basic " + Base64.encode(Array("robot:secret".utf8)))
        #expect(elsewhere.requests.count == 1 && elsewhere.requests.first?.header("authorization") == nil)
    }

    @Test func aBlobGoesOnWhereItBrokeOff() async throws {
        let blob = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let registry = try ScriptedServer { request in
            // A million bytes at most, then the line is cut.
            let from = request.header("range").flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
            let piece = Array(blob[from..<min(blob.count, from + 1_000_000)])
            let headers = [("Content-Range", "bytes \(from)-\(blob.count - 1)/\(blob.count)")]
            return ScriptedServer.response(
                from > 0 ? 206 : 200, from > 0 ? headers : [], piece, length: blob.count - from)
        }
        defer { registry.stop() }
        let folder = try TemporaryDirectory()
        let digest = try #require(ImageDigest(LayerBuilder.digest(blob)))
        try await Self.client { client in
            try await client.download(
                ImageDescriptor(mediaType: "", digest: digest, size: Int64(blob.count)),
                of: try ImageReference("\(registry.host)/a/b:1"), namespace: "n", to: folder.file("blob"))
        }
        #expect(FileManager.default.contents(atPath: folder.file("blob")).map { Array($0) } == blob)
        #expect(registry.requests.count >= 3)
    }

    @Test func aRegistryThatLiesIsFoundOut() async throws {
        let good = Self.image.manifest
        let other = Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)
        let registry = try ScriptedServer { request in
            if request.line.contains("/blobs/") {
                if request.line.contains("/long/") {
                    return ScriptedServer.response(200, [], Array(repeating: 7, count: 100_000))
                }
                if request.line.contains("/short/") { return ScriptedServer.response(200, [], [1, 2]) }
                return ScriptedServer.response(200, [], Array(repeating: 7, count: 10))
            }
            if request.line.contains("/huge/") {
                return ScriptedServer.response(200, [], Array(repeating: 0x20, count: ImageManifest.maximumSize + 1))
            }
            if request.line.contains("/loop/") {
                return ScriptedServer.response(302, [("Location", "/v2/loop/manifests/1")])
            }
            return ScriptedServer.response(200, [], other)
        }
        defer { registry.stop() }
        let digest = try #require(ImageDigest(LayerBuilder.digest(good)))
        let blob = ImageDescriptor(mediaType: "", digest: digest, size: 10)
        let folder = try TemporaryDirectory()
        func name(_ path: String) throws -> ImageReference { try ImageReference("\(registry.host)/\(path):1") }
        try await Self.client { client in
            #expect(
                await code { _ = try await client.manifest(try name("a").pinned(digest), namespace: "n") }
                    == .invalidImage)
            #expect(await code { _ = try await client.manifest(try name("huge"), namespace: "n") } == .tooLarge)
            #expect(await code { _ = try await client.manifest(try name("loop"), namespace: "n") } == .unavailable)
            for (path, expected) in [
                ("a", ContainerError.Code.invalidImage), ("long", .invalidImage), ("short", .unavailable),
            ] {
                #expect(
                    await code {
                        try await client.download(blob, of: try name(path), namespace: "n", to: folder.file(path))
                    } == expected, "\(path)")
                #expect(!FileManager.default.fileExists(atPath: folder.file(path)), "\(path)")
            }
            #expect(
                await code { _ = try await client.blob(blob, of: try name("a"), namespace: "n", upTo: 5) } == .tooLarge)
        }
    }

    @Test func nobodyThereIsSaidAtOnce() async throws {
        let port = try FreePort.take()
        try await Self.client { client in
            do {
                _ = try await client.manifest(try ImageReference("127.0.0.1:\(port)/a"), namespace: "n")
                Issue.record("somebody answered")
            } catch {
                #expect((error as? ContainerError)?.code == .unavailable && "\(error)".contains("127.0.0.1:\(port)"))
            }
        }
    }
}
