import Foundation
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Sandboxes

/// A launcher, and programs in sandboxes.
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

    /// Runs the body with a launcher of exactly that level. A level that the host does not give is said aloud.
    static func with(level: Int, _ body: (SandboxFixture) async throws -> Void) async throws {
        let fixture = try await SandboxFixture(maximum: level)
        guard fixture.report.level == level else {
            let missing = fixture.report.features.compactMap { feature in
                feature.failure.map { "\(feature.name): \($0)" }
            }
            print("skipped: isolation level \(level): \(missing.joined(separator: "; "))")
            await fixture.launcher.stop()
            return
        }
        do {
            try await body(fixture)
        } catch {
            await fixture.launcher.stop()
            throw error
        }
        await fixture.launcher.stop()
    }

    static let sandbox = SandboxSpecification(memory: 128 << 20, processes: 64)
    static let variables = ["PATH=/usr/bin:/bin", "TMPDIR=/tmp", "HOME=/tmp"]

    static var python: String? { ["/usr/bin/python3"].first { access($0, X_OK) == 0 } }

    /// Starts a program.
    func start(
        _ arguments: [String], _ sandbox: SandboxSpecification? = Self.sandbox, directory: String = "/",
        framing: WorkerSpecification.Framing = .lines
    ) throws -> Running {
        let running = Running()
        let specification = WorkerSpecification(
            arguments: arguments, environment: Self.variables, directory: directory, limits: [.init(.openFiles, 256)],
            framing: framing, maximumMessage: 1 << 20, sandbox: sandbox)
        let worker = try launcher.start(specification, handler: running)
        running.worker.withLock { $0 = worker }
        return running
    }

    func shell(_ script: String, _ sandbox: SandboxSpecification? = Self.sandbox) throws -> Running {
        try start(["/bin/sh", "-c", script], sandbox)
    }

    /// The lines that a script writes.
    func lines(_ script: String, _ sandbox: SandboxSpecification = Self.sandbox) async throws -> [String] {
        let running = try shell(script, sandbox)
        _ = await running.end()
        return running.lines.withLock { $0 }
    }

    /// What a Python program writes, line by line.
    func python(_ source: String, _ sandbox: SandboxSpecification = Self.sandbox) async throws -> [String] {
        let running = try start(["/usr/bin/python3", "-I", "-S", "-c", source], sandbox)
        _ = await running.end()
        return running.lines.withLock { $0 } + running.errors.withLock { $0.isEmpty ? [] : [$0] }
    }

    /// All processes below the launcher, by the host's numbers.
    var processes: [Int32] { launcher.processID.map { Self.descendants(of: $0) } ?? [] }

    static func descendants(of pid: Int32) -> [Int32] {
        var found = [pid]
        var index = 0
        while index < found.count {
            let path = "/proc/\(found[index])/task/\(found[index])/children"
            found += (SmallFile.read(path) ?? "").split(separator: " ").compactMap { Int32($0) }
            index += 1
        }
        return Array(found.dropFirst())
    }
}

/// A running program as its owner hears of it.
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

    func end() async -> WorkerEnd {
        await withCheckedContinuation { continuation in
            let end = ending.withLock { state in
                if state.end == nil { state.waiting.append(continuation) }
                return state.end
            }
            if let end { continuation.resume(returning: end) }
        }
    }

    var hasEnded: Bool { ending.withLock { $0.end != nil } }

    /// The next line that it says, `index` from the first on.
    func line(_ index: Int) async -> String? {
        await eventually("line \(index)") { lines.withLock { $0.count > index } || hasEnded }
        return lines.withLock { index < $0.count ? $0[index] : nil }
    }

    func say(_ text: String) { worker.withLock { $0 }?.send(Array((text + "\n").utf8)) }
    func kill() { worker.withLock { $0 }?.kill() }

    // MARK: What a worker is asked for, as one who waits.

    func attach(_ mounts: [SandboxMount]) async -> SandboxError? {
        await withCheckedContinuation { done in worker.withLock { $0 }?.attach(mounts) { done.resume(returning: $0) } }
    }
    func attach(_ mount: SandboxMount, verifying descriptor: Int32) async -> SandboxError? {
        await withCheckedContinuation { done in
            worker.withLock { $0 }?.attach(mount, verifying: descriptor) { done.resume(returning: $0) }
        }
    }
    func attachScratch(_ target: String, bytes: Int64, files: Int) async -> Result<Int32, SandboxError> {
        await withCheckedContinuation { done in
            worker.withLock { $0 }?.attachScratch(at: target, bytes: bytes, files: files) { done.resume(returning: $0) }
        }
    }
    func detach(_ target: String) async -> SandboxError? {
        await withCheckedContinuation { done in worker.withLock { $0 }?.detach(target) { done.resume(returning: $0) } }
    }
    func freeze() async -> SandboxError? {
        await withCheckedContinuation { done in worker.withLock { $0 }?.freeze { done.resume(returning: $0) } }
    }
    func thaw() async -> SandboxError? {
        await withCheckedContinuation { done in worker.withLock { $0 }?.thaw { done.resume(returning: $0) } }
    }
    func statistics() async -> WorkerStatistics? {
        await withCheckedContinuation { done in
            worker.withLock { $0 }?.statistics { done.resume(returning: try? $0.get()) }
        }
    }
    func listen() async -> Result<Int32, SandboxError> {
        await withCheckedContinuation { done in
            worker.withLock { $0 }?.listen(port: 0) { done.resume(returning: $0) }
        }
    }
}

extension WorkerEnd {
    var record: ExitRecord? {
        if case .exited(let record) = self { record } else { nil }
    }
}

/// Waits until a condition holds; fails after half a minute. There is no event to wait for when a process is to vanish.
func eventually(_ what: String, _ condition: () -> Bool) async {
    for _ in 0..<3_000 {
        if condition() { return }
        try? await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("never came true: \(what)")
}

/// Whether a process is there and has not ended (one that nobody has reaped yet has).
func isAlive(_ pid: Int32) -> Bool {
    guard let text = SmallFile.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return false }
    return !text[end...].hasPrefix(") Z")
}

/// A file with a text.
func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

/// open(2): only a place in the file tree, which the Glibc module does not show.
let openPathOnly: Int32 = 0o10_000_000

/// The levels that a test is to run at.
let levelsWithNamespaces = [3, 2]
let levels = [3, 2, 1]
