internal import CLinux
internal import Foundation
internal import Glibc
internal import Synchronization

/// A container that an OCI runtime runs as a worker of the launcher.
final class RuntimeContainer: RunningContainer, WorkerHandler {
    /// Also the name of its control groups: of ours, and of nobody else's.
    let id = "weir-" + UUID().uuidString.lowercased()
    let specification: ContainerSpecification
    private let engine: RuntimeEngine
    private let handler: any ContainerHandler
    private let state = Mutex(State())

    private struct State {
        var worker: Worker?
        var pidFile: String?
        var network: ContainerNetwork?
        var isKilled = false
        var hasEnded = false
    }

    init(engine: RuntimeEngine, specification: ContainerSpecification, handler: any ContainerHandler) {
        self.engine = engine
        self.specification = specification
        self.handler = handler
    }

    func start(_ bundle: Bundle) {
        let isKilled = state.withLock { state in
            state.pidFile = bundle.pidFile
            return state.isKilled
        }
        if isKilled {
            failed(ContainerError(.startFailed, "the container was not wanted any more"))
            return
        }
        let worker: Worker
        do {
            worker = try engine.launcher.start(
                WorkerSpecification(
                    arguments: bundle.arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], directory: "/",
                    limits: [], framing: .lengthPrefixed, maximumMessage: 0, sandbox: limits),
                handler: self)
        } catch {
            end(.notStarted(error))
            return
        }
        let mustDie = state.withLock { state in
            state.worker = worker
            return state.isKilled
        }
        if mustDie { worker.kill() }
        handler.containerStarted(self)
    }

    /// Of the whole tree, the runtime included: what that needs for itself is added.
    private var limits: SandboxSpecification {
        let own: Int64 =
            switch engine.runtime.kind {
            case .runc: 24 << 20
            case .crun: 4 << 20
            case .runsc: 96 << 20
            }
        var limits = SandboxSpecification(
            memory: specification.memory + own, processes: specification.processes + 64)
        limits.onlyLimits = true
        return limits
    }

    func failed(_ error: ContainerError) {
        end(
            .notStarted(
                SandboxError([.storage, .diskFull].contains(error.code) ? .ioFailure : .startFailed, error.message)))
    }

    // MARK: RunningContainer

    /// Whether its network was entered.
    var isReached: Bool { state.withLock { $0.network != nil } }

    func connect() throws(ContainerError) -> Int32? {
        let (file, known) = state.withLock { ($0.hasEnded ? nil : $0.pidFile, $0.network) }
        guard let file else { return nil }
        if let known { return try known.connect(port: specification.port) }
        guard let pid = Self.pid(in: file), let network = try ContainerNetwork(of: pid) else { return nil }
        state.withLock { $0.network = network }
        return try network.connect(port: specification.port)
    }

    func kill() {
        let worker = state.withLock { state in
            state.isKilled = true
            return state.worker
        }
        worker?.kill()
    }

    /// What a container writes goes through runc's own process (its docs/terminals.md): ended together with that, the last
    /// of it would be lost. The others hand our pipes to the container.
    func finish() {
        guard engine.runtime.kind == .runc else { return kill() }
        Task { [self] in
            if await engine.endProcesses(of: id) == 0 { killFirstProcess() }
            // The clock of a limit: its processes were not found then, or do not end.
            try? await Task.sleep(for: .seconds(2))
            if !state.withLock({ $0.hasEnded }) { kill() }
        }
    }

    /// Where nobody makes groups, as for a user who is not root: its first process, with which all others end.
    private func killFirstProcess() {
        let (file, network) = state.withLock { ($0.hasEnded ? nil : $0.pidFile, $0.network) }
        guard let file, let pid = Self.pid(in: file), network?.holds(pid) == true else { return }
        Glibc.kill(pid, SIGKILL)
    }

    /// The runtime writes the file when the container is there.
    private static func pid(in file: String) -> pid_t? {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8), let pid = pid_t(text), pid > 1 else {
            return nil
        }
        return pid
    }

    func freeze() { state.withLock { $0.worker }?.freeze() }
    func thaw() { state.withLock { $0.worker }?.thaw() }

    func readLogs(then body: @escaping @Sendable () -> Void) {
        guard let worker = state.withLock({ $0.worker }) else {
            body()
            return
        }
        engine.launcher.readLogs(of: worker, then: body)
    }

    // MARK: WorkerHandler (on the I/O thread)

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {}

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        handler.container(self, wrote: bytes, toError: toError)
    }

    func worker(_ worker: Worker, misbehaved reason: String) {}

    func worker(_ worker: Worker, ended end: WorkerEnd) {
        guard case .exited(var record) = end else {
            self.end(end)
            return
        }
        // The runtime ends as its container did, as shells say it (128 and the signal).
        if let status = record.status, (129...192).contains(status) {
            record.status = nil
            record.signal = status - 128
        }
        // What runc made a group of its own for is counted there.
        if ContainerGroups.wereOutOfMemory(id) { record.outOfMemory = true }
        self.end(.exited(record))
    }

    private func end(_ end: WorkerEnd) {
        let isFirst = state.withLock { state in
            defer {
                state.hasEnded = true
                state.network = nil
            }
            return !state.hasEnded
        }
        guard isFirst else { return }
        handler.container(self, ended: end)
        engine.forget(id)
    }
}
