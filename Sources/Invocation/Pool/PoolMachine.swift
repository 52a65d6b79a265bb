internal import DequeModule

/// Decides which worker runs which job, when workers start and when they go: events in, actions out.
///
/// It knows no process, clock or lock. Times are milliseconds of one monotonic clock. A pool is one version of one
/// function: its workers run nothing else, ever.
struct PoolMachine: Sendable {
    typealias Pool = Int
    typealias WorkerID = Int
    typealias JobID = Int

    struct Configuration: Sendable {
        /// Workers of all pools together.
        var maximumWorkers = 64
        /// How long an idle worker waits for work before it goes, milliseconds.
        var idleGrace: Int64 = 60_000
        /// How long after a kill the job is answered even if the process has not been seen to end, milliseconds.
        var killGrace: Int64 = 300
        /// How often a batch is looked at to see which of its calls is running, milliseconds.
        var checkInterval: Int64 = 200
        /// The least time that a worker gets to load its code, milliseconds.
        var minimumStartTime: Int64 = 10_000
    }

    struct Limits: Sendable {
        var concurrency: Int
        var timeout: Int64
    }

    enum Event {
        /// A job of so many calls has come.
        case submitted(JobID, Pool, calls: Int)
        /// The worker has loaded its code.
        case ready(WorkerID)
        /// The worker cannot start or load its code.
        case failedToStart(WorkerID)
        /// So many calls of the worker's job have been answered (looked up after `check`).
        case progressed(WorkerID, answered: Int)
        /// The worker's job is done.
        case finished(WorkerID)
        /// The worker broke the protocol; it is being killed.
        case misbehaved(WorkerID)
        /// The process is gone. When it was running a job, the owner settles what that means for the job's calls and,
        /// if some are left, says so with `requeue`.
        case ended(WorkerID, requeue: Int)
        /// The time has come that was asked for with `wake`.
        case tick
        /// No new work; everything that waits fails, idle workers go.
        case stop
    }

    enum Action: Equatable {
        case start(WorkerID, Pool)
        case run(WorkerID, JobID)
        /// Look how far the worker's job is and answer with `progressed`.
        case check(WorkerID)
        case kill(WorkerID, Reason)
        /// The worker was killed and has not been seen to end: settle its job as if it had, and send `ended`.
        case abandon(WorkerID)
        /// Nothing more will come for this worker: let it end.
        case retire(WorkerID)
        /// The job cannot run.
        case fail(JobID, Failure)
        /// Call `tick` at this time or before.
        case wake(Int64)
    }

    enum Reason: Equatable { case timeout, startTimeout, idle, misbehaved }
    enum Failure: Equatable { case startFailed, stopped }

    enum Phase: Equatable {
        case starting
        case idle
        case running
        case killed
        /// Ends by itself, holds no job.
        case retired
    }

    struct Worker {
        let pool: Pool
        var phase: Phase
        var job: JobID?
        var calls = 0
        var answered = 0
        /// Since when the running call runs, or the worker idles, starts or dies.
        var since: Int64
        /// When to look at it next; `Int64.max` for never.
        var due: Int64
    }

    struct PoolState {
        var limits: Limits
        /// Waiting jobs in their order, with the time of submission as a sequence number.
        var queue: Deque<(job: JobID, calls: Int, sequence: Int)> = []
        /// Idle workers, the longest idle first; the last is used first.
        var idle: [WorkerID] = []
        var starting = 0
        /// Workers that count against the concurrency limit: starting, idle, running, killed.
        var workers = 0
        /// Its program ends after one answer, so workers are not kept.
        var endsAfterAnswer = false
    }

    let configuration: Configuration
    private(set) var pools: [Pool: PoolState] = [:]
    private(set) var workers: [WorkerID: Worker] = [:]
    private var nextWorker = 1
    private var nextSequence = 1
    private var isStopping = false
    /// The pools whose jobs wait for a worker that the global limit forbids.
    private var starved: Set<Pool> = []

    init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
    }

    /// Makes a pool known, or gives it new limits.
    mutating func define(_ pool: Pool, _ limits: Limits) {
        pools[pool, default: PoolState(limits: limits)].limits = limits
    }

    /// Whether nothing waits, runs or idles.
    var isEmpty: Bool { workers.isEmpty && pools.allSatisfy { $0.value.queue.isEmpty } }

    mutating func handle(_ event: Event, now: Int64, _ actions: inout [Action]) {
        switch event {
        case .submitted(let job, let pool, let calls): submit(job, pool, calls, now, &actions)
        case .ready(let worker): ready(worker, now, &actions)
        case .failedToStart(let worker): failedToStart(worker, now, &actions)
        case .progressed(let worker, let answered): progressed(worker, answered, now, &actions)
        case .finished(let worker): finished(worker, now, &actions)
        case .misbehaved(let worker): kill(worker, .misbehaved, now, &actions)
        case .ended(let worker, let requeue): ended(worker, requeue, now, &actions)
        case .tick: tick(now, &actions)
        case .stop: stop(&actions)
        }
    }

    // MARK: Work comes

    private mutating func submit(
        _ job: JobID, _ pool: Pool, _ calls: Int, _ now: Int64, _ actions: inout [Action]
    ) {
        guard !isStopping, pools[pool] != nil else {
            actions.append(.fail(job, .stopped))
            return
        }
        if let worker = pools[pool]?.idle.popLast() {
            run(worker, job, calls, now, &actions)
            return
        }
        pools[pool]?.queue.append((job, calls, nextSequence))
        nextSequence += 1
        startIfUseful(pool, now, &actions)
    }

    /// Starts workers while jobs wait for which none is on its way, as far as both limits allow.
    private mutating func startIfUseful(_ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        while let state = pools[pool], state.queue.count > state.starting, state.workers < state.limits.concurrency {
            if workers.count >= configuration.maximumWorkers {
                starved.insert(pool)
                // An idle worker of somebody else makes room; the place comes free when it has ended.
                evictIdle(now, &actions)
                return
            }
            let worker = nextWorker
            nextWorker += 1
            let due = now + max(state.limits.timeout, configuration.minimumStartTime)
            workers[worker] = Worker(pool: pool, phase: .starting, since: now, due: due)
            pools[pool]?.starting += 1
            pools[pool]?.workers += 1
            actions.append(.start(worker, pool))
            actions.append(.wake(due))
        }
        starved.remove(pool)
    }

    private mutating func evictIdle(_ now: Int64, _ actions: inout [Action]) {
        let dying = workers.values.count { $0.phase == .killed || $0.phase == .retired }
        guard dying < starved.count else { return }
        let oldest = pools.values.compactMap(\.idle.first).min { (workers[$0]?.since ?? 0) < (workers[$1]?.since ?? 0) }
        if let oldest { kill(oldest, .idle, now, &actions) }
    }

    private mutating func run(
        _ worker: WorkerID, _ job: JobID, _ calls: Int, _ now: Int64, _ actions: inout [Action]
    ) {
        guard let pool = workers[worker]?.pool, let timeout = pools[pool]?.limits.timeout else { return }
        let due = now + (calls == 1 ? timeout : min(timeout, configuration.checkInterval))
        workers[worker]?.phase = .running
        workers[worker]?.job = job
        workers[worker]?.calls = calls
        workers[worker]?.answered = 0
        workers[worker]?.since = now
        workers[worker]?.due = due
        actions.append(.run(worker, job))
        actions.append(.wake(due))
    }

    // MARK: Workers speak

    private mutating func ready(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let pool = workers[worker]?.pool, workers[worker]?.phase == .starting else { return }
        pools[pool]?.starting -= 1
        become(idle: worker, pool, now, &actions)
    }

    private mutating func finished(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase == .running else { return }
        workers[worker]?.job = nil
        if pools[state.pool]?.endsAfterAnswer == true {
            workers[worker]?.phase = .retired
            workers[worker]?.since = now
            workers[worker]?.due = now + 1_000
            actions.append(.retire(worker))
            actions.append(.wake(now + 1_000))
        } else {
            become(idle: worker, state.pool, now, &actions)
        }
    }

    private mutating func become(idle worker: WorkerID, _ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        if let next = pools[pool]?.queue.popFirst() {
            run(worker, next.job, next.calls, now, &actions)
            return
        }
        if isStopping {
            workers[worker]?.phase = .idle
            kill(worker, .idle, now, &actions)
            return
        }
        let due = now + configuration.idleGrace
        workers[worker]?.phase = .idle
        workers[worker]?.since = now
        workers[worker]?.due = due
        pools[pool]?.idle.append(worker)
        actions.append(.wake(due))
        if !starved.isEmpty { evictIdle(now, &actions) }
    }

    private mutating func failedToStart(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let pool = workers[worker]?.pool, workers[worker]?.phase == .starting else { return }
        pools[pool]?.starting -= 1
        workers[worker]?.phase = .killed
        workers[worker]?.due = .max
        // Whoever has waited longest takes the failure; the others get an attempt of their own.
        if let next = pools[pool]?.queue.popFirst() { actions.append(.fail(next.job, .startFailed)) }
    }

    private mutating func ended(_ worker: WorkerID, _ requeue: Int, _ now: Int64, _ actions: inout [Action]) {
        if workers[worker]?.phase == .starting { failedToStart(worker, now, &actions) }
        guard let state = workers.removeValue(forKey: worker) else { return }
        pools[state.pool]?.workers -= 1
        if state.phase == .idle {
            pools[state.pool]?.idle.removeAll { $0 == worker }
        }
        if let job = state.job, requeue > 0 {
            // Its first calls are settled; the rest keeps its place before all others.
            pools[state.pool]?.queue.prepend((job, requeue, 0))
        }
        startIfUseful(state.pool, now, &actions)
        for pool in starved.sorted(by: { waitingSince($0) < waitingSince($1) }) { startIfUseful(pool, now, &actions) }
    }

    private func waitingSince(_ pool: Pool) -> Int { pools[pool]?.queue.first?.sequence ?? .max }

    /// The program of this pool ends after each answer: from now on its workers are used once.
    mutating func noteEndsAfterAnswer(_ pool: Pool) { pools[pool]?.endsAfterAnswer = true }

    /// Drops a pool that has neither workers nor work; `false` when it must stay.
    mutating func forget(_ pool: Pool) -> Bool {
        guard let state = pools[pool], state.workers == 0, state.queue.isEmpty, !state.endsAfterAnswer else {
            return false
        }
        pools[pool] = nil
        starved.remove(pool)
        return true
    }

    // MARK: Time passes

    private mutating func tick(_ now: Int64, _ actions: inout [Action]) {
        var next = Int64.max
        for (id, worker) in workers where worker.due <= now {
            switch worker.phase {
            case .starting: kill(id, .startTimeout, now, &actions)
            case .idle: kill(id, .idle, now, &actions)
            case .running:
                // Answered by `progressed`, which says when to look again.
                workers[id]?.due = .max
                actions.append(.check(id))
            case .killed:
                workers[id]?.due = .max
                actions.append(.abandon(id))
            case .retired:
                kill(id, .idle, now, &actions)
            }
        }
        for worker in workers.values { next = min(next, worker.due) }
        if next != .max { actions.append(.wake(next)) }
    }

    private mutating func progressed(
        _ worker: WorkerID, _ answered: Int, _ now: Int64, _ actions: inout [Action]
    ) {
        guard let state = workers[worker], state.phase == .running,
            let timeout = pools[state.pool]?.limits.timeout
        else { return }
        var since = state.since
        if answered > state.answered {
            since = now
            workers[worker]?.answered = answered
            workers[worker]?.since = now
        }
        if now - since >= timeout {
            kill(worker, .timeout, now, &actions)
        } else {
            let due = min(since + timeout, state.calls == 1 ? .max : now + configuration.checkInterval)
            workers[worker]?.due = due
            actions.append(.wake(due))
        }
    }

    private mutating func kill(_ worker: WorkerID, _ reason: Reason, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase != .killed else { return }
        if state.phase == .idle { pools[state.pool]?.idle.removeAll { $0 == worker } }
        if state.phase == .starting {
            pools[state.pool]?.starting -= 1
            if let next = pools[state.pool]?.queue.popFirst() { actions.append(.fail(next.job, .startFailed)) }
        }
        let hasJob = state.job != nil
        workers[worker]?.phase = .killed
        workers[worker]?.since = now
        workers[worker]?.due = hasJob ? now + configuration.killGrace : .max
        actions.append(.kill(worker, reason))
        if hasJob { actions.append(.wake(now + configuration.killGrace)) }
    }

    private mutating func stop(_ actions: inout [Action]) {
        isStopping = true
        for pool in pools.keys.sorted() {
            while let next = pools[pool]?.queue.popFirst() { actions.append(.fail(next.job, .stopped)) }
            for worker in pools[pool]?.idle ?? [] { kill(worker, .idle, 0, &actions) }
        }
    }
}
