import CloudEvents
import Foundation
import Glibc
import NIOCore
import TestSupport
import Testing

/// What tests with real containers need.
enum ContainerHost {
    static let engines = ["runc", "crun", "runsc"]

    /// Why it is not there, `nil` when it is.
    static let missing: String? = {
        if let missing = TestRegistry.missing ?? PythonImage.missing { return missing }
        if geteuid() != 0 { return "unpacking images with their owners needs root" }
        let isThere = engines.contains { program($0) != nil }
        return isThere ? nil : "there is neither runc, crun nor runsc (script/setup-tests containers)"
    }()

    static func program(_ name: String) -> String? {
        ["/usr/bin/", "/usr/sbin/"].map { $0 + name }.first { access($0, X_OK) == 0 }
    }
}

/// The whole way through the public API: an image built of a Dockerfile on a base made here, pushed to and pulled from a
/// registry on loopback, run, logged, stopped.
@Suite(.serialized, .enabled(if: ContainerHost.missing == nil, "\(ContainerHost.missing ?? "")"))
struct ContainerServerTests {
    private static func tar(_ files: [(String, String)]) -> [UInt8] {
        var layer = LayerBuilder()
        for (name, text) in files { layer.file(name, text) }
        return layer.tar
    }

    private func invoke(_ client: TestClient, _ function: String, _ arguments: JSONValue) async throws -> JSONValue {
        let answer = try await client.call(
            "POST", "/v1/functions/\(function)/invoke?blocking=true", body: arguments.encoded(), timeout: .seconds(120))
        return answer.json
    }

    @Test(arguments: ContainerHost.engines)
    func aDockerfileIsBuiltRunLoggedAndStopped(_ engine: String) async throws {
        guard ContainerHost.program(engine) != nil else {
            print("skipped: there is no \(engine) on this machine (Debian: \(engine))")
            return
        }
        guard ContainerHost.program("buildah") != nil || ContainerHost.program("podman") != nil else {
            print("skipped: there is neither buildah nor podman on this machine")
            return
        }
        let registry = try await TestRegistry()
        try await registry.push(TestImage([try PythonImage.base()], isPacked: false), "base", tag: "1")
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(
            data: folder.file("data"), arguments: ["--container-engine", engine])
        let client = server.client
        let server2 = String(decoding: try PythonImage.server("action_server.py"), as: UTF8.self)
        let archive = Self.tar([
            (
                "Dockerfile",
                """
                FROM \(registry.host)/base:1
                RUN python3 -c "open('/built', 'w').write('at deploy')"
                COPY server.py action.py /
                CMD ["/usr/bin/python3", "/server.py"]
                """
            ),
            ("server.py", server2),
            (
                "action.py",
                """
                def main(args):
                    print("says", args["x"], flush=True)
                    return {"x": args["x"], "built": open("/built").read()}
                """
            ),
        ])
        try await client.function("f", file: "f.tar", archive, ["dockerfile": "Dockerfile", "memory": "128MiB"])
        let status = try await client.call("GET", "/v1/status").json["containers"]
        #expect(status?["state"]?.string == "ready" && status?["engine"]?.string == engine, "\(status?.text ?? "")")
        let answer = try await invoke(client, "f", ["x": 7])
        #expect(answer["status"]?.string == "success", "\(answer.text)")
        #expect(
            answer["result"]?["x"]?.integer == 7 && answer["result"]?["built"]?.string == "at deploy", "\(answer.text)")
        #expect(answer.text.contains("says 7"), "\(answer.text)")
        // The same again builds nothing and changes nothing.
        let again = try await client.put(
            "/v1/functions/f", TestClient.upload("f.tar", archive, ["dockerfile": "Dockerfile", "memory": "128MiB"]))
        #expect(again.json["outcome"]?.string == "unchanged", "\(again.text)")
        #expect(server.stop() == 0)
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        #expect(!mounts.contains(folder.path), "nothing is mounted any more")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("data/containers/run")).isEmpty)
    }

    @Test func aMovedTagLeavesTheVersionAsItIs() async throws {
        let registry = try await TestRegistry()
        func image(_ text: String) throws -> TestImage {
            try PythonImage.image(
                "action_server.py", files: ["action.py": "def main(args): return {'is': '\(text)'}"])
        }
        try await registry.push(try image("old"), "f", tag: "1")
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(data: folder.file("data"))
        let client = server.client
        let document: JSONValue = ["image": .string("\(registry.host)/f:1"), "memory": "128MiB"]
        try await client.make("functions/f", document)
        #expect(try await invoke(client, "f", [:])["result"]?["is"]?.string == "old")
        try await registry.push(try image("new"), "f", tag: "1")
        #expect(try await invoke(client, "f", [:])["result"]?["is"]?.string == "old")
        try await client.make("functions/f", document)
        #expect(
            try await invoke(client, "f", [:])["result"]?["is"]?.string == "old", "it was there: not asked for again")
        guard case .object(var always) = document else { return }
        always["pull"] = "always"
        try await client.make("functions/f", .object(always))
        #expect(try await invoke(client, "f", [:])["result"]?["is"]?.string == "new")
        let refused = try await client.put("/v1/functions/g", ["image": .string("\(registry.host)/none:1")])
        #expect(refused.status == 422 && refused.text.contains("has not"), "\(refused.text)")
        #expect(server.stop() == 0)
    }

    @Test func withoutAnEngineTheReasonIsGiven() async throws {
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(data: folder.file("data"), arguments: ["--container-engine", "none"])
        let answer = try await server.client.put("/v1/functions/f", ["image": "registry.example.org/x:1"])
        expectProblem(answer, 503, "unavailable", saying: ["--container-engine none"], "an image without an engine")
        #expect(server.stop() == 0)
    }
}
