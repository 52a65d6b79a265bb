internal import AsyncHTTPClient
internal import CloudEvents
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// A container of a daemon.
final class DockerContainer: RunningContainer {
    let specification: ContainerSpecification
    private let engine: DockerEngine
    private let handler: any ContainerHandler
    private let state = Mutex(State())

    private struct State {
        var id: String?
        var network: ContainerNetwork?
        var isRunning = false
        var isKilled = false
        var life: Task<Void, Never>?
    }

    init(engine: DockerEngine, specification: ContainerSpecification, handler: any ContainerHandler) {
        self.engine = engine
        self.specification = specification
        self.handler = handler
    }

    func start() {
        let task = Task { [self] in await live() }
        state.withLock { $0.life = task }
    }

    func waitForEnd() async { await state.withLock { $0.life }?.value }

    /// The whole life of the container: made, heard, started, ended, removed.
    private func live() async {
        var end: WorkerEnd
        do {
            try await engine.fetch(specification.image, specification.namespace)
            let id = try await create()
            do throws(ContainerError) {
                end = .exited(try await run(id))
            } catch {
                end = .notStarted(SandboxError(.startFailed, error.message))
            }
            await remove(id)
        } catch {
            end = .notStarted(SandboxError(.startFailed, "\(error)"))
        }
        state.withLock { $0.network = nil }
        handler.container(self, ended: end)
        engine.forget(self)
    }

    private func create() async throws(ContainerError) -> String {
        guard !state.withLock({ $0.isKilled }) else {
            throw ContainerError(.startFailed, "the container was not wanted any more")
        }
        let answer = try await engine.docker.call(
            .POST, "\(engine.api)/containers/create", json: Self.document(specification, engine))
        guard answer.status == 201, let id = answer.json["Id"]?.string else {
            throw ContainerError(.startFailed, "the daemon does not make the container: \(answer.message)")
        }
        state.withLock { $0.id = id }
        return id
    }

    /// A container without network, capabilities, set-id programs; with limits; whose log is kept nowhere but here.
    static func document(_ specification: ContainerSpecification, _ engine: DockerEngine) -> JSONValue {
        var limits: [JSONValue] = [
            ["Name": "nofile", "Soft": 1024, "Hard": 1024], ["Name": "core", "Soft": 0, "Hard": 0],
        ]
        if engine.isPodman {
            // Podman asks for as many as the kernel has, which not every service may; and it lowers its own limit to the
            // highest process number.
            var most = rlimit()
            getrlimit(__rlimit_resource_t(6), &most)
            let highest = SmallFile.read("/proc/sys/kernel/pid_max").flatMap { UInt($0.filter(\.isNumber)) } ?? 32_768
            let count = Int64(clamping: min(most.rlim_max, rlim_t(highest), 1 << 20))
            limits.append(["Name": "nproc", "Soft": .integer(count), "Hard": .integer(count)])
        }
        return [
            "Image": .string(engine.reference(specification.image)),
            "Env": .array(specification.environment.map { .string($0) }),
            "Labels": [
                DockerEngine.label: .string(engine.instance), "dev.weir.function": .string(specification.function),
            ],
            "HostConfig": [
                "NetworkMode": "none", "Memory": .integer(specification.memory),
                "MemorySwap": .integer(specification.memory), "PidsLimit": .integer(Int64(specification.processes)),
                "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "LogConfig": ["Type": "none"],
                "Ulimits": .array(limits), "OomScoreAdj": 500,
            ],
        ]
    }

    private func run(_ id: String) async throws(ContainerError) -> ExitRecord {
        // Heard before it says anything.
        let stream = try await engine.docker.open(
            .POST, "\(engine.api)/containers/\(id)/attach", [("stream", "1"), ("stdout", "1"), ("stderr", "1")])
        guard stream.status == .ok else {
            let said = await engine.docker.message(stream)
            throw ContainerError(.startFailed, "the daemon does not let the container be heard: \(said)")
        }
        let started = try await engine.docker.call(.POST, "\(engine.api)/containers/\(id)/start")
        guard started.status == 204 || started.status == 304 else {
            throw ContainerError(.startFailed, "the container cannot be started: \(started.message)")
        }
        let isKilled = state.withLock { state in
            state.isRunning = true
            return state.isKilled
        }
        if isKilled { await sendKill(id) }
        let inspected = try await engine.docker.call(.GET, "\(engine.api)/containers/\(id)/json")
        if let pid = inspected.json["State"]?["Pid"]?.integer.flatMap({ pid_t(exactly: $0) }), pid > 0 {
            let network = try ContainerNetwork(of: pid)
            state.withLock { $0.network = network }
        }
        handler.containerStarted(self)
        var frames = DockerStream()
        do {
            for try await chunk in stream.body {
                chunk.withUnsafeReadableBytes { bytes in
                    frames.read(bytes) { handler.container(self, wrote: $0, toError: $1) }
                }
            }
        } catch {
            // The daemon was stopped, or broke off: what became of the container is asked below.
            await sendKill(id)
        }
        return try await exitRecord(id)
    }

    private func exitRecord(_ id: String) async throws(ContainerError) -> ExitRecord {
        // Answers when the container is no longer running.
        let waited = try await engine.docker.call(.POST, "\(engine.api)/containers/\(id)/wait", timeout: .hours(1))
        let last = try await engine.docker.call(.GET, "\(engine.api)/containers/\(id)/json").json["State"]
        let status = Int32(clamping: waited.json["StatusCode"]?.integer ?? last?["ExitCode"]?.integer ?? -1)
        var record = ExitRecord(
            status: status, signal: 0, cpuMicroseconds: 0, peakMemory: 0,
            outOfMemory: last?["OOMKilled"]?.bool ?? false)
        if (129...192).contains(status) {
            record.status = nil
            record.signal = status - 128
        }
        return record
    }

    private func remove(_ id: String) async {
        for _ in 0..<3 {
            let answer = try? await engine.docker.call(
                .DELETE, "\(engine.api)/containers/\(id)", [("force", "true"), ("v", "true")])
            if let answer, answer.status == 204 || answer.status == 404 || answer.status == 200 { return }
            // Podman may still be cleaning up behind a container that has just ended.
            try? await Task.sleep(for: .milliseconds(200))
        }
        engine.logger.warning(
            "A container cannot be removed now; the next start does it", metadata: ["container": "\(id)"])
    }

    private func sendKill(_ id: String) async {
        _ = try? await engine.docker.call(.POST, "\(engine.api)/containers/\(id)/kill", [("signal", "KILL")])
    }

    // MARK: RunningContainer

    /// Whether its network was entered.
    var isReached: Bool { state.withLock { $0.network != nil } }

    func connect() throws(ContainerError) -> Int32? {
        try state.withLock { $0.network }?.connect(port: specification.port)
    }

    func kill() {
        let id = state.withLock { state in
            state.isKilled = true
            return state.isRunning ? state.id : nil
        }
        if let id { Task { await sendKill(id) } }
    }

    // The daemon's stream ends behind the last byte.
    func finish() { kill() }

    // The daemon takes tens of milliseconds for either, more than a call: an idle container is left as it is.
    func freeze() {}
    func thaw() {}

    /// What the container wrote is on its way through the daemon; how far it has come cannot be asked. It is given a
    /// moment.
    func readLogs(then body: @escaping @Sendable () -> Void) {
        Task {
            try? await Task.sleep(for: .milliseconds(15))
            body()
        }
    }
}
