import CloudEvents
import Foundation
import Functions
import Logging
import Sandboxes
import Staging
import Synchronization
import Testing
import TestSupport

@testable import Invocation

/// An invoker with functions written by the test, in folders of its own.
final class InvocationFixture: FunctionCatalog {
    let directory: TemporaryDirectory
    let launcher: Launcher
    let invoker: FunctionInvoker
    let interpreters: Interpreters
    let logger: Logger
    let notices: Notices
    private let versions: Versions

    /// Log lines as they came.
    final class Notices: Sendable {
        private let lines = Mutex<[LogNotice]>([])
        var all: [LogNotice] { lines.withLock { $0 } }
        func add(_ notice: LogNotice) { lines.withLock { $0.append(notice) } }
    }

    final class Versions: FunctionCatalog {
        let known = Mutex<[String: FunctionVersion]>([:])
        func version(namespace: String, name: String, digest: String?) -> FunctionVersion? {
            known.withLock { $0[name] }
        }
    }

    static var python: String? {
        ["/usr/bin/python3", "/usr/local/bin/python3"].first { FileManager.default.isExecutableFile(atPath: $0) }
    }
    static var hasPython: Bool { python != nil }
    static var node: String? {
        ["/usr/bin/node", "/usr/local/bin/node"].first { FileManager.default.isExecutableFile(atPath: $0) }
    }
    static var hasNode: Bool { node != nil }
    static var hasSwift: Bool {
        FileManager.default.isExecutableFile(atPath: InvocationConfiguration.defaultSwift)
    }

    /// Workers are isolated as well as this host does it; they see the fixture's folder, and may write there.
    init(
        maximumWorkers: Int = 8, idleGrace: Int64 = 60_000, frameCalls: Int = 256, isolation maximum: Int = 3,
        stems: StemPolicy = StemPolicy(floor: 0, maximum: 0),
        mounts: (TemporaryDirectory) -> [StorageMount] = { _ in [] },
        configure: (inout InvocationConfiguration) -> Void = { _ in }
    ) async throws {
        directory = try TemporaryDirectory("invocation")
        let path = try #require(
            LauncherLocation.beside(), "weir-launcher must lie beside the test bundle: build the whole package")
        logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        launcher = try Launcher(.init(path: path), logger: logger)
        let runners = try RunnerFiles.install(in: directory.file("runtimes"))
        interpreters = Interpreters(launcher: launcher, runners: runners, logger: logger)
        await launcher.prepare(minimum: 0, maximum: maximum)
        chmod(directory.path, 0o777)
        var configuration = InvocationConfiguration(
            python: Self.python ?? "/usr/bin/python3", node: Self.node ?? "/usr/bin/node", runners: runners,
            maximumWorkers: maximumWorkers,
            idleGrace: idleGrace, frameCalls: frameCalls)
        configuration.visible = { [path = directory.path] _ in
            [SandboxMount(source: path, target: path, isReadOnly: false)]
        }
        // Processes that nobody asked for would be found by tests that count processes.
        configuration.stems = stems
        configure(&configuration)
        versions = Versions()
        notices = Notices()
        let notices = notices
        invoker = FunctionInvoker(
            configuration, catalog: versions, launcher: launcher, logger: logger,
            surroundings: Surroundings(
                staging: try Staging(MountTable(mounts(directory)), directory: directory.file("staging"))),
            onLogLine: { notices.add($0) })
    }

    /// All processes below the launcher, by the host's numbers.
    var processes: [Int32] { launcher.processID.map { descendants(of: $0) } ?? [] }

    /// An empty file in which every worker may write, whatever its user.
    func record(_ name: String) throws -> String {
        let path = directory.file(name)
        try write("", to: path)
        chmod(path, 0o666)
        return path
    }

    func version(namespace: String, name: String, digest: String?) -> FunctionVersion? {
        versions.version(namespace: namespace, name: name, digest: digest)
    }

    /// Changes a function that was added.
    func change(_ name: String, _ body: (inout FunctionVersion) -> Void) {
        versions.known.withLock { known in
            guard var version = known[name] else { return }
            body(&version)
            // Another version: workers of the old one are not used for it.
            version.digest = UUID().uuidString
            known[name] = version
        }
    }

    /// Adds a function of one Python file.
    @discardableResult
    func python(
        _ name: String, _ source: String, handler: String? = nil, parameters: JSONObject = [:],
        environment: [FunctionVersion.EnvironmentVariable] = [], staging: FunctionStaging = FunctionStaging(),
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) throws -> FunctionReference {
        try add(name, .python, "\(name).py", source, handler, parameters, environment, staging, change)
    }

    /// Adds a function of one JavaScript file.
    @discardableResult
    func javaScript(
        _ name: String, _ source: String, file: String? = nil, handler: String? = nil, parameters: JSONObject = [:],
        environment: [FunctionVersion.EnvironmentVariable] = [],
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) throws -> FunctionReference {
        try add(
            name, .nodejs, file ?? "\(name).js", source, handler, parameters, environment, FunctionStaging(), change)
    }

    /// Adds a function of Swift sources, which are still to be built.
    func swift(_ name: String, _ files: [String: String]) throws -> FunctionReference {
        let entry = try #require(files.keys.sorted().first)
        let function = try add(name, .swift, entry, files[entry] ?? "", nil, [:], [], FunctionStaging(), { _ in })
        for (path, content) in files where path != entry { try add(path, content, to: function) }
        return function
    }

    /// Adds a function that is a program with a `#!` line.
    @discardableResult
    func program(
        _ name: String, _ source: String, parameters: JSONObject = [:], staging: FunctionStaging = FunctionStaging(),
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) throws -> FunctionReference {
        try add(name, .executable, name, source, nil, parameters, [], staging, change)
    }

    private func add(
        _ name: String, _ runtime: FunctionVersion.Runtime, _ entry: String, _ source: String, _ handler: String?,
        _ parameters: JSONObject, _ environment: [FunctionVersion.EnvironmentVariable], _ staging: FunctionStaging,
        _ change: (inout FunctionVersion.Limits) -> Void
    ) throws -> FunctionReference {
        let digest = UUID().uuidString
        let folder = directory.file("code-\(digest)")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = folder + "/" + entry
        try Data(source.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        var limits = FunctionVersion.Limits()
        limits.timeout = 30_000
        change(&limits)
        let version = FunctionVersion(
            namespace: "default", name: name, digest: digest, runtime: runtime, entry: entry, handler: handler,
            codeDirectory: folder, parameters: parameters, environment: environment, limits: limits,
            staging: staging)
        versions.known.withLock { $0[name] = version }
        return FunctionReference(namespace: "default", name: name)
    }

    /// Puts another file beside a function's code.
    func add(_ path: String, _ content: String, to function: FunctionReference) throws {
        let version = try #require(self.version(namespace: function.namespace, name: function.name, digest: nil))
        let file = URL(fileURLWithPath: version.codeDirectory + "/" + path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content.utf8).write(to: file)
    }

    /// How many stems of a kind wait.
    func waitingStems(_ flavour: String) -> Int {
        invoker.state.withLock { $0.machine.stems.flavours[flavour]?.ready.count ?? 0 }
    }

    func call(_ function: FunctionReference, _ arguments: JSONObject = [:]) async -> Activation {
        await invoker.invoke(function, call: FunctionCall(input: .arguments(arguments)))
    }

    func call(_ function: FunctionReference, events: [CloudEvent]) async -> [Activation] {
        await invoker.invoke(
            function,
            calls: events.map {
                FunctionCall(
                    input: .event(EventRecord($0)), cause: .init(eventID: $0.id), idempotencyKey: "key-\($0.id)")
            })
    }
}

/// Runs a test with a fixture, which is stopped whatever happens.
func withInvoker(
    maximumWorkers: Int = 8, idleGrace: Int64 = 60_000, frameCalls: Int = 256, isolation: Int = 3,
    stems: StemPolicy = StemPolicy(floor: 0, maximum: 0),
    mounts: (TemporaryDirectory) -> [StorageMount] = { _ in [] },
    configure: (inout InvocationConfiguration) -> Void = { _ in },
    _ body: (InvocationFixture) async throws -> Void
) async throws {
    let fixture = try await InvocationFixture(
        maximumWorkers: maximumWorkers, idleGrace: idleGrace, frameCalls: frameCalls, isolation: isolation,
        stems: stems, mounts: mounts, configure: configure)
    do {
        try await body(fixture)
    } catch {
        await fixture.invoker.stop()
        throw error
    }
    await fixture.invoker.stop()
}

func descendants(of pid: Int32) -> [Int32] {
    var found = children(of: pid)
    var index = 0
    while index < found.count {
        found += children(of: found[index])
        index += 1
    }
    return found
}

/// Waits until a condition holds; fails after ten seconds. There is no event to wait for when a process is to vanish.
func eventually(_ what: String, _ condition: () -> Bool) async {
    for _ in 0..<1_000 {
        if condition() { return }
        try? await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("never came true: \(what)")
}

func isAlive(_ pid: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
}

extension Activation {
    var json: JSONValue { (try? JSONValue(parsing: result)) ?? .null }
    var errorText: String { json["error"]?.string ?? "" }
    var logText: [String] { logs.map(\.text) }
}

func event(_ id: String, type: String = "test.happened", data: CloudEvent.Payload? = nil) -> CloudEvent {
    CloudEvent(
        id: id, source: "file://host", type: type, subject: "/data/\(id)",
        extensions: [.init(name: "filesize", value: .integer(7))], data: data)
}

func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}
