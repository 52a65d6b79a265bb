import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Sandboxes

/// A launcher, and shells in sandboxes.
struct SandboxFixture: Sendable {
    let launcher: Launcher
    let report: IsolationReport

    init(minimum: Int = 0, maximum: Int = 3) async throws {
        let path = try #require(
            LauncherLocation.beside(), "weir-launcher must lie beside the test bundle: build the whole package")
        launcher = try Launcher(
            .init(path: path), logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        report = await launcher.prepare(minimum: minimum, maximum: maximum)
    }

    static func with(
        minimum: Int = 0, maximum: Int = 3, _ body: (SandboxFixture) async throws -> Void
    ) async throws {
        let fixture = try await SandboxFixture(minimum: minimum, maximum: maximum)
        do {
            try await body(fixture)
        } catch {
            await fixture.launcher.stop()
            throw error
        }
        await fixture.launcher.stop()
    }

    static let sandbox = SandboxSpecification(memory: 128 << 20, processes: 64)

    /// Starts a shell that runs a script.
    func shell(
        _ script: String, _ sandbox: SandboxSpecification = Self.sandbox,
        environment: [String] = ["PATH=/usr/bin:/bin"], directory: String = "/",
        limits: [WorkerSpecification.ResourceLimit] = []
    ) throws -> Running {
        let running = Running()
        let specification = WorkerSpecification(
            arguments: ["/bin/sh", "-c", script], environment: environment, directory: directory, limits: limits,
            framing: .lines, maximumMessage: 1 << 20, sandbox: sandbox)
        let worker = try launcher.start(specification, handler: running)
        running.worker.withLock { $0 = worker }
        return running
    }

    /// What a script writes, and how it ends.
    func run(
        _ script: String, _ sandbox: SandboxSpecification = Self.sandbox, directory: String = "/"
    ) async throws -> (lines: [String], errors: String, end: WorkerEnd) {
        let running = try shell(script, sandbox, directory: directory)
        let end = await running.end()
        return (running.lines.withLock { $0 }, running.errors.withLock { $0 }, end)
    }
}

/// A running shell as its owner hears of it.
final class Running: WorkerHandler {
    let worker = Mutex<Worker?>(nil)
    let lines = Mutex<[String]>([])
    let errors = Mutex("")
    private let ending = Mutex<(end: WorkerEnd?, waiting: [CheckedContinuation<WorkerEnd, Never>])>((nil, []))

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {
        lines.withLock { $0.append(String(decoding: message, as: UTF8.self)) }
    }
    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        errors.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
    }
    func worker(_ worker: Worker, misbehaved reason: String) { errors.withLock { $0 += reason } }
    func worker(_ worker: Worker, ended end: WorkerEnd) {
        let waiting = ending.withLock { state in
            defer { state = (end, []) }
            return state.waiting
        }
        for one in waiting { one.resume(returning: end) }
    }

    var hasEnded: Bool { ending.withLock { $0.end != nil } }

    func end() async -> WorkerEnd {
        await withCheckedContinuation { continuation in
            let end = ending.withLock { state in
                if state.end == nil { state.waiting.append(continuation) }
                return state.end
            }
            if let end { continuation.resume(returning: end) }
        }
    }
}

extension WorkerEnd {
    /// The exit status; `nil` when it did not exit by itself.
    var status: Int32? {
        if case .exited(let record) = self { record.status } else { nil }
    }
}
