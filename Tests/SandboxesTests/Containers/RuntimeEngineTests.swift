import CloudEvents
import Foundation
import Functions
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Sandboxes

/// Waits until a condition holds that nothing announces; a minute at most.
func waitAtMost(_ what: String, _ condition: () async -> Bool) async {
    let deadline = ContinuousClock.now + .seconds(60)
    while !(await condition()) {
        guard ContinuousClock.now < deadline else {
            Issue.record("never came: \(what)")
            return
        }
        try? await Task.sleep(for: .milliseconds(5))
    }
}

/// What a container told, and a way to wait for it.
final class ContainerWitness: ContainerHandler {
    struct Seen {
        var output = ""
        var errors = ""
        var end: WorkerEnd?
    }

    private let state = Mutex(Seen())
    var seen: Seen { state.withLock { $0 } }

    func containerStarted(_ container: any RunningContainer) {}

    func container(_ container: any RunningContainer, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        let text = String(decoding: bytes, as: UTF8.self)
        state.withLock { if toError { $0.errors += text } else { $0.output += text } }
    }

    func container(_ container: any RunningContainer, ended end: WorkerEnd) { state.withLock { $0.end = end } }

    func end() async -> WorkerEnd? {
        await waitAtMost("the container's end") { self.seen.end != nil }
        return seen.end
    }
}

extension RunningContainer {
    /// Asks what listens inside; waits until it does. The answer as it came, `nil` when the container ended first.
    func ask(_ request: String, _ witness: ContainerWitness) async throws -> String? {
        var connection: Int32?
        await waitAtMost("somebody listens in the container") {
            connection = try? self.connect()
            return connection != nil || witness.seen.end != nil
        }
        guard let connection else { return nil }
        defer { close(connection) }
        _ = fcntl(connection, F_SETFL, 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var text = Array(request.utf8)
        write(connection, &text, text.count)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }
}

/// What tests with real containers need.
enum ContainerTests {
    /// Why it is not there, `nil` when it is.
    static let missing: String? = {
        if let missing = TestRegistry.missing ?? PythonImage.missing { return missing }
        return LauncherLocation.beside() == nil ? "weir-launcher is not beside the tests: build the whole package" : nil
    }()
}

@Suite(.fewAtATime, .serialized, .enabled(if: ContainerTests.missing == nil, "\(ContainerTests.missing ?? "")"))
struct RuntimeEngineTests {
    static let kinds = OCIRuntime.Kind.allCases

    /// Runs a body with an engine of a kind in a folder of its own, and looks that nothing is left.
    func withEngine(
        _ kind: OCIRuntime.Kind, _ body: (RuntimeEngine, TestRegistry) async throws -> Void
    ) async throws {
        guard let runtime = OCIRuntime(kind) else {
            print("skipped: there is no \(kind.rawValue) on this machine (Debian: \(kind.rawValue))")
            return
        }
        let helper = try #require(LauncherLocation.beside())
        let folder = try TemporaryDirectory("weir-engine")
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let launcher = try Launcher(.init(path: helper), logger: logger)
        let report = await launcher.prepare(minimum: 0)
        #expect(report.level > 0)
        let registry = try await TestRegistry()
        try await RegistryClientTests.client { client in
            let images = try ImageStore(
                path: folder.file("images"), registry: client,
                ownership: geteuid() == 0 ? .shifted(by: 1_000_000, count: 65_536) : .own)
            let engine = try RuntimeEngine(
                runtime, images: images, launcher: launcher, helper: helper, folder: folder.file("run"), builder: nil,
                logger: logger)
            do {
                try await body(engine, registry)
            } catch {
                await engine.stop()
                await launcher.stop()
                throw error
            }
            await engine.stop()
            await launcher.stop()
        }
        await waitAtMost("the containers' folders are gone") { ImageFiles.names(folder.file("run")).isEmpty }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        #expect(!mounts.contains("weir-container"), "nothing is mounted where others see it")
    }

    func start(
        _ engine: RuntimeEngine, _ registry: TestRegistry, _ image: TestImage, environment: [String] = [],
        memory: Int64 = 128 << 20, port: Int = 8080
    ) async throws -> (any RunningContainer, ContainerWitness) {
        try await registry.push(image, "test", tag: "1")
        let pinned = try await engine.pin(
            try ImageReference("\(registry.host)/test:1"), pull: .always, namespace: "n")
        let witness = ContainerWitness()
        let container = engine.start(
            ContainerSpecification(
                image: pinned, namespace: "n", function: "n/f", environment: environment, memory: memory, port: port),
            handler: witness)
        return (container, witness)
    }

    private static let get = "POST / HTTP/1.0\r\nce-id: 1\r\nce-type: t\r\nContent-Length: 0\r\n\r\n"

    @Test(arguments: kinds)
    func aServerOfAnImageIsReachedAndHeard(_ kind: OCIRuntime.Kind) async throws {
        try await withEngine(kind) { engine, registry in
            let image = try PythonImage.image(
                "event_server.py", config: ["Env": ["A=image", "B=image"], "User": "web"])
            let (container, witness) = try await start(engine, registry, image, environment: ["B=own"])
            let answer = try await container.ask(Self.get, witness)
            let text = try #require(answer, "\(witness.seen)")
            #expect(text.hasPrefix("HTTP/1.1 200"), "\(text)")
            let body = try JSONValue(parsing: String(text.components(separatedBy: "\r\n\r\n").last ?? ""))
            #expect(body["environment"]?["A"]?.string == "image" && body["environment"]?["B"]?.string == "own")
            #expect(body["environment"]?["HOME"]?.string == "/tmp" && body["user"]?.integer == 1000)
            await waitAtMost("its log") { witness.seen.output.contains("event 1 of t\n") }
            container.kill()
            guard case .exited(let record)? = await witness.end() else {
                Issue.record("\(witness.seen)")
                return
            }
            #expect(record.signal == SIGKILL || record.status != 0, "\(record)")
        }
    }

    @Test(arguments: kinds)
    func theEndOfTheProgramIsTheEndOfTheContainer(_ kind: OCIRuntime.Kind) async throws {
        try await withEngine(kind) { engine, registry in
            var image = try PythonImage.image("event_server.py")
            image.config["Cmd"] = ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]
            let (_, witness) = try await start(engine, registry, image)
            guard case .exited(let record)? = await witness.end() else {
                Issue.record("\(witness.seen)")
                return
            }
            #expect(record.status == 7)
            #expect(witness.seen.output == "out\n" && witness.seen.errors.contains("err\n"))
        }
    }

    /// The runtime stands still while the container writes and ends: what it has not handed over by then must still come.
    @Test(arguments: kinds)
    func whatAFinishedContainerWroteComesBeforeItsEnd(_ kind: OCIRuntime.Kind) async throws {
        try await withEngine(kind) { engine, registry in
            var image = try PythonImage.image("event_server.py")
            let program = """
                import os, socket
                server = socket.create_server(("127.0.0.1", 8080))
                client = server.accept()[0]
                client.recv(1)
                os.write(2, b"." * 50000 + b"last words")
                client.send(b"x")
                client.recv(1)
                """
            image.config["Cmd"] = ["/usr/bin/python3", "-c", .string(program)]
            let (container, witness) = try await start(engine, registry, image)
            var connection: Int32?
            await waitAtMost("somebody listens in the container") {
                connection = try? container.connect()
                return connection != nil || witness.seen.end != nil
            }
            let socket = try #require(connection, "\(witness.seen)")
            defer { close(socket) }
            _ = fcntl(socket, F_SETFL, 0)
            // The system of runsc runs in such a process too, and answers nothing while that stands.
            let runtimes = kind == .runsc ? [] : try processes(of: #require(container as? RuntimeContainer).id)
            #expect(kind == .runsc || !runtimes.isEmpty)
            for one in runtimes { kill(one, SIGSTOP) }
            var byte: UInt8 = 0
            #expect(write(socket, &byte, 1) == 1 && read(socket, &byte, 1) == 1)
            container.finish()
            #expect(read(socket, &byte, 1) <= 0)
            for one in runtimes { kill(one, SIGCONT) }
            #expect(await witness.end() != nil)
            #expect(witness.seen.errors.hasSuffix("last words"), "\(witness.seen.errors.count)")
        }
    }

    /// Those of a container's runtime: its name stands among their arguments.
    private func processes(of id: String) throws -> [pid_t] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter { pid in
            let arguments = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            return String(decoding: arguments, as: UTF8.self).split(separator: "\0").contains { $0 == id }
        }
    }

    @Test(arguments: kinds)
    func whatCannotBeStartedSaysWhy(_ kind: OCIRuntime.Kind) async throws {
        try await withEngine(kind) { engine, registry in
            var image = try PythonImage.image("event_server.py")
            image.config["Cmd"] = ["/no/such/program"]
            let (_, witness) = try await start(engine, registry, image)
            let end = await witness.end()
            guard case .exited(let record)? = end else {
                Issue.record("\(String(describing: end))")
                return
            }
            #expect(record.status != 0 && witness.seen.errors.contains("/no/such/program"), "\(witness.seen)")
            image.config["Cmd"] = .null
            let (_, second) = try await start(engine, registry, image)
            guard case .notStarted(let error)? = await second.end() else {
                Issue.record("an image without a command was started")
                return
            }
            #expect(error.message.contains("neither an entry point nor a command"))
        }
    }
}
