import CloudEvents
import Foundation
import Functions
import Manifest
import TestSupport
import Testing

@testable import Sandboxes

@Suite struct DockerfileTests {
    @Test func theImagesThatItIsBuiltOnAreFound() {
        let cases: [(String, [String])] = [
            ("FROM busybox", ["busybox"]), ("from\tbusybox AS b\nFROM b", ["busybox"]),
            ("# FROM x\n\nFROM --platform=linux/amd64 host:5000/a:1 as one\nCOPY --from=one /a /b", ["host:5000/a:1"]),
            ("FROM a\nCOPY --from=other/image:2 /x /y\nCOPY --from=0 /x /y", ["a", "other/image:2"]),
            ("ARG V=3\nARG BASE=\"h.org/b\"\nFROM ${BASE}:$V", ["h.org/b:3"]),
            ("FROM ${BASE:-fallback}:1", ["fallback:1"]), ("FROM $UNKNOWN", ["$UNKNOWN"]),
            ("FROM scratch\nADD x /", []), ("FROM \\\n  joined:1", ["joined:1"]),
            ("FROM a\nRUN --mount=type=bind,from=tools:1,target=/t /t/x", ["a", "tools:1"]), ("", []), ("FROM", []),
            ("FROM a\nRUN echo FROM b\nRUN cat <<X\nFROM c\nX", ["a", "c"]),
        ]
        for (text, images) in cases { #expect(Dockerfile.images(in: text) == images, "\(text.debugDescription)") }
    }

    @Test func registriesThatMayNotBeUsedAreRefused() throws {
        let folder = try TemporaryDirectory()
        func sources(_ text: String, _ settings: JSONValue) throws -> [String] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file("Dockerfile")))
            let order = ImageBuildOrder(
                namespace: "n", name: "f", content: "c", directory: folder.path, dockerfile: "Dockerfile", pull: .never)
            let settings = try RegistrySettings(settings) { (_) throws(DocumentError) in "" }
            return try Dockerfile.sources(order, settings).map(\.description)
        }
        #expect(try sources("FROM a.org/x:1", [:]) == ["a.org/x:1"])
        #expect(try sources("FROM $X", [:]) == [], "what it comes to the builder knows")
        let only: JSONValue = ["registries": ["a.org": [:]], "only": true]
        #expect(try sources("FROM a.org/x:1", only) == ["a.org/x:1"])
        #expect(throws: ContainerError.self) { try sources("FROM b.org/x:1", only) }
        #expect(throws: ContainerError.self) { try sources("FROM $X", only) }
        #expect(throws: ContainerError.self) { try sources("FROM weir.invalid/xnx/xfx:1", [:]) }
    }

    @Test func aContextIsATarOfTheFolder() throws {
        let folder = try TemporaryDirectory()
        let long = String(repeating: "n", count: 120) + "/" + String(repeating: "m", count: 120)
        for (name, text) in [("Dockerfile", "FROM a"), ("d/e/f", "content"), (long, "long")] {
            let file = URL(fileURLWithPath: folder.file("in/" + name))
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        try BuildContext.write(folder.file("in"), to: folder.file("tar"))
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder.file("tar"))))
        // Read back by the reader of layers, which knows nothing of the writer.
        let bench = try LayerTests.Bench()
        _ = try bench.unpack(bytes)
        #expect(bench.text("Dockerfile") == "FROM a" && bench.text("d/e/f") == "content" && bench.text(long) == "long")
    }
}

@Suite struct EngineChoiceTests {
    @Test func enginesAreNamed() throws {
        #expect(try EngineChoice("auto") == .auto && EngineChoice("none") == EngineChoice.none)
        #expect(try EngineChoice("runsc") == .runtime(.runsc) && EngineChoice("docker") == .docker(socket: nil))
        #expect(try EngineChoice("docker=/run/d.sock") == .docker(socket: "/run/d.sock"))
        #expect(try EngineChoice("podman=unix:///run/p.sock") == .podman(socket: "/run/p.sock"))
    }

    @Test(arguments: ["", "dokcer", "runc=/x", "docker=", "docker=d.sock", "auto=1", "none=x"])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(throws: ContainerError.self) { try EngineChoice(text) }
    }
}

@Suite struct DockerStreamTests {
    @Test(arguments: [1, 3, 8, 9, 1_000])
    func framesAreTakenApartHoweverTheyAreCut(_ size: Int) {
        let bytes: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 3] + Array("out".utf8) + [2, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 3]
            + Array("err".utf8) + [1, 0, 0, 0, 0, 0, 0, 1, 0x0A]
        var stream = DockerStream()
        var (output, errors) = ("", "")
        var position = 0
        while position < bytes.count {
            Array(bytes[position..<min(bytes.count, position + size)]).withUnsafeBytes { piece in
                stream.read(piece) { part, toError in
                    let text = String(decoding: part, as: UTF8.self)
                    if toError { errors += text } else { output += text }
                }
            }
            position += size
        }
        #expect(output == "out\n" && errors == "err")
    }
}
