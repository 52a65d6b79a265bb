internal import Functions
internal import Sandboxes

/// One worker as the invoker drives it, whatever it is made of: a process in a sandbox, a container.
///
/// It belongs to one version for its whole life and runs one job at a time, or as many as its pool's definition allows.
/// It tells its owner what happens with ``FunctionInvoker/handle(_:failure:)`` (`ready` or
/// `failedToStart` once, `finished` after each job, before ``FunctionInvoker/complete(_:)``, `misbehaved` when it breaks
/// its protocol) and, as the last thing, ``FunctionInvoker/ended(_:_:)``. It may do so from any thread, but never from
/// within a call of its own that holds a lock. All methods return at once; none may block.
protocol FunctionWorker: AnyObject, Sendable {
    /// The pool machine's number for the worker.
    var id: PoolMachine.WorkerID { get }
    var pool: PoolMachine.Pool { get }
    var version: FunctionVersion { get }

    /// Begins to start. What throws here was never there: `ended` is not called for it.
    func start() throws(SandboxError)

    /// Takes a job, of which the first ``Job/settled`` calls are done already; `false` when it is ending, so that its
    /// end will put the job back. Called once it is ready and after each job that it has finished.
    func begin(_ job: Job) -> Bool

    /// How many of a job's calls are done, those included whose answers are still on their way.
    func progress(of job: PoolMachine.JobID) -> Int

    /// The time of a job is over, and the worker goes on with others: settles it as that and forgets it. Only for
    /// workers that take several.
    func expire(_ job: PoolMachine.JobID)

    /// Ends the worker and all that it has started, whatever it does. `ended` follows.
    func kill(_ reason: PoolMachine.Reason)

    /// Nothing more will come: lets it end by itself.
    func retire()

    /// Stops all that it runs until it is thawed; only while it has no job. Called in the order of the decisions under
    /// the owner's lock: may only put the wish on its way and must not call back.
    func freeze()

    /// Lets it run again, before the job that it is to take. As ``freeze()``.
    func thaw()

    /// Settles what the worker's end means for its jobs: answers that are known become activations of the job
    /// (``Job/settle(_:)``), the calls that were running fail, the rest is left for another worker.
    ///
    /// - Parameter end: `nil` when it was killed and has not been seen to end in time.
    /// - Returns: `false` when this was done before.
    func settleEnd(_ end: WorkerEnd?) -> Bool

    /// What the jobs are told that waited for this worker to start; `nil` when it had become ready.
    func startFailure(_ end: WorkerEnd?) -> StartFailure?

    /// Whether a program that ends well after its answer is used as it should be: it is started again for each job.
    var mayEndAfterAnswer: Bool { get }
}

extension FunctionWorker {
    func expire(_ job: PoolMachine.JobID) {}
    func freeze() {}
    func thaw() {}
    var mayEndAfterAnswer: Bool { false }
}

/// Why a worker cannot start.
struct StartFailure {
    var status: Activation.Status
    var result: [UInt8]
    var logs: LogCollector.Lines?
}

/// What a worker is made for.
struct WorkerOrder {
    let id: PoolMachine.WorkerID
    let pool: PoolMachine.Pool
    let version: FunctionVersion
    /// Tells log lines of calls apart; a function that guesses it mixes up its own lines.
    let token: String
    let reason: StartReason
    /// The stem that it is made of, or the zygote that forks it, as the reason's way says.
    let stem: Stem?

    /// As it stands in the activation of the worker's first call.
    var coldStart: Activation.ColdStart { .init(way: reason.way.way, reason: reason.sentence) }
}

/// Makes the workers of one kind of function.
protocol WorkerKind: Sendable {
    func runs(_ version: FunctionVersion) -> Bool

    /// The worker, not started yet: the owner must know it before it can speak.
    func make(_ order: WorkerOrder, owner: FunctionInvoker) -> any FunctionWorker

    /// Which stems can become workers of a version; `nil`: none. Asked once a version.
    func flavour(of version: FunctionVersion) -> String?

    /// The stems of a runtime without further dependencies.
    func flavour(of runtime: FunctionVersion.Runtime) -> String?

    /// Whether there is such a flavour of this kind.
    func makes(_ flavour: String) -> Bool

    /// Whether a zygote can be had for it.
    func forks(_ flavour: String) -> Bool

    /// Starts a process that waits for code; `zygote` forks it when given. It tells its owner `ready` and at last
    /// `stemEnded`.
    func start(_ stem: Stem, zygote: Stem?) throws(SandboxError)

    /// Starts a process that forks stems and workers. As above.
    func startZygote(_ stem: Stem) throws(SandboxError)

    /// Ends all of them; returns when they are gone. Called once, after the owner has taken its last job.
    func stop() async
}

extension WorkerKind {
    func flavour(of version: FunctionVersion) -> String? { nil }
    func flavour(of runtime: FunctionVersion.Runtime) -> String? { nil }
    func makes(_ flavour: String) -> Bool { false }
    func forks(_ flavour: String) -> Bool { false }
    func start(_ stem: Stem, zygote: Stem?) throws(SandboxError) { throw SandboxError(.startFailed, "no stems") }
    func startZygote(_ stem: Stem) throws(SandboxError) { throw SandboxError(.startFailed, "no zygote") }
}
