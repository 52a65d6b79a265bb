import CloudEvents
import Foundation
import Manifest
import Persistence
import Synchronization
import TestSupport
import Testing

@testable import Functions

@Suite struct ContainerSpecTests {
    private func message(_ document: JSONValue, filename: String? = nil) -> String? {
        do throws(DocumentError) {
            _ = try FunctionSpec(document, path: "functions.f", filename: filename)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func anImageIsReadAndWrittenOut() throws {
        let spec = try FunctionSpec(["image": "registry.example.org/x/y"])
        #expect(spec.runtime == .container && spec.source == .image)
        #expect(
            spec.document == [
                "image": "registry.example.org/x/y:latest", "protocol": "openwhisk", "port": 8080, "pull": "always",
                "runtime": "container", "timeout": "1m", "memory": "256MiB", "logs": "1MiB", "concurrency": 4,
            ])
        #expect(try FunctionSpec(spec.document) == spec, "the written form reads back the same")
        let tagged = try FunctionSpec(["image": "h.org/x:1", "protocol": "cloudevents", "port": 80, "pull": "never"])
        #expect(tagged.container?.exchange == .cloudEvents && tagged.container?.port == 80)
        #expect(tagged.container?.pull == .never)
        #expect(try FunctionSpec(["image": "h.org/x:1"]).container?.pull == .ifNotPresent)
    }

    @Test func aDockerfileIsReadAndWrittenOut() throws {
        let spec = try FunctionSpec(["file": "f.tar.gz", "dockerfile": "docker/Dockerfile"])
        #expect(spec.runtime == .container && spec.container?.origin == .dockerfile("docker/Dockerfile"))
        #expect(try FunctionSpec(spec.document) == spec, "the written form reads back the same")
    }

    @Test func contradictionsAreErrorsWithAPath() {
        let cases: [(JSONValue, String)] = [
            (
                ["image": "h/x", "dockerfile": "D"],
                "functions.f.dockerfile: a function has either an image or a dockerfile"
            ),
            (["image": "H/..x"], "functions.f.image: "), (["image": ""], "functions.f.image: the image has no name"),
            (["dockerfile": "D"], "functions.f.file: this is required: the archive"),
            (["dockerfile": "../D", "file": "a.zip"], "functions.f.dockerfile: a file inside the archive"),
            (["dockerfile": "/D", "file": "a.zip"], "functions.f.dockerfile: a file inside the archive"),
            (["dockerfile": "D", "file": "a.py"], "functions.f.file: the dockerfile is looked for in an archive"),
            (["dockerfile": "D", "code": "x"], "functions.f.code: the dockerfile is looked for in an archive"),
            (["image": "h/x", "runtime": "python"], "functions.f.runtime: a container's image brings its runtime"),
            (["file": "a.py", "runtime": "container"], "functions.f.runtime: a container needs an image"),
            (["file": "a.py", "port": 80], "functions.f.port: this is for containers only"),
            (["file": "a.py", "pull": "never"], "functions.f.pull: this is for containers only"),
            (["image": "h/x", "port": 0], "functions.f.port"),
            (["image": "h/x", "pull": "sometimes"], "functions.f.pull"),
            (["image": "h/x", "protocol": "grpc"], "functions.f.protocol"),
            (["image": "h/x", "protocol": "cloudevents", "code": "x"], "functions.f.protocol: code beside an image"),
        ]
        for (document, text) in cases {
            let said = message(document)
            #expect(said?.hasPrefix(text) == true, "\(document.text): \(said ?? "accepted")")
        }
    }

    /// Knows images by name and counts what is asked of it.
    private final class FakeImages: ContainerImages {
        let state = Mutex((tags: [String: ImageDigest](), builds: 0, built: [String: PinnedImage]()))

        static func digest(_ digit: String) -> ImageDigest? {
            ImageDigest(hexadecimal: String(repeating: digit, count: 64))
        }

        func pin(
            _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
        ) async throws(FunctionError) -> PinnedImage {
            guard let digest = state.withLock({ $0.tags[image.description] }) else {
                throw FunctionError(.image, "\(image) is not there")
            }
            return PinnedImage(repository: image.repository, digest: digest)
        }

        func build(_ order: ImageBuildOrder) async throws(FunctionError) -> PinnedImage {
            if let known = await built(order) { return known }
            return state.withLock { state in
                state.builds += 1
                let image = PinnedImage(
                    repository: "built/x", digest: Self.digest("\(state.builds % 10)").unsafelyUnwrapped)
                state.built[order.content] = image
                return image
            }
        }

        func built(_ order: ImageBuildOrder) async -> PinnedImage? { state.withLock { $0.built[order.content] } }
    }

    private func house(_ images: FakeImages?) throws -> (TemporaryDirectory, FunctionRepository, CodeStore) {
        let folder = try TemporaryDirectory()
        let registry = try Registry(try Database(path: folder.file("weir.db")))
        let store = try CodeStore(path: folder.file("code"))
        let writer = RegistryWriter(registry, now: { 1 })
        return (folder, FunctionRepository(registry, writer, store, images: images), store)
    }

    @Test func aVersionHoldsTheDigestAndNotTheTag() async throws {
        let images = FakeImages()
        images.state.withLock { $0.tags["h.org/x:1"] = FakeImages.digest("a") }
        let (folder, functions, _) = try house(images)
        defer { withExtendedLifetime(folder) {} }
        let upload = FunctionUpload(spec: ["image": "h.org/x:1"], code: [], filename: "")
        let first = try await functions.put(namespace: "n", name: "f", upload).version
        #expect(
            first.container?.repository == "h.org/x" && first.container?.digest == FakeImages.digest("a")?.description)
        #expect(first.codeDirectory.isEmpty && first.entry.isEmpty)
        // The tag moves: the version stays what it was, and the next put makes another.
        images.state.withLock { $0.tags["h.org/x:1"] = FakeImages.digest("b") }
        #expect(functions.version(namespace: "n", name: "f", digest: nil) == first)
        let preview = try await functions.preview(namespace: "n", name: "f", upload)
        #expect(preview.digest != first.digest)
        let second = try await functions.put(namespace: "n", name: "f", upload).version
        #expect(second.digest == preview.digest && second.container?.digest == FakeImages.digest("b")?.description)
        #expect(functions.version(namespace: "n", name: "f", digest: first.digest) == first)
        try await functions.collectGarbage()
    }

    @Test func anImageIsBuiltOnceForTheSameArchive() async throws {
        let images = FakeImages()
        let (folder, functions, store) = try house(images)
        defer {
            CodeStore.remove(store.path)
            withExtendedLifetime(folder) {}
        }
        func upload(_ text: String, _ dockerfile: String = "Dockerfile") -> FunctionUpload {
            var tar = TarBuilder()
            tar.add("Dockerfile", text)
            return FunctionUpload(
                spec: ["file": "f.tar", "dockerfile": .string(dockerfile)], code: tar.build(), filename: "f.tar")
        }
        let first = try await functions.put(namespace: "n", name: "f", upload("FROM a")).version
        guard case .unchanged = try await functions.put(namespace: "n", name: "f", upload("FROM a")).change else {
            Issue.record("the same again is no change")
            return
        }
        #expect(images.state.withLock { $0.builds } == 1)
        let preview = try await functions.preview(namespace: "n", name: "f", upload("FROM b"))
        #expect(preview.digest != first.digest && images.state.withLock { $0.builds } == 1, "a dry run builds nothing")
        await #expect(throws: FunctionError.self) {
            try await functions.put(namespace: "n", name: "f", upload("FROM a", "other/Dockerfile"))
        }
    }

    @Test func withoutAnEngineAnImageIsRefused() async throws {
        let (folder, functions, _) = try house(nil)
        defer { withExtendedLifetime(folder) {} }
        do {
            try await functions.put(
                namespace: "n", name: "f", FunctionUpload(spec: ["image": "h.org/x:1"], code: [], filename: ""))
            Issue.record("was accepted")
        } catch {
            #expect(error.code == .unavailable)
        }
    }
}
