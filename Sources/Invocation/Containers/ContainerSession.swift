internal import CloudEvents
internal import Functions
internal import NIOPosix
internal import Sandboxes
internal import Synchronization

/// One container's work: starts it, waits until it listens, introduces the function to it, and turns calls into requests
/// and answers into activations.
final class ContainerSession: FunctionWorker, ContainerHandler {
    var id: PoolMachine.WorkerID { order.id }
    var pool: PoolMachine.Pool { order.pool }
    var version: FunctionVersion { order.version }
    let order: WorkerOrder
    let owner: FunctionInvoker
    private let engine: ContainerWorkers.EngineSource
    let state: Mutex<State>
    /// Apart from the state: it is frozen and thawed under the owner's lock, under which the state must not be taken.
    private let box = Mutex<(any RunningContainer)?>(nil)

    struct State {
        var isolation = 0
        var exchange: (any ContainerExchange)?
        var isReady = false
        var hasEnded = false
        /// When the start was asked for, milliseconds since 1970.
        var startBegan: Int64
        /// Reported with the first call.
        var initMilliseconds: Int64?
        var runs: [PoolMachine.JobID: Run] = [:]
        /// Connections that wait for another request.
        var connections: [ContainerConnection] = []
        var log: ContainerLog
        /// Whether its log may still turn out to hold marks.
        var mayWriteMarks = true
        /// Who waits for marks in the log: called when another one is whole.
        var waiter: (id: Int, marks: Int, resume: CheckedContinuation<Void, Never>)?
        var nextWaiter = 0
        var killReason: PoolMachine.Reason?
        /// Why it did not become ready.
        var failure: StartFailure?
        /// Why its calls have no answer, when the container is not at fault by its end alone.
        var misbehaviour: String?
    }

    /// A call that is under way.
    struct Run {
        let job: Job
        var index: Int
        var id: String
        var start: Int64
        /// Nothing of the call has reached the container.
        var isUntouched = true
    }

    init(_ order: WorkerOrder, owner: FunctionInvoker, engine: @escaping ContainerWorkers.EngineSource) {
        self.order = order
        self.owner = owner
        self.engine = engine
        state = Mutex(
            State(
                startBegan: TimeOfDay.milliseconds,
                log: ContainerLog(token: order.token, limit: order.version.limits.logs)))
    }

    var container: (any RunningContainer)? { box.withLock { $0 } }

    // MARK: Starting

    func start() throws(SandboxError) {
        guard let container = version.container else {
            throw SandboxError(.startFailed, "the version names no image: put the function again")
        }
        Task { await start(container) }
    }

    private func start(_ container: FunctionVersion.Container) async {
        let engine: any ContainerEngine
        do {
            engine = try await self.engine()
        } catch {
            // Not the function's fault.
            refuse(StartFailure(status: .internalError, result: ResultText.error(error.message)))
            notStarted(error.message)
            return
        }
        guard let image = await image(container, engine) else { return }
        guard
            state.withLock({ state in
                state.isolation = engine.isolation
                return state.killReason == nil
            })
        else {
            notStarted("the container was not wanted any more")
            return
        }
        let specification = ContainerSpecification(
            image: image, namespace: version.namespace, function: "\(version.namespace)/\(version.name)",
            environment: environment(container), memory: version.limits.memory, port: container.port)
        let running = engine.start(specification, handler: self)
        box.withLock { $0 = running }
        if state.withLock({ $0.killReason != nil }) { running.kill() }
        await introduce(running)
    }

    /// The image by its digest; one that the version has only the name of is looked for now.
    private func image(_ container: FunctionVersion.Container, _ engine: any ContainerEngine) async -> PinnedImage? {
        if let digest = ImageDigest(container.digest) {
            return PinnedImage(repository: container.repository, digest: digest)
        }
        do {
            let name = try ImageReference(container.repository)
            let pull = ContainerSpec.usualPull(name)
            do throws(ContainerError) {
                return try await engine.pin(name, pull: pull, namespace: version.namespace)
            } catch {
                // A registry that cannot be asked for the latest does not hide what is here.
                guard pull == .always,
                    let known = try? await engine.pin(name, pull: .never, namespace: version.namespace)
                else { throw error }
                return known
            }
        } catch {
            refuse(
                StartFailure(
                    status: .developerError,
                    result: ResultText.error("Failed to pull container image '\(container.repository)'.")))
            // There is no process whose end would be told.
            notStarted("\(error)")
            return nil
        }
    }

    private func notStarted(_ reason: String) {
        owner.ended(self, .notStarted(SandboxError(.startFailed, reason)))
    }

    /// The function's variables, and what tells the image's server how it is spoken to.
    private func environment(_ container: FunctionVersion.Container) -> [String] {
        var variables = ["PORT=\(container.port)"]
        switch container.exchange {
        case .openWhisk: break
        case .cloudEvents:
            if !version.parameters.isEmpty {
                let text = String(decoding: JSONValue.object(version.parameters).encoded(), as: UTF8.self)
                variables.append("WEIR_PARAMETERS=\(text)")
            }
        }
        return variables + version.environment.map { "\($0.name)=\($0.value)" }
    }

    /// Waits until it listens, and sends what comes before the first call. A container that never gets there is ended by
    /// the owner's limit on starting.
    private func introduce(_ running: any RunningContainer) async {
        guard let connection = await firstConnection(running) else { return }
        let exchange: any ContainerExchange
        do {
            let version = version
            let code = try await NIOThreadPool.singleton.runIfActive { try ActionCode(version) }
            exchange = version.exchange(code: code, answerLimit: owner.configuration.answerLimit)
        } catch {
            refuse(StartFailure(status: .internalError, result: ResultText.error("\(error)")))
            return
        }
        let deadline = TimeOfDay.milliseconds + version.limits.timeout
        guard let request = exchange.introduction(deadline: deadline, id: owner.makeID()) else {
            ready(exchange, connection)
            return
        }
        do {
            let response = try await connection.send(request, limit: owner.configuration.answerLimit)
            if let failure = exchange.failure(ofIntroduction: response) {
                await fail(running, failure)
            } else {
                ready(exchange, connection)
            }
        } catch {
            let text = "The action did not initialize and exited unexpectedly."
            await fail(running, StartFailure(status: .developerError, result: ResultText.error(text)))
        }
    }

    /// It runs and cannot be used: ended, and what it wrote until then, which says why, belongs to the failure.
    private func fail(_ running: any RunningContainer, _ failure: StartFailure) async {
        state.withLock { $0.failure = failure }
        running.finish()
        await collectLogs(running, marks: .max, patience: Self.patience)
        refuse(failure)
    }

    private func firstConnection(_ running: any RunningContainer) async -> ContainerConnection? {
        while !state.withLock({ $0.hasEnded || $0.killReason != nil }) {
            do {
                if let connection = try await connect(running) { return connection }
            } catch {
                refuse(StartFailure(status: .internalError, result: ResultText.error("\(error)")))
                return nil
            }
            // Nothing tells when a program begins to listen.
            try? await Task.sleep(for: .milliseconds(10))
        }
        return nil
    }

    /// `nil`: nobody listens.
    func connect(_ running: any RunningContainer) async throws -> ContainerConnection? {
        let descriptor = try await NIOThreadPool.singleton.runIfActive { try running.connect() }
        guard let descriptor else { return nil }
        return try await ContainerConnection(descriptor)
    }

    private func ready(_ exchange: any ContainerExchange, _ connection: ContainerConnection) {
        let isReady = state.withLock { state in
            guard !state.hasEnded else { return false }
            state.exchange = exchange
            state.isReady = true
            state.initMilliseconds = TimeOfDay.milliseconds - state.startBegan
            state.connections.append(connection)
            return true
        }
        if isReady { owner.handle(.ready(id)) } else { connection.close() }
    }

    /// It cannot be used: says why, and ends it.
    private func refuse(_ failure: StartFailure) {
        let now = TimeOfDay.milliseconds
        let failure = state.withLock { state in
            var failure = failure
            failure.logs = state.log.take(time: now, observe: nil)
            state.failure = failure
            return state.hasEnded ? nil : failure
        }
        guard let failure else { return }
        owner.handle(.failedToStart(id), failure: failure)
        container?.kill()
    }

    // MARK: Its life

    func kill(_ reason: PoolMachine.Reason) {
        state.withLock { $0.killReason = $0.killReason ?? reason }
        // Why it is at fault may be the last that it wrote.
        if reason == .misbehaved { container?.finish() } else { container?.kill() }
    }

    func retire() { container?.kill() }

    func freeze() { container?.freeze() }
    func thaw() { container?.thaw() }

    // MARK: The container speaks

    func containerStarted(_ container: any RunningContainer) {}

    func container(_ container: any RunningContainer, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        let now = TimeOfDay.milliseconds
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.log.add(bytes, toError: toError, time: now, observe: observer(state))
            guard let waiter = state.waiter, state.log.marks >= waiter.marks else { return nil }
            state.waiter = nil
            return waiter.resume
        }
        waiting?.resume()
    }

    func container(_ container: any RunningContainer, ended end: WorkerEnd) {
        let connections = state.withLock { state in
            defer { state.connections = [] }
            return state.connections
        }
        for connection in connections { connection.close() }
        owner.ended(self, end)
        // Behind that: who waited finds it at its end.
        let waiting = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter?.resume
        }
        waiting?.resume()
    }

    /// Lines go to the one call that runs; when several do, to the one that began first.
    func observer(_ state: borrowing State) -> ((Int, Activation.LogLine) -> Void)? {
        guard let observe = owner.logObserver, let run = state.runs.values.min(by: { $0.start < $1.start }) else {
            return nil
        }
        let (reference, id) = (run.job.reference, run.id)
        return { _, line in observe(LogNotice(function: reference, activationID: id, line: line)) }
    }

    /// Waits until the log holds what the container has written so far: the marks of a run if it is known to write them,
    /// else what is there now.
    ///
    /// - Parameters:
    ///   - marks: how many marks there are when the run's own have come; `nil`: none are waited for; `max`: its end is.
    ///   - patience: how long they are waited for, milliseconds.
    func collectLogs(_ running: any RunningContainer, marks: Int? = nil, patience: Int64) async {
        await withCheckedContinuation { continuation in running.readLogs { continuation.resume() } }
        guard let marks, patience > 0 else { return }
        let timer = Mutex<Task<Void, Never>?>(nil)
        await withCheckedContinuation { continuation in
            let number = state.withLock { state -> Int? in
                guard state.log.marks < marks, !state.hasEnded else { return nil }
                state.nextWaiter += 1
                state.waiter = (state.nextWaiter, marks, continuation)
                return state.nextWaiter
            }
            guard let number else {
                continuation.resume()
                return
            }
            // A container that does not write its marks must not hold its call's answer back.
            let task = Task { [self] in
                try? await Task.sleep(for: .milliseconds(patience))
                giveUp(number)
            }
            timer.withLock { $0 = task }
        }
        timer.withLock { $0 }?.cancel()
    }

    private func giveUp(_ waiter: Int) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let found = state.waiter, found.id == waiter else { return nil }
            state.waiter = nil
            return found.resume
        }
        waiting?.resume()
    }
}
