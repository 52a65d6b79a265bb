import AsyncHTTPClient
import CloudEvents
import Foundation
import Functions
import Glibc
import TestSupport
import Testing

@testable import Sandboxes

@Suite(.fewAtATime, .enabled(if: TestRegistry.missing == nil, "\(TestRegistry.missing ?? "")"))
struct ImageStoreTests {
    private static func layer(_ name: String, _ text: String) -> [UInt8] {
        var layer = LayerBuilder()
        layer.file(name, text)
        return layer.tar
    }

    private static let base = layer("base", "lower")
    private static let ownership: LayerOwnership = geteuid() == 0 ? .shifted(by: 1_000_000, count: 65_536) : .own

    private func code(_ body: () async throws -> Void) async -> ContainerError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ContainerError)?.code
        }
    }

    private func store(
        _ folder: TemporaryDirectory, _ settings: JSONValue = [:], limits: LayerLimits = LayerLimits(),
        body: (ImageStore) async throws -> Void
    ) async throws {
        try await RegistryClientTests.client(settings) { client in
            try await body(
                try ImageStore(
                    path: folder.file("images"), registry: client, ownership: Self.ownership, limits: limits))
        }
    }

    @Test func anImageIsFetchedOnceAndSharesItsLayers() async throws {
        let registry = try await TestRegistry()
        let folder = try TemporaryDirectory()
        try await registry.push(TestImage([Self.base, Self.layer("a", "1")], config: ["Cmd": ["/a"]]), "a", tag: "1")
        try await registry.push(TestImage([Self.base, Self.layer("b", "2")]), "b", tag: "1")
        try await store(folder) { store in
            let a = try await store.pin(try ImageReference("\(registry.host)/a:1"), pull: .ifNotPresent, namespace: "n")
            let b = try await store.pin(try ImageReference("\(registry.host)/b:1"), pull: .ifNotPresent, namespace: "n")
            let (first, second) = (
                try await store.unpacked(a, namespace: "n"), try await store.unpacked(b, namespace: "n")
            )
            #expect(
                first.layers.count == 2 && first.layers[0] == second.layers[0] && first.layers[1] != second.layers[1])
            #expect(first.configuration.arguments == ["/a"])
            #expect(try String(contentsOfFile: first.layers[1] + "/a", encoding: .utf8) == "1")
        }
        // A new server, and the registry is gone.
        registry.stop()
        try await store(folder) { store in
            let name = try ImageReference("\(registry.host)/a:1")
            let a = try await store.pin(name, pull: .ifNotPresent, namespace: "n")
            #expect(try await store.pin(name, pull: .never, namespace: "n") == a)
            #expect(await code { _ = try await store.pin(name, pull: .always, namespace: "n") } == .unavailable)
            #expect(
                await code {
                    _ = try await store.pin(try ImageReference("\(registry.host)/c:1"), pull: .never, namespace: "n")
                } == .notFound)
            await store.collect(keeping: [a.digest])
            #expect(try await store.unpacked(a, namespace: "n").layers.count == 2)
            #expect(
                await code {
                    _ = try await store.pin(try ImageReference("\(registry.host)/b:1"), pull: .never, namespace: "n")
                } == .notFound)
            await store.collect(keeping: [])
            #expect(await code { _ = try await store.unpacked(a, namespace: "n") } != nil)
        }
        for name in ["manifests", "layers", "configurations", "names", "incoming"] {
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.file("images/" + name)).isEmpty, "\(name)")
        }
    }

    @Test func aTagThatMovesIsFollowedOnlyWhenAsked() async throws {
        let registry = try await TestRegistry()
        let folder = try TemporaryDirectory()
        let name = try ImageReference("\(registry.host)/a:1")
        let old = try await registry.push(TestImage([Self.base]), "a", tag: "1")
        try await store(folder) { store in
            #expect(try await store.pin(name, pull: .ifNotPresent, namespace: "n").digest.description == old)
            let new = try await registry.push(TestImage([Self.base, Self.layer("x", "y")]), "a", tag: "1")
            #expect(new != old)
            #expect(try await store.pin(name, pull: .ifNotPresent, namespace: "n").digest.description == old)
            #expect(try await store.pin(name, pull: .always, namespace: "n").digest.description == new)
            #expect(try await store.pin(name, pull: .ifNotPresent, namespace: "n").digest.description == new)
            let byDigest = try ImageReference("\(registry.host)/a@\(old)")
            #expect(try await store.pin(byDigest, pull: .never, namespace: "n").digest.description == old)
        }
    }

    @Test func ofAnIndexTheImageOfThisMachineIsTaken() async throws {
        let registry = try await TestRegistry()
        let folder = try TemporaryDirectory()
        let host = ImagePlatform.host
        func entry(_ image: TestImage, _ architecture: String) -> JSONValue {
            guard case .object(var entry) = TestImage.descriptor(TestImage.manifestType, image.manifest) else {
                return [:]
            }
            entry["platform"] = ["os": "linux", "architecture": .string(architecture)]
            return .object(entry)
        }
        let mine = TestImage([Self.base], architecture: host.architecture)
        let other = TestImage([Self.layer("o", "o")], architecture: "s390x")
        try await registry.push(mine, "a", tag: "mine")
        try await registry.push(other, "a", tag: "other")
        let both: JSONValue = [
            "schemaVersion": 2, "mediaType": .string(TestImage.indexType),
            "manifests": [entry(other, "s390x"), entry(mine, host.architecture)],
        ]
        let none: JSONValue = [
            "schemaVersion": 2, "mediaType": .string(TestImage.indexType), "manifests": [entry(other, "s390x")],
        ]
        try await registry.push(manifest: both.encoded(), TestImage.indexType, "a", "both")
        try await registry.push(manifest: none.encoded(), TestImage.indexType, "a", "none")
        try await store(folder) { store in
            let pinned = try await store.pin(
                try ImageReference("\(registry.host)/a:both"), pull: .always, namespace: "n")
            #expect(pinned.digest.description == LayerBuilder.digest(both.encoded()), "the list itself is pinned")
            #expect(try await store.unpacked(pinned, namespace: "n").manifests.count == 2)
            for tag in ["none", "other"] {
                #expect(
                    await code {
                        _ = try await store.pin(
                            try ImageReference("\(registry.host)/a:\(tag)"), pull: .always, namespace: "n")
                    } == .invalidImage)
            }
        }
    }

    @Test func anImageThatLiesLeavesNothing() async throws {
        let registry = try await TestRegistry()
        let folder = try TemporaryDirectory()
        var lying = TestImage([Self.base, Self.layer("x", "y")])
        lying.claimed[1] =
            lying.claimed[0].replacingOccurrences(of: "sha256:", with: "sha256:0").dropLast(1).description
        try await registry.push(lying, "lying", tag: "1")
        var escaping = LayerBuilder()
        escaping.file("../../../escaped", "x")
        try await registry.push(TestImage([escaping.tar]), "escaping", tag: "1")
        var short = TestImage([Self.base, Self.layer("x", "y")])
        short.claimed.removeLast()
        try await registry.push(short, "short", tag: "1")
        try await store(folder) { store in
            for name in ["lying", "escaping", "short"] {
                #expect(
                    await code {
                        _ = try await store.pin(
                            try ImageReference("\(registry.host)/\(name):1"), pull: .always, namespace: "n")
                    } == .invalidImage, "\(name)")
            }
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("images/layers"))
        #expect(left.allSatisfy { !$0.hasPrefix(".") } && left.count <= 1, "\(left)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("images/incoming")).isEmpty)
    }

    @Test func whatOneNamespaceFetchedWithItsCredentialsIsNotAnothers() async throws {
        let registry = try await TestRegistry(needsPassword: true)
        let folder = try TemporaryDirectory()
        let digest = try await registry.push(TestImage([Self.base]), "a", tag: "1")
        let settings: JSONValue = [
            "registries": .object([
                registry.host: ["username": "robot", "password": "secret", "namespaces": ["owner"]]
            ])
        ]
        try await store(folder, settings) { store in
            let name = try ImageReference("\(registry.host)/a:1")
            _ = try await store.pin(name, pull: .ifNotPresent, namespace: "owner")
            #expect(try await store.pin(name, pull: .never, namespace: "owner").digest.description == digest)
            for image in [name, try ImageReference("\(registry.host)/a@\(digest)")] {
                #expect(
                    await code { _ = try await store.pin(image, pull: .ifNotPresent, namespace: "thief") }
                        == .unauthorized)
                #expect(await code { _ = try await store.pin(image, pull: .never, namespace: "thief") } == .notFound)
            }
        }
    }

    @Test func manyWhoWantTheSameWaitForOne() async throws {
        let registry = try await TestRegistry()
        let folder = try TemporaryDirectory()
        try await registry.push(TestImage([Self.base, Self.layer("x", "y")]), "a", tag: "1")
        try await store(folder) { store in
            let name = try ImageReference("\(registry.host)/a:1")
            try await withThrowingTaskGroup(of: PinnedImage.self) { group in
                for _ in 0..<16 { group.addTask { try await store.pin(name, pull: .ifNotPresent, namespace: "n") } }
                var digests: Set<ImageDigest> = []
                for try await pinned in group { digests.insert(pinned.digest) }
                #expect(digests.count == 1)
            }
        }
    }

    @Test func whatWasOnItsWayIsClearedAtTheNextStart() async throws {
        let folder = try TemporaryDirectory()
        try await store(folder) { _ in }
        let files = FileManager.default
        try files.createDirectory(atPath: folder.file("images/layers/.half/deep"), withIntermediateDirectories: true)
        _ = files.createFile(atPath: folder.file("images/layers/.half/deep/f"), contents: Data())
        _ = files.createFile(atPath: folder.file("images/incoming/left"), contents: Data())
        _ = files.createFile(atPath: folder.file("images/incoming/kept.part"), contents: Data())
        try await store(folder) { _ in }
        #expect(try files.contentsOfDirectory(atPath: folder.file("images/layers")).isEmpty)
        #expect(try files.contentsOfDirectory(atPath: folder.file("images/incoming")) == ["kept.part"])
    }
}
