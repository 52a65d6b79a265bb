internal import CloudEvents
package import Functions
package import Logging
package import Sandboxes
internal import Synchronization

/// Runs functions in worker processes: the pool machine decides, this performs.
package final class FunctionInvoker: Invoker {
    let configuration: InvocationConfiguration
    private let launcher: Launcher
    /// What workers can be; the first that runs a version makes its workers.
    private let kinds: [any WorkerKind]
    let logObserver: (@Sendable (LogNotice) -> Void)?
    package let surroundings: Surroundings
    /// The versions whose handler takes the events of a batch together, by digest.
    private let batchVersions = Mutex<Set<String>>([])
    private let catalog: any FunctionCatalog
    private let logger: Logger
    private let state: Mutex<State>
    private let idState: Mutex<ActivationIDs>

    private struct State {
        var machine: PoolMachine
        var sessions: [PoolMachine.WorkerID: any FunctionWorker] = [:]
        var jobs: [PoolMachine.JobID: Job] = [:]
        var pools: [PoolKey: PoolMachine.Pool] = [:]
        var versions: [PoolMachine.Pool: FunctionVersion] = [:]
        var nextJob = 1
        var nextPool = 1
        var isStopping = false
    }

    /// A version of one function of one namespace: what a worker belongs to for its whole life.
    private struct PoolKey: Hashable {
        var namespace: String
        var name: String
        var digest: String
    }

    /// - Parameters:
    ///   - launcher: starts the processes; stopped together with the invoker.
    ///   - surroundings: what of the machine functions may be given.
    ///   - onLogLine: called on the I/O thread with every log line as it comes; must not block.
    package init(
        _ configuration: InvocationConfiguration, catalog: any FunctionCatalog, launcher: Launcher, logger: Logger,
        surroundings: Surroundings = Surroundings(), onLogLine: (@Sendable (LogNotice) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.catalog = catalog
        self.launcher = launcher
        kinds = Self.kinds(configuration, launcher)
        self.logger = logger
        logObserver = onLogLine
        self.surroundings = surroundings
        var machine = PoolMachine.Configuration()
        machine.maximumWorkers = configuration.maximumWorkers
        machine.idleGrace = configuration.idleGrace
        state = Mutex(State(machine: PoolMachine(machine)))
        var generator = SystemRandomNumberGenerator()
        idState = Mutex(ActivationIDs(seed: generator.next()))
        launcher.onDeadline { [weak self] in self?.handle(.tick) }
    }

    /// All kinds of workers that this machine can have.
    private static func kinds(_ configuration: InvocationConfiguration, _ launcher: Launcher) -> [any WorkerKind] {
        [ProcessWorkers(launcher: launcher)]
    }

    /// How many workers there are, idle ones included.
    package var workerCount: Int { state.withLock { $0.machine.workers.count } }
    /// How many of them run a call now.
    package var runningCount: Int {
        state.withLock { state in state.machine.workers.values.count { $0.phase == .running } }
    }
    /// How many calls wait for a worker.
    package var queuedCount: Int {
        state.withLock { state in state.machine.pools.values.reduce(0) { $0 + $1.queue.reduce(0) { $0 + $1.calls } } }
    }
    /// The isolation level of the workers.
    package var isolationLevel: Int { isolation?.level ?? 0 }
    /// What this host's isolation is; `nil` when it was not tried, and workers are plain child processes.
    package var isolation: IsolationReport? { launcher.isolation }

    // MARK: Invoker

    package func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation {
        await invoke(function, calls: [call])[0]
    }

    package func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation] {
        guard !calls.isEmpty else { return [] }
        let now = TimeOfDay.milliseconds
        guard
            let version = catalog.version(
                namespace: function.namespace, name: function.name, digest: function.version)
        else {
            let failure = StartFailure(
                status: .internalError, result: ResultText.error("there is no function \(function)"))
            return failed(calls[...], function, failure, submitted: now)
        }
        var function = function
        function.version = version.digest
        if version.staging.isPerCall { return await runStaged(calls, function, version) }
        return await run(calls, function, version)
    }

    /// Runs calls of a version as one job.
    func run(
        _ calls: [FunctionCall], _ function: FunctionReference, _ version: FunctionVersion
    ) async -> [Activation] {
        guard !calls.isEmpty else { return [] }
        let now = TimeOfDay.milliseconds
        return await withCheckedContinuation { completion in
            var actions: [PoolMachine.Action] = []
            state.withLock { state in
                let pool = Self.pool(of: version, &state)
                let job = Job(
                    id: state.nextJob, version: version, reference: function, calls: calls, submitted: now,
                    completion: completion)
                state.nextJob += 1
                state.jobs[job.id] = job
                state.machine.handle(
                    .submitted(job.id, pool, calls: calls.count), now: MonotonicClock.milliseconds, &actions)
            }
            perform(actions, failure: nil)
        }
    }

    /// Whether the version's handler takes a batch's events together, as far as that is known: from its first run on.
    func takesBatches(_ version: FunctionVersion) -> Bool { batchVersions.withLock { $0.contains(version.digest) } }

    /// The version's handler was found to take a batch's events together.
    func noteTakesBatches(_ version: FunctionVersion) {
        batchVersions.withLock { _ = $0.insert(version.digest) }
    }

    /// Takes no more calls, fails those that wait, ends all workers and returns when they are gone.
    package func stop() async {
        state.withLock { $0.isStopping = true }
        handle(.stop)
        for kind in kinds { await kind.stop() }
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    private static func pool(of version: FunctionVersion, _ state: inout State) -> PoolMachine.Pool {
        let key = PoolKey(namespace: version.namespace, name: version.name, digest: version.digest)
        if let known = state.pools[key] { return known }
        let pool = state.nextPool
        state.nextPool += 1
        state.pools[key] = pool
        state.versions[pool] = version
        state.machine.define(
            pool, .init(concurrency: max(1, version.limits.concurrency), timeout: max(1, version.limits.timeout)))
        return pool
    }

    // MARK: Machine

    func handle(_ event: PoolMachine.Event, failure: StartFailure? = nil) {
        var actions: [PoolMachine.Action] = []
        state.withLock { $0.machine.handle(event, now: MonotonicClock.milliseconds, &actions) }
        perform(actions, failure: failure)
    }

    private func perform(_ actions: [PoolMachine.Action], failure: StartFailure?) {
        for action in actions {
            switch action {
            case .start(let worker, let pool): start(worker, pool)
            case .run(let worker, let job):
                let (session, job) = state.withLock { ($0.sessions[worker], $0.jobs[job]) }
                // A worker that ended in between refuses; its end puts the job back.
                if let session, let job { _ = session.begin(job) }
            case .check(let worker):
                if let session = session(worker) { handle(.progressed(worker, answered: session.progress())) }
            case .kill(let worker, let reason): session(worker)?.kill(reason)
            case .abandon(let worker):
                if let session = session(worker) { ended(session, nil) }
            case .retire(let worker): session(worker)?.retire()
            case .fail(let job, let reason): fail(job, reason, failure)
            case .wake(let time): launcher.wake(at: time)
            }
        }
    }

    private func session(_ worker: PoolMachine.WorkerID) -> (any FunctionWorker)? {
        state.withLock { $0.sessions[worker] }
    }

    private func start(_ id: PoolMachine.WorkerID, _ pool: PoolMachine.Pool) {
        guard let version = state.withLock({ $0.versions[pool] }) else { return }
        guard let kind = kinds.first(where: { $0.runs(version) }) else {
            notStarted(id, "functions of the runtime \(version.runtime.rawValue) cannot run here")
            return
        }
        let session = kind.make(
            WorkerOrder(id: id, pool: pool, version: version, token: makeIDs(1, at: 0)[0]), owner: self)
        state.withLock { $0.sessions[id] = session }
        do {
            try session.start()
        } catch {
            notStarted(id, error.message)
        }
    }

    private func notStarted(_ id: PoolMachine.WorkerID, _ reason: String) {
        logger.warning("a worker cannot be started", metadata: ["reason": "\(reason)"])
        let failure = StartFailure(status: .internalError, result: ResultText.error(reason))
        state.withLock { _ = $0.sessions.removeValue(forKey: id) }
        handle(.failedToStart(id), failure: failure)
        handle(.ended(id, requeue: 0))
    }

    /// A worker is gone (`end` is `nil`: it was killed and has not been seen to end).
    func ended(_ session: any FunctionWorker, _ end: WorkerEnd?) {
        guard session.settleEnd(end) else { return }
        var actions: [PoolMachine.Action] = []
        var settled: Job?
        state.withLock { state in
            state.sessions.removeValue(forKey: session.id)
            let worker = state.machine.workers[session.id]
            if worker?.phase == .idle, session.mayEndAfterAnswer, case .exited? = end {
                state.machine.noteEndsAfterAnswer(session.pool)
            }
            var requeue = 0
            if let id = worker?.job, let job = state.jobs[id] {
                requeue = job.remaining
                if requeue == 0 { settled = job }
            }
            state.machine.handle(
                .ended(session.id, requeue: requeue), now: MonotonicClock.milliseconds, &actions)
            Self.forget(session.pool, &state)
        }
        if let settled { complete(settled) }
        perform(actions, failure: session.startFailure(end))
    }

    /// Lets go of a version that has no workers and no work. What was learnt about its program is kept.
    private static func forget(_ pool: PoolMachine.Pool, _ state: inout State) {
        guard state.machine.forget(pool), let version = state.versions.removeValue(forKey: pool) else { return }
        state.pools[PoolKey(namespace: version.namespace, name: version.name, digest: version.digest)] = nil
    }

    func complete(_ job: Job) {
        state.withLock { _ = $0.jobs.removeValue(forKey: job.id) }
        job.completeIfSettled()
    }

    private func fail(_ id: PoolMachine.JobID, _ reason: PoolMachine.Failure, _ failure: StartFailure?) {
        guard let job = state.withLock({ $0.jobs[id] }) else { return }
        let text =
            reason == .stopped
            ? "the server is stopping" : "the function's code was not loaded in time"
        let failure =
            (reason == .startFailed ? failure : nil)
            ?? StartFailure(
                status: reason == .stopped ? .internalError : .developerError, result: ResultText.error(text))
        job.settle(failed(job.calls[job.settled...], job.reference, failure, submitted: job.submitted))
        complete(job)
    }

    private func failed(
        _ calls: ArraySlice<FunctionCall>, _ function: FunctionReference, _ failure: StartFailure, submitted: Int64
    ) -> [Activation] {
        let now = TimeOfDay.milliseconds
        let ids = ids(of: calls, at: now)
        return zip(calls, ids).enumerated().map { index, pair in
            Activation(
                id: pair.1, function: function, cause: pair.0.cause, status: failure.status, result: failure.result,
                logs: index == 0 ? failure.logs?.lines ?? [] : [], logsTruncated: failure.logs?.isTruncated ?? false,
                start: now, end: now, waitMilliseconds: max(0, now - submitted), isolation: isolationLevel)
        }
    }

    /// The ids of calls: those that were given, new ones for the rest.
    func ids(of calls: ArraySlice<FunctionCall>, at milliseconds: Int64) -> [String] {
        var ids = makeIDs(calls.count, at: milliseconds)
        for (index, call) in calls.enumerated() {
            if let given = call.activationID { ids[index] = given }
        }
        return ids
    }

    /// A new activation id, for a call that must be named before it ends.
    package func makeID() -> String { makeIDs(1, at: TimeOfDay.milliseconds)[0] }

    func makeIDs(_ count: Int, at milliseconds: Int64) -> [String] {
        idState.withLock { ids in
            var made: [String] = []
            made.reserveCapacity(count)
            for _ in 0..<count { made.append(ids.next(milliseconds: milliseconds)) }
            return made
        }
    }
}

/// One log line as it comes, for those who follow.
package struct LogNotice: Sendable {
    package var function: FunctionReference
    package var activationID: String
    package var line: Activation.LogLine
}
