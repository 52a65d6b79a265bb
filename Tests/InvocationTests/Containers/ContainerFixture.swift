import AsyncHTTPClient
import CloudEvents
import Foundation
import Functions
import Glibc
import Logging
import Manifest
import Sandboxes
import Synchronization
import TestSupport
import Testing

@testable import Invocation

/// An invoker whose functions are containers of a real engine, images from a registry of its own.
final class ContainerFixture: FunctionCatalog {
    let folder: TemporaryDirectory
    let registry: TestRegistry
    let launcher: Launcher
    let engines: ContainerEngines
    let invoker: FunctionInvoker
    let http: HTTPClient
    private let versions = Versions()

    final class Versions: FunctionCatalog {
        let known = Mutex<[String: FunctionVersion]>([:])
        func version(namespace: String, name: String, digest: String?) -> FunctionVersion? {
            known.withLock { $0[name] }
        }
    }

    /// Why tests with containers cannot run here, `nil` when they can.
    static let missing: String? = {
        if let missing = TestRegistry.missing ?? PythonImage.missing { return missing }
        if LauncherLocation.beside() == nil { return "weir-launcher is not beside the tests: build the whole package" }
        return first == nil ? "there is neither runc, crun nor runsc on this machine" : nil
    }()

    static let first = OCIRuntime.Kind.allCases.lazy.compactMap { OCIRuntime($0) }.first?.kind

    init(_ kind: OCIRuntime.Kind, maximumWorkers: Int = 4) async throws {
        folder = try TemporaryDirectory("weir-containers")
        registry = try await TestRegistry()
        let helper = try #require(LauncherLocation.beside())
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let launcher = try Launcher(.init(path: helper), logger: logger)
        self.launcher = launcher
        await launcher.prepare(minimum: 0)
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: RegistryClient.clientConfiguration)
        self.http = http
        let folder = folder
        engines = ContainerEngines([
            .init(kind.rawValue) { () async throws(ContainerError) in
                guard let runtime = OCIRuntime(kind) else { throw ContainerError(.unavailable, "there is none") }
                let images = try ImageStore(
                    path: folder.file("images"), registry: RegistryClient(http: http, settings: RegistrySettings()),
                    ownership: geteuid() == 0 ? .shifted(by: 1_000_000, count: 65_536) : .own)
                return try RuntimeEngine(
                    runtime, images: images, launcher: launcher, helper: helper, folder: folder.file("run"),
                    builder: nil, logger: logger)
            }
        ])
        var configuration = InvocationConfiguration(
            runners: try RunnerFiles.install(in: folder.file("runtimes")), maximumWorkers: maximumWorkers)
        configuration.answerLimit = 1 << 20
        invoker = FunctionInvoker(
            configuration, catalog: versions, launcher: launcher, logger: logger, containers: engines)
    }

    func version(namespace: String, name: String, digest: String?) -> FunctionVersion? {
        versions.version(namespace: namespace, name: name, digest: digest)
    }

    func stop() async {
        await invoker.stop()
        try? await http.shutdown()
    }

    /// Adds a function that is an image, pinned now.
    func add(
        _ name: String, _ image: TestImage, _ exchange: FunctionVersion.Container.Exchange, code: String? = nil,
        parameters: JSONObject = [:], environment: [FunctionVersion.EnvironmentVariable] = [],
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) async throws -> FunctionReference {
        try await registry.push(image, name, tag: "1")
        let pinned = try await engines.engine().pin(
            try ImageReference("\(registry.host)/\(name):1"), pull: .always, namespace: "default")
        var limits = FunctionVersion.Limits()
        limits.timeout = 60_000
        limits.memory = 128 << 20
        change(&limits)
        var directory = ""
        if let code {
            directory = folder.file("code-\(UUID().uuidString)")
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(code.utf8).write(to: URL(fileURLWithPath: directory + "/main"))
        }
        let version = FunctionVersion(
            namespace: "default", name: name, digest: UUID().uuidString, runtime: .container, entry: "",
            codeDirectory: directory, parameters: parameters, environment: environment, limits: limits,
            container: .init(
                repository: pinned.repository, digest: pinned.digest.description, exchange: exchange, port: 8080))
        versions.known.withLock { $0[name] = version }
        return FunctionReference(namespace: "default", name: name)
    }

    /// Adds a Python function with `main(args)`, in an image that speaks OpenWhisk's protocol.
    func action(
        _ name: String, _ python: String, isSilent: Bool = false, parameters: JSONObject = [:],
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) async throws -> FunctionReference {
        try await add(
            name, try PythonImage.image("action_server.py"), .openWhisk, code: python, parameters: parameters,
            environment: isSilent ? [.init(name: "WEIR_NO_SENTINEL", value: "1")] : [], change)
    }

    func call(_ function: FunctionReference, _ arguments: JSONObject = [:]) async -> Activation {
        await invoker.invoke(function, call: FunctionCall(input: .arguments(arguments)))
    }
}

/// Runs a body with a fixture and looks that no container is left.
func withContainers(
    _ kind: OCIRuntime.Kind? = ContainerFixture.first, maximumWorkers: Int = 4,
    _ body: (ContainerFixture) async throws -> Void
) async throws {
    guard let kind, OCIRuntime(kind) != nil else {
        print("skipped: there is no \(kind?.rawValue ?? "runtime") on this machine")
        return
    }
    let fixture = try await ContainerFixture(kind, maximumWorkers: maximumWorkers)
    do {
        try await body(fixture)
    } catch {
        await fixture.stop()
        throw error
    }
    await fixture.stop()
    #expect(fixture.launcher.processID == nil)
}

extension Activation {
    var value: JSONValue { (try? JSONValue(parsing: result)) ?? .null }
    var text: String { String(decoding: result, as: UTF8.self) }
    var lines: [String] { logs.map { "\($0.stream == .stdout ? "o" : "e") \($0.text)" } }
}
