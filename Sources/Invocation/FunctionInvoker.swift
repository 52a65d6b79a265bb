internal import CloudEvents
package import Functions
package import Logging
package import Sandboxes
internal import Synchronization

/// Runs functions in workers: the pool machine decides, this performs.
package final class FunctionInvoker: Invoker {
    let configuration: InvocationConfiguration
    let logObserver: (@Sendable (LogNotice) -> Void)?
    let logger: Logger
    /// What workers can be; the first that runs a version makes its workers.
    let kinds: [any WorkerKind]
    let launcher: Launcher
    let state: Mutex<State>
    package let surroundings: Surroundings
    /// The versions whose handler takes the events of a batch together, by digest.
    private let batchVersions = Mutex<Set<String>>([])
    private let catalog: any FunctionCatalog
    private let stopping = Atomic<Bool>(false)
    private let idState: Mutex<ActivationIDs>

    struct State {
        var machine: PoolMachine
        var sessions: [PoolMachine.WorkerID: any FunctionWorker] = [:]
        var stems: [PoolMachine.WorkerID: Stem] = [:]
        /// The zygotes that stand, by flavour.
        var zygotes: [String: Stem] = [:]
        var jobs: [PoolMachine.JobID: Job] = [:]
        var pools: [PoolKey: PoolMachine.Pool] = [:]
        var versions: [PoolMachine.Pool: FunctionVersion] = [:]
        /// Versions whose program ends after each answer.
        var endAfterAnswer: Set<String> = []
        var nextJob = 1
        var nextPool = 1

        /// The zygote that can fork what is of a flavour.
        func zygote(for flavour: String) -> Stem? {
            machine.stems.forker(for: flavour).flatMap { zygotes[$0] }
        }
    }

    /// A version of one function of one namespace: what a worker belongs to for its whole life.
    struct PoolKey: Hashable {
        var namespace: String
        var name: String
        var digest: String

        init(_ version: FunctionVersion) {
            namespace = version.namespace
            name = version.name
            digest = version.digest
        }
    }

    /// - Parameters:
    ///   - launcher: starts the processes; stopped together with the invoker.
    ///   - surroundings: what of the machine functions may be given.
    ///   - containers: `nil`: functions in containers do not run.
    ///   - onLogLine: called on the I/O thread with every log line as it comes; must not block.
    package init(
        _ configuration: InvocationConfiguration, catalog: any FunctionCatalog, launcher: Launcher, logger: Logger,
        surroundings: Surroundings = Surroundings(), containers: ContainerEngines? = nil,
        onLogLine: (@Sendable (LogNotice) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.catalog = catalog
        self.launcher = launcher
        kinds = Self.kinds(configuration, launcher, containers)
        self.logger = logger
        logObserver = onLogLine
        self.surroundings = surroundings
        state = Mutex(State(machine: PoolMachine(PoolMachine.Configuration(configuration))))
        var generator = SystemRandomNumberGenerator()
        idState = Mutex(ActivationIDs(seed: generator.next()))
        launcher.onDeadline { [weak self] in self?.handle(.tick) }
    }

    /// All kinds of workers that this machine can have.
    private static func kinds(
        _ configuration: InvocationConfiguration, _ launcher: Launcher, _ containers: ContainerEngines?
    ) -> [any WorkerKind] {
        var kinds: [any WorkerKind] = []
        // Stopped first: a runtime's containers are workers of the launcher, and end with it.
        if let containers { kinds.append(ContainerWorkers(containers)) }
        kinds.append(ProcessWorkers(configuration: configuration, launcher: launcher))
        return kinds
    }

    /// How many workers there are, idle ones included.
    package var workerCount: Int { state.withLock { $0.machine.workers.count } }
    /// How many of them run a call now.
    package var runningCount: Int {
        state.withLock { state in state.machine.pools.values.reduce(0) { $0 + $1.busy } }
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

    /// Runs calls of a version, those that must not run together one after the other.
    func run(
        _ calls: [FunctionCall], _ function: FunctionReference, _ version: FunctionVersion
    ) async -> [Activation] {
        guard !calls.isEmpty else { return [] }
        let now = TimeOfDay.milliseconds
        guard let groups = CallGroups(calls, of: version) else {
            return await run(version, function, calls, key: nil, now)
        }
        return await run(groups, version, function, now)
    }

    /// Runs each group of calls as a job of its own, all at the same time, and gives the answers in the order of the calls.
    private func run(
        _ groups: CallGroups, _ version: FunctionVersion, _ function: FunctionReference, _ now: Int64
    ) async -> [Activation] {
        await withTaskGroup(of: (Int, [Activation]).self) { tasks in
            for (index, group) in groups.groups.enumerated() {
                tasks.addTask { (index, await self.run(version, function, group.calls, key: group.key, now)) }
            }
            var answers = [[Activation]](repeating: [], count: groups.groups.count)
            for await (index, activations) in tasks { answers[index] = activations }
            return groups.inOrder(answers)
        }
    }

    private func run(
        _ version: FunctionVersion, _ function: FunctionReference, _ calls: [FunctionCall], key: String?, _ now: Int64
    ) async -> [Activation] {
        await withCheckedContinuation { continuation in
            submit(version, function, calls, key: key, now) { continuation.resume(returning: $0) }
        }
    }

    private func submit(
        _ version: FunctionVersion, _ function: FunctionReference, _ calls: [FunctionCall], key: String?, _ now: Int64,
        then completion: @escaping @Sendable ([Activation]) -> Void
    ) {
        handle { state, time, actions in
            let pool = pool(of: version, &state, time, &actions)
            let job = Job(
                id: state.nextJob, version: version, reference: function, calls: calls, submitted: now,
                completion: completion)
            state.nextJob += 1
            state.jobs[job.id] = job
            state.machine.handle(.submitted(job.id, pool, calls: calls.count, key: key), now: time, &actions)
        }
    }

    /// Runs one call of a function's current version, if that can begin without waiting for anything but a worker; `false`,
    /// and nothing has begun, when it cannot, or when there is no such function.
    ///
    /// - Parameter completion: is told once, on any thread, and must not block.
    package func begin(
        _ function: FunctionReference, call: FunctionCall, then completion: @escaping @Sendable (Activation) -> Void
    ) -> Bool {
        guard
            let version = catalog.version(
                namespace: function.namespace, name: function.name, digest: function.version),
            // Files are brought in first.
            !version.staging.isPerCall
        else { return false }
        var function = function
        function.version = version.digest
        let key = CallGroups([call], of: version)?.groups[0].key
        submit(version, function, [call], key: key, TimeOfDay.milliseconds) { activations in
            for activation in activations { completion(activation) }
        }
        return true
    }

    /// Gives workers what they have beside their code.
    var equipping: Equipping { Equipping(surroundings: surroundings) }

    /// Whether the version's handler takes a batch's events together, as far as that is known: from its first run on.
    func takesBatches(_ version: FunctionVersion) -> Bool { batchVersions.withLock { $0.contains(version.digest) } }

    /// The version's handler was found to take a batch's events together.
    func noteTakesBatches(_ version: FunctionVersion) {
        batchVersions.withLock { _ = $0.insert(version.digest) }
    }

    /// Takes no more calls, fails those that wait, ends all workers and returns when they are gone.
    package func stop() async {
        stopping.store(true, ordering: .relaxed)
        handle(.stop)
        for kind in kinds { await kind.stop() }
    }

    /// Asked by sessions under their own locks, so not under that of the state.
    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    // MARK: Ids

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
