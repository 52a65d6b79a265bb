import Testing

@testable import Invocation

/// A simulated machine room: plays processes and clock for a pool machine, and holds it to its promises at every step.
///
/// Nothing here waits: time is the time of the next happening. What a job does (how long, whether it crashes its worker
/// or hangs) stands in the job.
struct PoolWorld {
    struct Job {
        var pool: Int
        var calls = 1
        var duration: Int64 = 10
        var key: String?
        /// Takes its worker with it when this much of it has run.
        var crashesAfter: Int64?
        /// Never ends by itself.
        var hangs = false
    }

    enum State: Equatable { case waiting, running(Int), done, failed }

    struct Record {
        var job: Job
        var submitted: Int64
        var state = State.waiting
        var began: Int64 = 0
        var ended: Int64 = 0
        var left: Int
        var starts = 0
        /// Time from the submission to the end.
        var latency: Int64 { ended - submitted }
    }

    struct Process {
        var pool: Int?
        var flavour: String?
        var isReady = false
        var isFrozen = false
        var isDying = false
        var jobs: Set<Int> = []
        var zygote = false
    }

    enum Happening {
        case submit(Job)
        case ready(Int)
        case fails(Int)
        case finish(Int, Int)
        case crash(Int, Int)
        case end(Int)
        case tick
        case stop
        case call(Int)
    }

    private struct Moment: Comparable {
        var time: Int64
        var order: Int
        static func < (one: Moment, other: Moment) -> Bool {
            (one.time, one.order) < (other.time, other.order)
        }
    }

    var machine: PoolMachine
    var now: Int64 = 0
    /// How long things take, milliseconds.
    var times: [Activation.ColdStart.Way: Int64] = [.stem: 1, .zygote: 4, .exec: 20, .container: 300]
    var stemTime: Int64 = 20
    var endTime: Int64 = 1
    /// Whether a start fails, given the number of the worker.
    var failsToStart: (Int) -> Bool = { _ in false }
    var records: [Int: Record] = [:]
    var processes: [Int: Process] = [:]
    var definitions: [Int: PoolMachine.Definition] = [:]
    var starts: [StartReason] = []
    var killed: [PoolMachine.Reason] = []
    var frozen = 0
    /// Called for `call` happenings: what a test wants to do at a time.
    var onCall: (inout PoolWorld, Int) -> Void = { _, _ in }
    /// Called when a job has ended, well or not.
    var onEnd: (inout PoolWorld, Int) -> Void = { _, _ in }
    private var agenda = PriorityTable<Int, Moment>()
    private var happenings: [Int: Happening] = [:]
    private var nextHappening = 0
    private var nextJob = 1
    private(set) var isStopped = false
    /// How often all is counted: the sums of a long history need not be checked at each step.
    var checksEvery = 1
    private var steps = 0
    private let found = Problems()
    /// What did not hold.
    var problems: [String] { found.all }

    /// Apart from the world, so that something can be said of it while it is looked at.
    private final class Problems {
        var all: [String] = []
    }

    init(_ configuration: PoolMachine.Configuration = PoolMachine.Configuration()) {
        machine = PoolMachine(configuration)
    }

    mutating func define(_ pool: Int, _ definition: PoolMachine.Definition) {
        definitions[pool] = definition
        var actions: [PoolMachine.Action] = []
        machine.define(pool, definition, now: now, &actions)
        perform(actions)
        // The owner's machine asks for its wakes with the next event.
        send(.tick)
    }

    mutating func at(_ time: Int64, _ happening: Happening) {
        nextHappening += 1
        happenings[nextHappening] = happening
        agenda.set(nextHappening, Moment(time: max(time, now), order: nextHappening))
    }

    mutating func submit(_ job: Job) {
        let id = nextJob
        nextJob += 1
        records[id] = Record(job: job, submitted: now, left: job.calls)
        send(.submitted(id, job.pool, calls: job.calls, key: job.key))
    }

    /// Runs until nothing is left to happen, or the time is over.
    mutating func run(until end: Int64 = .max) {
        while let (id, moment) = agenda.first, moment.time <= end {
            agenda.removeFirst()
            guard let happening = happenings.removeValue(forKey: id) else { continue }
            now = moment.time
            happen(happening)
            steps += 1
            if steps % checksEvery == 0 { check() }
            if !problems.isEmpty { return }
        }
        if end != .max { now = max(now, end) }
    }

    private mutating func happen(_ happening: Happening) {
        switch happening {
        case .submit(let job): submit(job)
        case .call(let number): onCall(&self, number)
        case .tick: send(.tick)
        case .stop:
            isStopped = true
            send(.stop)
        case .ready(let worker):
            guard processes[worker] != nil, processes[worker]?.isDying == false else { return }
            processes[worker]?.isReady = true
            send(.ready(worker))
        case .fails(let worker):
            guard processes[worker] != nil, processes[worker]?.isDying == false else { return }
            processes[worker]?.isDying = true
            send(.failedToStart(worker))
            at(now + endTime, .end(worker))
        case .finish(let worker, let job):
            guard records[job]?.state == .running(worker), processes[worker]?.jobs.contains(job) == true,
                processes[worker]?.isDying == false
            else { return }
            processes[worker]?.jobs.remove(job)
            records[job]?.state = .done
            records[job]?.ended = now
            send(.finished(worker, job))
            onEnd(&self, job)
        case .crash(let worker, let job):
            guard records[job]?.state == .running(worker), processes[worker] != nil else { return }
            end(worker)
        case .end(let worker): end(worker)
        }
    }

    /// The process is gone: the calls that ran fail, the rest of their jobs goes back.
    private mutating func end(_ worker: Int) {
        guard let process = processes.removeValue(forKey: worker) else { return }
        var requeue: [PoolMachine.Rest] = []
        for job in process.jobs.sorted() {
            records[job]?.left -= 1
            if let left = records[job]?.left, left > 0, !isStopped {
                records[job]?.state = .waiting
                records[job]?.job.crashesAfter = nil
                records[job]?.job.hangs = false
                requeue.append(.init(job: job, calls: left))
            } else {
                records[job]?.state = .failed
                records[job]?.ended = now
            }
        }
        send(.ended(worker, requeue: requeue))
        for job in process.jobs.sorted() where records[job]?.state == .failed { onEnd(&self, job) }
    }

    mutating func send(_ event: PoolMachine.Event) {
        var actions: [PoolMachine.Action] = []
        machine.handle(event, now: now, &actions)
        perform(actions)
    }

    private mutating func perform(_ actions: [PoolMachine.Action]) {
        for action in actions {
            switch action {
            case .start(let worker, let pool, let reason):
                starts.append(reason)
                if reason.way == .stem {
                    expect(processes[worker]?.isReady == true && processes[worker]?.pool == nil, "no stem \(worker)")
                } else {
                    expect(processes[worker] == nil, "worker \(worker) started twice")
                }
                processes[worker] = Process(pool: pool)
                let time = now + (times[reason.way.way] ?? 1)
                at(time, failsToStart(worker) ? .fails(worker) : .ready(worker))
            case .startStem(let id, let flavour):
                processes[id] = Process(flavour: flavour)
                at(now + stemTime, .ready(id))
            case .startZygote(let id, let flavour):
                processes[id] = Process(flavour: flavour, zygote: true)
                at(now + stemTime, .ready(id))
            case .run(let worker, let job): begin(worker, job)
            case .check(let worker, let job):
                guard let record = records[job], record.state == .running(worker) else { continue }
                let each = max(1, record.job.duration / Int64(record.job.calls))
                let answered = record.job.hangs ? 0 : min(Int((now - record.began) / each), record.left)
                send(.progressed(worker, job, answered: answered))
            case .expire(let worker, let job):
                expect(records[job]?.state == .running(worker), "job \(job) expired and did not run")
                processes[worker]?.jobs.remove(job)
                records[job]?.state = .failed
                records[job]?.ended = now
                onEnd(&self, job)
            case .freeze(let worker):
                frozen += 1
                expect(processes[worker]?.jobs.isEmpty == true, "worker \(worker) frozen while it runs")
                processes[worker]?.isFrozen = true
            case .thaw(let worker):
                expect(processes[worker]?.isFrozen == true, "worker \(worker) was not frozen")
                processes[worker]?.isFrozen = false
            case .kill(let worker, let reason):
                killed.append(reason)
                processes[worker]?.isDying = true
                at(now + endTime, .end(worker))
            case .abandon(let worker): end(worker)
            case .retire(let worker): at(now + endTime, .end(worker))
            case .fail(let job, _):
                expect(
                    records[job]?.state == .waiting,
                    "job \(job) failed while it was \(String(describing: records[job]?.state))")
                records[job]?.state = .failed
                records[job]?.ended = now
                onEnd(&self, job)
            case .wake(let time): if time != .max { at(time, .tick) }
            }
        }
    }

    private mutating func begin(_ worker: Int, _ job: Int) {
        guard let record = records[job], let process = processes[worker] else {
            expect(false, "job \(job) runs on nothing")
            return
        }
        expect(record.state == .waiting, "job \(job) runs twice")
        expect(process.isReady, "job \(job) runs on a worker that is not ready")
        expect(!process.isFrozen, "job \(job) runs on a frozen worker")
        expect(process.pool == record.job.pool, "job \(job) runs on another function's worker")
        // The owner's worker refuses what comes when it is ending; its end puts the job back.
        processes[worker]?.jobs.insert(job)
        records[job]?.state = .running(worker)
        records[job]?.began = now
        records[job]?.starts += 1
        let share = record.job.duration * Int64(record.left) / Int64(record.job.calls)
        if let crash = record.job.crashesAfter, crash < share {
            at(now + crash, .crash(worker, job))
        } else if !record.job.hangs {
            at(now + share, .finish(worker, job))
        }
    }

    func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition { found.all.append("at \(now): \(problem())") }
    }
}
