internal import CloudEvents
internal import Functions
internal import Sandboxes
internal import Synchronization

/// One worker process that runs several calls at a time, each in a frame of its own; see
/// `Runtimes/python/weir_runner/overlapping.py`.
///
/// What a call that runs alone has and this has not: files of its own and a way to the network, which could not be told
/// apart by call; versions that ask for both are refused when they are deployed.
final class OverlappingSession: FunctionWorker, WorkerHandler {
    var id: PoolMachine.WorkerID { order.id }
    var pool: PoolMachine.Pool { order.pool }
    var version: FunctionVersion { order.version }
    let order: WorkerOrder
    let owner: FunctionInvoker
    private let launcher: Launcher
    private let state: Mutex<State>
    private let process = Mutex<Worker?>(nil)

    /// A job and its running call.
    private struct Run {
        var job: Job
        var frame: Int
        var activation: String
        var start: Int64
    }

    private struct State {
        var isReady = false
        var hasEnded = false
        var startBegan: Int64
        var initMilliseconds: Int64?
        /// By the frame of their running calls.
        var runs: [Int: Run] = [:]
        var frame = 0
        var logs: OverlappingLogs
        var killReason: PoolMachine.Reason?
        var misbehaviour: String?
    }

    init(_ order: WorkerOrder, launcher: Launcher, owner: FunctionInvoker) {
        self.order = order
        self.launcher = launcher
        self.owner = owner
        state = Mutex(
            State(
                startBegan: TimeOfDay.milliseconds,
                logs: OverlappingLogs(token: order.token, limit: order.version.limits.logs)))
    }

    // MARK: Starting

    func start() throws(SandboxError) {
        let specification = WorkerSpecification(version, owner.configuration, launcher.isolation)
        let worker = try order.start(specification, launcher, handler: self)
        process.withLock { $0 = worker }
        // Who is forked or was a stem has the environment of another.
        let isStem = order.reason.way == .stem || order.reason.way == .zygote
        guard order.reason.way == .stem else { return sendSettings(isStem: isStem) }
        order.show(specification.mountsForStem(launcher.isolation), to: worker, owner) { [weak self] in
            self?.sendSettings(isStem: isStem)
        }
    }

    private func sendSettings(isStem: Bool) {
        let paths = WorkerPaths(version, owner.configuration, launcher.isolation)
        process.withLock { $0 }?.send(
            RunnerSettings.frame(
                version, paths, marker: order.token, answerLimit: owner.configuration.answerLimit, isStem: isStem))
    }

    // MARK: Jobs

    func begin(_ job: Job) -> Bool {
        let frame = state.withLock { state -> [UInt8]? in
            guard state.isReady, !state.hasEnded, state.killReason == nil else { return nil }
            return next(job, &state)
        }
        guard let frame else { return false }
        process.withLock { $0 }?.send(frame)
        return true
    }

    /// The frame of a job's next call.
    private func next(_ job: Job, _ state: inout State) -> [UInt8] {
        let now = TimeOfDay.milliseconds
        let call = job.calls[job.settled]
        state.frame += 1
        let run = Run(job: job, frame: state.frame, activation: owner.ids(of: [call], at: now)[0], start: now)
        state.runs[state.frame] = run
        var frame = CallFrame(number: state.frame, capacity: 1024)
        frame.add(call, id: run.activation, deadline: nil)
        return frame.finish()
    }

    func progress(of job: PoolMachine.JobID) -> Int {
        state.withLock { $0.runs.values.first { $0.job.id == job }?.job.settled ?? 0 }
    }

    /// The call is told that its time is over; the worker goes on with the others, and what it says of this one later is
    /// not listened to.
    func expire(_ job: PoolMachine.JobID) {
        let now = TimeOfDay.milliseconds
        state.withLock { state in
            guard let run = state.runs.values.first(where: { $0.job.id == job }), !state.hasEnded else { return }
            state.runs[run.frame] = nil
            let result = ResultText.error(
                "the function did not end within \(WorkerSession.text(milliseconds: version.limits.timeout))")
            settle(run, Answer(status: .timeout, runNanoseconds: ran(run, now), result: result), now, &state)
            for call in run.job.calls[run.job.settled...] {
                // What stood behind it in the same job has not run.
                run.job.settle([
                    Activation(
                        id: owner.ids(of: [call], at: now)[0], function: run.job.reference, cause: call.cause,
                        status: .timeout, result: result, start: now, end: now, isolation: isolation)
                ])
            }
        }
    }

    func kill(_ reason: PoolMachine.Reason) {
        state.withLock { $0.killReason = $0.killReason ?? reason }
        process.withLock { $0 }?.kill()
    }

    func retire() { process.withLock { $0 }?.closeInput() }
    func freeze() {
        guard let worker = process.withLock({ $0 }) else { return }
        if worker.hasProcessesBeside { worker.kill() } else { worker.freeze() }
    }
    func thaw() { process.withLock { $0 }?.thaw() }

    private var isolation: Int { process.withLock { $0 }?.isolation ?? 0 }

    private func ran(_ run: Run, _ now: Int64) -> Int64 { max(0, now - run.start) * 1_000_000 }

    private func settle(_ run: Run, _ answer: Answer, _ now: Int64, _ state: inout State) {
        let logs = state.logs.take(frame: run.frame)
        run.job.settle([
            Activation(
                id: run.activation, function: run.job.reference, cause: run.job.calls[run.job.settled].cause,
                status: answer.status, result: answer.result, published: answer.published, logs: logs?.lines ?? [],
                logsTruncated: logs?.isTruncated ?? false, start: run.start, end: max(run.start, now),
                runNanoseconds: answer.runNanoseconds, waitMilliseconds: max(0, run.start - run.job.submitted),
                initMilliseconds: state.initMilliseconds,
                coldStart: state.initMilliseconds == nil ? nil : order.coldStart, isolation: isolation)
        ])
        state.initMilliseconds = nil
    }

    // MARK: The worker speaks (on the I/O thread)

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {
        // What a call wrote is in the pipes before its answer is on the socket.
        worker.drainLogs()
        let now = TimeOfDay.milliseconds
        var isReady = false
        var failure: StartFailure?
        var misbehaviour: String?
        var completed: Job?
        var frame: [UInt8]?
        state.withLock { state in
            guard !state.hasEnded else { return }
            guard state.isReady else {
                failure = readHello(message, now, &state)
                isReady = failure == nil
                return
            }
            do throws(JSONError) {
                let answer = try Answer(runnerLine: message)
                guard let number = answer.frame, (1...state.frame).contains(number) else {
                    misbehaviour = "its answer does not say what it is to"
                    return
                }
                // One whose time was over.
                guard let run = state.runs.removeValue(forKey: number) else {
                    _ = state.logs.take(frame: number)
                    return
                }
                settle(run, answer, now, &state)
                if run.job.remaining == 0 {
                    completed = run.job
                } else if state.killReason == nil {
                    frame = next(run.job, &state)
                }
            } catch {
                misbehaviour = "its answer is \(error)"
            }
        }
        if let frame { worker.send(frame) }
        if isReady { owner.handle(.ready(id)) }
        if let failure { owner.handle(.failedToStart(id), failure: failure) }
        if let misbehaviour { self.worker(worker, misbehaved: misbehaviour) }
        if let completed {
            owner.handle(.finished(id, completed.id))
            owner.complete(completed)
        }
    }

    /// `nil`: it is ready.
    private func readHello(
        _ message: UnsafeRawBufferPointer, _ now: Int64, _ state: inout State
    ) -> StartFailure? {
        let hello = try? JSONValue(parsing: message)
        if hello?["ready"] == .bool(true), hello?["concurrent"] == .bool(true) {
            state.isReady = true
            state.initMilliseconds = now - state.startBegan
            return nil
        }
        let said = (try? Answer(runnerLine: message))?.result
        let refused =
            hello?["ready"] == .bool(true)
            ? "concurrentEvents needs a handler of single events: handle(event, context) or main(args)"
            : "the worker did not say what it runs"
        return StartFailure(
            status: .developerError, result: said ?? ResultText.error(refused), logs: state.logs.take(frame: 0))
    }

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        let now = TimeOfDay.milliseconds
        state.withLock { state in
            let runs = state.runs
            let observe = owner.logObserver.map { observe in
                { (frame: Int, line: Activation.LogLine) in
                    guard let run = runs[frame] else { return }
                    observe(LogNotice(function: run.job.reference, activationID: run.activation, line: line))
                }
            }
            state.logs.add(bytes, toError: toError, time: now, observe: observe)
        }
    }

    func worker(_ worker: Worker, misbehaved reason: String) {
        state.withLock { $0.misbehaviour = $0.misbehaviour ?? reason }
        owner.handle(.misbehaved(id))
    }

    func worker(_ worker: Worker, ended end: WorkerEnd) {
        let isReady = state.withLock { $0.isReady }
        if !isReady, order.reason.way == .zygote, WorkerSession.isZygotesFault(end) { owner.handle(.lostOnTheWay(id)) }
        owner.ended(self, end)
    }

    // MARK: Its end

    /// All calls that were running fail, for none can be told to be the one at fault; the rest is left for another worker.
    func settleEnd(_ end: WorkerEnd?) -> Bool {
        let now = TimeOfDay.milliseconds
        return state.withLock { state in
            guard !state.hasEnded else { return false }
            state.hasEnded = true
            state.logs.endLines(time: now)
            let (status, text) = outcome(of: end, state)
            let others = state.runs.count - 1
            let hint = others > 0 && status == .developerError ? "; \(others) more calls ran in it" : ""
            for run in state.runs.values.sorted(by: { $0.frame < $1.frame }) {
                settle(
                    run,
                    Answer(status: status, runNanoseconds: ran(run, now), result: ResultText.error(text + hint)), now,
                    &state)
            }
            state.runs = [:]
            return true
        }
    }

    private func outcome(of end: WorkerEnd?, _ state: borrowing State) -> (Activation.Status, String) {
        if let reason = state.misbehaviour { return (.developerError, "the function's process was stopped: \(reason)") }
        switch state.killReason {
        case .timeout:
            return (
                .timeout, "the function did not end within \(WorkerSession.text(milliseconds: version.limits.timeout))"
            )
        case .idle, .evicted, .startTimeout, .misbehaved: return (.internalError, "the function's process was stopped")
        case nil: break
        }
        switch end {
        case .exited(let record): return (.developerError, WorkerSession.text(record))
        case .notStarted(let error): return (.internalError, error.message)
        case .launcherLost:
            return (.internalError, owner.isStopping ? "the server is stopping" : WorkerSession.launcherLost)
        case nil: return (.internalError, "the function's process does not end")
        }
    }

    func startFailure(_ end: WorkerEnd?) -> StartFailure? {
        state.withLock { state in
            guard !state.isReady else { return nil }
            state.logs.endLines(time: TimeOfDay.milliseconds)
            let logs = state.logs.take(frame: 0)
            switch end {
            case .exited(let record):
                let text = "the code could not be loaded: " + WorkerSession.text(record)
                return StartFailure(status: .developerError, result: ResultText.error(text), logs: logs)
            case .notStarted(let error):
                return StartFailure(status: .internalError, result: ResultText.error(error.message), logs: logs)
            case .launcherLost:
                return StartFailure(
                    status: .internalError, result: ResultText.error(WorkerSession.launcherLost), logs: logs)
            case nil: return nil
            }
        }
    }
}
