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

/// One of the engines, running.
struct TestEngine: Sendable {
    let name: String
    /// What the server is told.
    let argument: String
    let daemon: TestDaemon?

    static let daemons = TestDaemon.Kind.allCases.map(\.rawValue)

    /// `nil`, said aloud, when it cannot be had.
    static func start(_ name: String) async throws -> TestEngine? {
        guard let kind = TestDaemon.Kind(rawValue: name) else {
            if ContainerHost.program(name) != nil { return TestEngine(name: name, argument: name, daemon: nil) }
            print("skipped: there is no \(name) on this machine (Debian: \(name))")
            return nil
        }
        if let missing = kind.missing {
            print("skipped: \(missing)")
            return nil
        }
        do {
            let daemon = try await TestDaemon(kind)
            return TestEngine(name: name, argument: "\(name)=\(daemon.socket)", daemon: daemon)
        } catch {
            print("skipped: \(error)")
            return nil
        }
    }
}

/// The whole way through the public API: an image built of a Dockerfile on a base made here, pushed to and pulled from a
/// registry on loopback, run, logged, stopped.
@Suite(.fewAtATime, .serialized, .enabled(if: ContainerHost.missing == nil, "\(ContainerHost.missing ?? "")"))
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

    @Test(arguments: ContainerHost.engines + TestEngine.daemons)
    func aDockerfileIsBuiltRunLoggedAndStopped(_ name: String) async throws {
        guard let engine = try await TestEngine.start(name) else { return }
        defer { engine.daemon?.stop() }
        guard engine.daemon != nil || ContainerHost.program("buildah") != nil || ContainerHost.program("podman") != nil
        else {
            print("skipped: there is neither buildah nor podman on this machine")
            return
        }
        let registry = try await TestRegistry()
        try await registry.push(TestImage([try PythonImage.base()], isPacked: false), "base", tag: "1")
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(
            data: folder.file("data"), arguments: ["--container-engine", engine.argument])
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
        #expect(
            status?["state"]?.string == "ready" && status?["engine"]?.string == engine.name, "\(status?.text ?? "")")
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
        if engine.daemon == nil {
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("data/containers/run")).isEmpty)
        }
    }

    /// Both protocols, by a daemon: an image is fetched, run, logged; a daemon whose server was killed is tidied at the
    /// next start.
    @Test(arguments: TestEngine.daemons) func aDaemonRunsImagesAndIsTidiedAfterACrash(_ name: String) async throws {
        guard let engine = try await TestEngine.start(name), let daemon = engine.daemon else { return }
        defer { daemon.stop() }
        let registry = try await TestRegistry()
        try await registry.push(
            try PythonImage.image(
                "action_server.py",
                files: [
                    "action.py":
                        "def main(args):\n    print('says', args['x'], flush=True)\n    return {'x': args['x']}"
                ]),
            "action", tag: "1")
        try await registry.push(try PythonImage.image("event_server.py"), "events", tag: "1")
        let folder = try TemporaryDirectory("weir-container-server")
        let arguments = ["--container-engine", engine.argument]
        let server = try await ServerProcess(data: folder.file("data"), arguments: arguments)
        for (function, more) in [("action", JSONObject()), ("events", ["protocol": "cloudevents"])] {
            var document: JSONObject = ["image": .string("\(registry.host)/\(function):1"), "memory": "128MiB"]
            for member in more.members { document[member.name] = member.value }
            try await server.client.make("functions/\(function)", .object(document))
            let run = try await invoke(server.client, function, ["x": 3])
            #expect(run["status"]?.string == "success", "\(run.text)")
            if function == "action" { #expect(run.text.contains("says 3"), "\(run.text)") }
        }
        #expect(try await daemon.containers() >= 2)
        server.kill9()
        let next = try await ServerProcess(data: folder.file("data"), arguments: arguments)
        let run = try await invoke(next.client, "action", ["x": 4])
        #expect(run["result"]?["x"]?.integer == 4, "\(run.text)")
        #expect(try await daemon.containers() == 1, "those of the server that was killed are gone")
        #expect(next.stop() == 0)
        #expect(try await daemon.containers() == 0)
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

    @Test(arguments: ContainerHost.engines, ["server", "launcher", "both"])
    func whatIsKilledLeavesNoContainer(_ engine: String, _ victim: String) async throws {
        guard ContainerHost.program(engine) != nil else {
            print("skipped: there is no \(engine) on this machine (Debian: \(engine))")
            return
        }
        let registry = try await TestRegistry()
        let action = """
            import os, time
            def main(args):
                for _ in range(3):
                    if os.fork() == 0:
                        os.setsid()
                        if os.fork() == 0:
                            os.setsid()
                            time.sleep(600)
                        os._exit(0)
                print("up", flush=True)
                time.sleep(args.get("seconds", 0))
                return {"done": True}
            """
        try await registry.push(
            try PythonImage.image("action_server.py", files: ["action.py": action]), "f", tag: "1")
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(
            data: folder.file("data"), arguments: ["--container-engine", engine])
        try await server.client.make(
            "functions/f",
            ["image": .string("\(registry.host)/f:1"), "memory": "128MiB", "timeout": "10m"])
        let first = try await invoke(server.client, "f", [:])
        #expect(first["status"]?.string == "success", "\(first.text)")
        let started = try await server.client.call(
            "POST", "/v1/functions/f/invoke", body: JSONValue.object(["seconds": 600]).encoded())
        try #require((200..<300).contains(started.status), "\(started.text)")
        let isBusy = try await eventually {
            try await server.client.call("GET", "/v1/status").json["workers"]?["running"] == 1
        }
        #expect(isBusy)
        let launchers = Traces.children(of: server.pid).filter { Traces.name(of: $0) == "weir-launcher" }
        let below = Traces.descendants(of: server.pid)
        #expect(below.count >= 3)
        if victim == "both" { kill(server.pid, SIGSTOP) }
        if victim != "server" { for launcher in launchers { kill(launcher, SIGKILL) } }
        if victim != "launcher" { server.kill9() }
        let isGone = try await eventually(within: .seconds(20)) {
            victim == "both" || !below.contains { Traces.isRunning($0) }
        }
        #expect(isGone, "\(below.filter { Traces.isRunning($0) }.map { Traces.name(of: $0) }) still run")
        let last: ServerProcess
        if victim == "launcher" {
            last = server
            let isServed = try await eventually {
                try await invoke(server.client, "f", [:])["status"]?.string == "success"
            }
            #expect(isServed, "no container after the launcher was killed")
        } else {
            last = try await ServerProcess(data: folder.file("data"), arguments: ["--container-engine", engine])
            let isReady = try await eventually {
                try await last.client.call("GET", "/v1/status").json["containers"]?["state"]?.string == "ready"
            }
            #expect(isReady)
        }
        #expect(last.stop() == 0)
        let areGone = try await eventually { !below.contains { Traces.isRunning($0) } }
        #expect(areGone, "\(below.filter { Traces.isRunning($0) }.map { Traces.name(of: $0) }) still run")
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        #expect(!mounts.contains(folder.path), "something is mounted")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("data/containers/run")).isEmpty)
        let groups = Traces.controlGroups().filter { $0.contains("-\(server.pid)-") || $0.contains("-\(last.pid)-") }
        #expect(groups.isEmpty, "\(groups)")
    }

    @Test func withoutAnEngineTheReasonIsGiven() async throws {
        let folder = try TemporaryDirectory("weir-container-server")
        let server = try await ServerProcess(data: folder.file("data"), arguments: ["--container-engine", "none"])
        let answer = try await server.client.put("/v1/functions/f", ["image": "registry.example.org/x:1"])
        expectProblem(answer, 503, "unavailable", saying: ["--container-engine none"], "an image without an engine")
        #expect(server.stop() == 0)
    }
}
