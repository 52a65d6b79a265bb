internal import DequeModule

/// Decides which worker runs which job, when workers start, sleep and go, and whose turn it is: events in, actions out.
///
/// It knows no process, clock or lock. Times are milliseconds of one monotonic clock. A pool is one version of one
/// function: its workers run nothing else, ever. What is decided where:
///
/// - `+Calls`: a job's way through the limits to a worker and back;
/// - `+Growth`: how many workers a pool should have (``Sizing``), and whose request for a place comes next (fair shares);
/// - `+Room`: what fits (places, memory), and who is sent away for it;
/// - `+Life`: workers that become ready, idle, frozen, late, dead;
/// - `+Stems`: unspecialised workers that wait, and zygotes.
struct PoolMachine: Sendable {
    typealias Pool = Int
    typealias WorkerID = Int
    typealias JobID = Int

    struct Configuration: Sendable {
        /// Workers of all pools together; stems and zygotes come on top.
        var maximumWorkers = 64
        /// Idle workers that were sent away and have not ended yet, in whose places others start already: an end takes as
        /// long as a start.
        var overlap = 0
        /// What the memory limits of all workers together may be, bytes.
        var memoryBudget: Int64 = .max
        /// How long an idle worker waits for work before it goes, milliseconds, where a version does not say.
        var idleGrace: Int64 = 60_000
        /// How long a worker is idle before it is frozen, milliseconds; `nil`: never.
        var freezeAfter: Int64? = 20
        /// How long after a kill the job is answered even if the process has not been seen to end, milliseconds.
        var killGrace: Int64 = 300
        /// How often a batch is looked at to see which of its calls is running, milliseconds.
        var checkInterval: Int64 = 200
        /// The least time that a worker gets to load its code, milliseconds.
        var minimumStartTime: Int64 = 10_000
        /// How long a worker may go on with its own queue while others of an equal share wait for its place,
        /// milliseconds: each change of hands costs a start.
        var quantum: Int64 = 200
        /// Jobs of one namespace that may run at the same time, and exceptions by name.
        var namespaceRuns: Int?
        var namespaceRunsByName: [String: Int] = [:]
        /// What a namespace's share weighs; 1 when not named.
        var weights: [String: Double] = [:]
        /// How long a request for memory may be passed by smaller ones, milliseconds.
        var memoryPatience: Int64 = 10_000
        /// How often shares and claims are counted anew while several namespaces are active, milliseconds.
        var sharesInterval: Int64 = 1_000
        /// Stems of each flavour, and exceptions by name.
        var stems = StemPolicy()
        var stemsByFlavour: [String: StemPolicy] = [:]
        /// How long nothing is done for stems after a worker has become ready, milliseconds: its first call has the
        /// processors for itself.
        var stemRest: Int64 = 0
        /// How long after its last work a namespace counts as active, milliseconds.
        var activityWindow: Int64 = 30_000
    }

    enum Event {
        /// A job of so many calls has come. `key`: what a limit by key counts.
        case submitted(JobID, Pool, calls: Int, key: String? = nil)
        /// The worker has loaded its code; a stem waits for its code; a zygote can fork.
        case ready(WorkerID)
        /// The worker cannot start or load its code.
        case failedToStart(WorkerID)
        /// The worker could not be made out of its stem or by its zygote: nobody's code is at fault.
        case lostOnTheWay(WorkerID)
        /// So many calls of a job have been answered (looked up after `check`).
        case progressed(WorkerID, JobID, answered: Int)
        /// A job of the worker is done.
        case finished(WorkerID, JobID)
        /// The worker broke the protocol; it is being killed.
        case misbehaved(WorkerID)
        /// The process is gone. For the jobs that it was running the owner settles what that means for their calls and,
        /// where some are left, says so with `requeue`.
        case ended(WorkerID, requeue: [Rest])
        /// The time has come that was asked for with `wake`.
        case tick
        /// No new work; everything that waits fails, idle workers go.
        case stop
    }

    /// What is left of a job whose worker has ended.
    struct Rest: Equatable, Sendable {
        var job: JobID
        var calls: Int
    }

    enum Action: Equatable {
        /// A stem's number stays that of the worker that it becomes.
        case start(WorkerID, Pool, StartReason)
        case startStem(WorkerID, flavour: String)
        case startZygote(WorkerID, flavour: String)
        case run(WorkerID, JobID)
        /// Look how far the job is and answer with `progressed`.
        case check(WorkerID, JobID)
        /// The job's time is over, though its worker goes on with others: settle it as that.
        case expire(WorkerID, JobID)
        case freeze(WorkerID)
        case thaw(WorkerID)
        /// Ends a worker, a stem or a zygote.
        case kill(WorkerID, Reason)
        /// The worker was killed and has not been seen to end: settle its jobs as if it had, and send `ended`.
        case abandon(WorkerID)
        /// Nothing more will come for this worker: let it end.
        case retire(WorkerID)
        /// The job cannot run.
        case fail(JobID, Failure)
        /// Call `tick` at this time or before.
        case wake(Int64)
    }

    enum Reason: String, Equatable, Sendable {
        case timeout
        case startTimeout
        /// Nothing came for it for long enough.
        case idle
        case misbehaved
        /// It made room for another.
        case evicted
    }

    enum Failure: Equatable, Sendable {
        case startFailed
        case stopped
        /// It asks for more memory than all workers together may have.
        case tooLarge(Int64)
    }

    enum Phase: Equatable, Sendable {
        case starting
        case idle
        case running
        case killed
        /// Ends by itself, holds no job.
        case retired
    }

    /// A job that waits, or that runs and may have to wait again.
    struct Waiting: Sendable {
        let job: JobID
        var calls: Int
        /// What it counts against a limit by key, from the moment that it was let into the queue.
        let key: CallKey?
        /// Its place among all jobs, and when it came.
        let sequence: Int
        let since: Int64
    }

    /// One value of the key by which a function's runs are limited.
    struct CallKey: Hashable, Sendable {
        let function: Int
        let value: String
    }

    struct Running: Sendable {
        var entry: Waiting
        var answered = 0
        /// Since when the job runs, and its running call.
        let began: Int64
        var since: Int64
        /// When to look at it next.
        var due: Int64
    }

    struct Worker: Sendable {
        let pool: Pool
        let namespace: Int
        let memory: Int64
        let reason: StartReason
        var phase: Phase
        var jobs: [Running] = []
        /// Since when it starts, idles or dies.
        var since: Int64
        /// When to look at it next; `Int64.max` for never.
        var due: Int64
        /// When it became ready.
        var ready: Int64 = 0
        var isFrozen = false
        /// A call's time is over: it takes nothing new and goes when the others are done.
        var isDraining = false
        /// Was idle when it was killed: it ends at once, and does nothing until then.
        var isLeaving = false
        /// Starts or runs: counts as use of the namespace's share.
        var isOccupying = false

        var isDying: Bool { phase == .killed || phase == .retired }
    }

    struct PoolState: Sendable {
        var definition: Definition
        let namespace: Int
        let function: Int
        /// Waiting jobs in their order.
        var queue: Deque<Waiting> = []
        /// Idle workers, the longest idle first; the last is used first.
        var idle: Deque<WorkerID> = []
        /// Running workers that take another job beside what they run.
        var open: [WorkerID] = []
        /// Jobs that a limit by key keeps out of the queue.
        var parked = 0
        var starting = 0
        /// Workers that count against the ceiling: starting, idle, running, dying.
        var workers = 0
        var dying = 0
        /// Workers that run something.
        var busy = 0
        /// Workers for which a place is asked, whether jobs wait for them or it is ahead of need, and why.
        var wanted = 0
        var isAhead = false
        var cause = StartCause.noWorker
        var obstacle: Obstacle?
        /// What jobs of this pool took, and how long they waited, milliseconds.
        var duration = MovingMean()
        var wait = MovingMean()
        var rate = ArrivalRate()
        var startTime = MovingMean(weight: 0.3)
        /// Starts without a waiting job that failed in a row, and when the next may be tried.
        var failures = 0
        var notBefore: Int64 = 0
        var isBlocked = false

        var alive: Int { workers - dying }
    }

    /// Why a pool's jobs wait.
    enum Obstacle: String, Sendable, Equatable {
        /// All workers that the machine may have exist.
        case workers
        /// The memory limits of the workers fill the budget.
        case memory
        /// The namespace has its share, others have claims on what is left.
        case share
        case namespaceLimit
        case functionLimit
        /// The version has as many workers as it may.
        case ceiling
    }

    let configuration: Configuration
    var pools: [Pool: PoolState] = [:]
    var workers: [WorkerID: Worker] = [:]
    var namespaces = NameTable<Namespace>()
    var functions = NameTable<Function>()
    var keys: [CallKey: KeyState] = [:]
    var stems = Stems()
    var timers = TimerQueue<Timer>()
    var counters = Counters()
    /// Namespaces with pools that wait for a place, whose turn is next first.
    var contenders = PriorityTable<Int, Turn>()
    /// Namespaces with idle workers that may be sent away for others, the longest idle worker first.
    var victims = PriorityTable<Int, Int>()
    /// Idle workers that are kept ready: the last that go.
    var kept = PriorityTable<WorkerID, Int>()
    var memoryUsed: Int64 = 0
    var memoryDying: Int64 = 0
    var dying = 0
    /// Those of the dying that were idle.
    var leaving = 0
    var memoryLeaving: Int64 = 0
    /// Places that jobs wait for.
    var wantedPlaces = 0
    var shares = Shares()
    /// Pools into whose queues a limit by key has let jobs that are still to be served.
    var released: [Pool] = []
    var isStopping = false
    var nextWorker = 1
    private var nextSequence = 1
    /// The earliest time that was asked for with `wake` and has not come.
    private var announced = Int64.max

    enum Timer: Hashable, Sendable {
        case worker(WorkerID)
        case pool(Pool)
        case stems
        case shares
    }

    init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
    }

    /// Whether nothing waits, runs or idles.
    var isEmpty: Bool {
        workers.isEmpty && stems.isEmpty && keys.isEmpty && pools.allSatisfy { $0.value.queue.isEmpty }
    }

    mutating func handle(_ event: Event, now: Int64, _ actions: inout [Action]) {
        switch event {
        case .submitted(let job, let pool, let calls, let key): submit(job, pool, calls, key, now, &actions)
        case .ready(let worker): ready(worker, now, &actions)
        case .failedToStart(let worker): failedToStart(worker, now, &actions)
        case .lostOnTheWay(let worker): lostOnTheWay(worker, now, &actions)
        case .progressed(let worker, let job, let answered): progressed(worker, job, answered, now, &actions)
        case .finished(let worker, let job): finished(worker, job, now, &actions)
        case .misbehaved(let worker): kill(worker, .misbehaved, now, &actions)
        case .ended(let worker, let requeue): ended(worker, requeue, now, &actions)
        case .tick: tick(now, &actions)
        case .stop: stop(now, &actions)
        }
        while let pool = released.popLast() { serve(pool, now, &actions) }
        if stems.isOwed, mayMakeStems { restBeforeStems(now, &actions) }
        if let next = timers.next, next < announced {
            announced = next
            actions.append(.wake(next))
        }
    }

    private mutating func tick(_ now: Int64, _ actions: inout [Action]) {
        announced = .max
        while let timer = timers.pop(due: now) {
            switch timer {
            case .worker(let worker): look(at: worker, now, &actions)
            case .pool(let pool): grow(pool, now, &actions)
            case .stems: tendStems(now, &actions)
            case .shares: countShares(now, &actions)
            }
        }
    }

    mutating func takeSequence() -> Int {
        defer { nextSequence += 1 }
        return nextSequence
    }
}
