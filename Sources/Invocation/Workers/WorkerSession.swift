internal import CloudEvents
internal import Egress
internal import Functions
internal import Glibc
internal import Sandboxes
internal import Staging
internal import Synchronization

/// One worker process's work: turns calls into frames, answers into activations, and its end into what the calls deserve.
final class WorkerSession: FunctionWorker, WorkerHandler {
    var id: PoolMachine.WorkerID { order.id }
    var pool: PoolMachine.Pool { order.pool }
    var version: FunctionVersion { order.version }
    private let order: WorkerOrder
    let owner: FunctionInvoker
    private let launcher: Launcher
    let state: Mutex<State>
    private let process = Mutex<Worker?>(nil)

    /// What the handler takes, as the runner says.
    enum HandlerKind: String { case event, arguments, batch }

    struct State {
        var worker: Worker?
        var handlerKind = HandlerKind.event
        var isReady = false
        var hasEnded = false
        /// When the start was asked for, milliseconds since 1970; reported with the first call.
        var startBegan: Int64
        var initMilliseconds: Int64?
        var job: Job?
        var frame = 0
        /// The frame's calls are those of the job from here on …
        var frameFirst = 0
        var frameCount = 0
        /// … with these ids, of which so many are answered.
        var ids: [String] = []
        var answered = 0
        /// When the frame was sent, and how long its answered calls ran.
        var frameStart: Int64 = 0
        var ranNanoseconds: Int64 = 0
        var logs: LogCollector
        var killReason: PoolMachine.Reason?
        /// How many of the job's calls were done when the kill was decided.
        var killProgress = 0
        var misbehaviour: String?
        var hasAnswered = false
        /// When the worker's processes are counted next, monotonic milliseconds.
        var looksAt: Int64 = 0
        /// Its job's files are being shown to it; the frame is not sent yet.
        var isShowing = false
        /// Of a worker that functions share.
        var functions = LoadedFunctions()
        /// Why it cannot have what its function asks for.
        var equipmentFailure: StartFailure?
        /// Its way out to the network.
        var wayOut: EgressListener?
    }

    init(_ order: WorkerOrder, launcher: Launcher, owner: FunctionInvoker) {
        self.order = order
        self.launcher = launcher
        self.owner = owner
        state = Mutex(
            State(
                startBegan: TimeOfDay.milliseconds,
                logs: LogCollector(token: order.token, limit: order.version.limits.logs)))
    }

    func start() throws(SandboxError) {
        guard Equipping.isNeeded(version) else {
            try launch(nil)
            return
        }
        // What it is given waits for disks.
        Task {
            switch await owner.equipping.prepare(version, launcher.isolation) {
            case .success(let equipment):
                do throws(SandboxError) {
                    if state.withLock({ $0.killReason != nil }) {
                        throw SandboxError(.stopped, "the worker was stopped before it had started")
                    }
                    try launch(equipment)
                } catch {
                    equipment.listener?.close()
                    owner.ended(self, .notStarted(error))
                }
            case .failure(let error): unequipped(error)
            }
        }
    }

    /// It cannot have what its function asks for.
    private func unequipped(_ error: StagingError) {
        state.withLock {
            $0.equipmentFailure = StartFailure(status: .stagingError, result: ResultText.error(error.message))
        }
        if let worker = process.withLock({ $0 }) {
            worker.kill()
        } else {
            owner.ended(self, .notStarted(SandboxError(.startFailed, error.message)))
        }
    }

    /// Starts the process, or takes the stem, and gives it what it is to run when it has all that it is to see.
    private func launch(_ equipment: Equipment?) throws(SandboxError) {
        let isolation = launcher.isolation
        var specification = WorkerSpecification(version, owner.configuration, isolation)
        if order.reason.way == .stem {
            let worker = try order.start(specification, launcher, handler: self)
            settle(on: worker)
            order.show(specification.mountsForStem(isolation), to: worker, owner) { [weak self] in
                self?.sendSettings(isStem: true)
            }
            return
        }
        owner.equipping.allowScratch(&specification, version, canAttach: isolation?.canAttach == true)
        if let equipment { owner.equipping.complete(&specification, equipment) }
        let worker = try order.start(specification, launcher, handler: self)
        settle(on: worker)
        guard let equipment else {
            begin()
            return
        }
        owner.equipping.equip(worker, equipment) { [self] outcome in
            switch outcome {
            case .success(let listener):
                let hasEnded = state.withLock { state in
                    state.wayOut = listener
                    return state.hasEnded
                }
                if hasEnded { listener?.close() } else { begin() }
            case .failure(let error): unequipped(error)
            }
        }
    }

    private func begin() {
        // Who is forked has the environment of who forks.
        if version.runtime.isFramed { sendSettings(isStem: order.reason.way == .zygote) } else { becomeReady() }
    }

    private func settle(on worker: Worker) {
        process.withLock { $0 = worker }
        state.withLock { $0.worker = worker }
    }

    private func sendSettings(isStem: Bool) {
        let paths = WorkerPaths(version, owner.configuration, launcher.isolation)
        process.withLock { $0 }?.send(
            RunnerSettings.frame(
                version, paths, marker: order.token, answerLimit: owner.configuration.answerLimit,
                isStem: isStem))
    }

    private func becomeReady() {
        state.withLock { state in
            state.isReady = true
            state.initMilliseconds = 0
        }
        owner.handle(.ready(id))
    }

    // Under the owner's lock, so that the session's own, under which the owner is asked things, must not be taken.
    func freeze() {
        guard let worker = process.withLock({ $0 }) else { return }
        if version.runtime.isFramed, worker.hasProcessesBeside { worker.kill() } else { worker.freeze() }
    }
    func thaw() { process.withLock { $0 }?.thaw() }

    /// A program may answer once and end; a runner never does so by itself.
    var mayEndAfterAnswer: Bool { !version.runtime.isFramed }

    /// Sends the job's first frame; `false` when the worker is gone already.
    func begin(_ job: Job) -> Bool {
        state.withLock { state in
            guard !state.hasEnded, state.killReason == nil, state.worker != nil else { return false }
            state.job = job
            if job.attachments.isEmpty { sendFrame(&state) } else { state.isShowing = true }
            return true
        } && showFiles(of: job)
    }

    /// Shows the files of a job's calls, if there are any, and sends the first frame.
    private func showFiles(of job: Job) -> Bool {
        guard !job.attachments.isEmpty, let worker = process.withLock({ $0 }) else { return true }
        worker.show(job.attachments[...]) { [self] error in
            guard let error else {
                return state.withLock { state in
                    state.isShowing = false
                    // What has ended meanwhile has left the job to another worker.
                    if !state.hasEnded, state.job === job { sendFrame(&state) }
                }
            }
            let isOurs = state.withLock { state in
                state.isShowing = false
                guard !state.hasEnded, state.job === job else { return false }
                state.job = nil
                return true
            }
            guard isOurs else { return }
            job.settle(owner.failed(job, error))
            hideFiles(of: job, worker)
        }
        return true
    }

    /// Takes the files of a job out that has been done, and is ready for another.
    private func hideFiles(of job: Job, _ worker: Worker) {
        worker.hide(job.attachments[...]) { [self] error in
            if error == nil, !leavesProcesses(worker) {
                owner.handle(.finished(id, job.id))
            } else {
                // It must not see the files of this call in the next one.
                worker.kill()
            }
            owner.complete(job)
        }
    }

    /// Milliseconds between two looks at a worker's processes.
    private static var lookPause: Int64 { 20 }

    /// Whether the function left processes running after its answer. Its worker is not used again then: they would go on
    /// beside the next call, and pile up. Looked at not more often than every ``lookPause``, and when the worker has nothing
    /// to do.
    private func leavesProcesses(_ worker: Worker) -> Bool {
        // A program may have its own ways of answering lines, with processes that it keeps.
        guard version.runtime.isFramed else { return false }
        let now = MonotonicClock.milliseconds
        let isDue = state.withLock { state in
            guard now >= state.looksAt else { return false }
            state.looksAt = now + Self.lookPause
            return true
        }
        return isDue && worker.hasProcessesBeside
    }

    func kill(_ reason: PoolMachine.Reason) {
        let done = progress()
        let worker = state.withLock { state in
            state.killReason = reason
            state.killProgress = done
            return state.worker
        }
        worker?.kill()
    }

    func retire() { state.withLock { $0.worker }?.closeInput() }

    func progress(of _: PoolMachine.JobID) -> Int { progress() }

    func progress() -> Int {
        state.withLock { state in
            guard let job = state.job else { return 0 }
            var count = job.settled
            if !state.isShowing, let content = state.worker?.ledger?.content(), content.frame == UInt64(state.frame) {
                let lines = content.lines.count { $0 == 0x0A }
                count = max(count, state.frameFirst + content.firstIndex + lines)
            }
            return count
        }
    }

    // MARK: Frames

    func sendFrame(_ state: inout State) {
        guard let job = state.job, let worker = state.worker else { return }
        var function: Int?
        if version.limits.scaling.isShared {
            guard let loaded = state.functions.find(job.version) else {
                load(job, &state)
                return
            }
            (function, state.handlerKind) = loaded
            forgetOthersWords(loaded.number, &state)
        }
        let first = job.settled
        let now = TimeOfDay.milliseconds
        state.frame += 1
        state.frameFirst = first
        state.answered = 0
        state.ranNanoseconds = 0
        state.frameStart = now
        state.ids.removeAll(keepingCapacity: true)
        state.logs.begin(frame: state.frame)
        if !version.runtime.isFramed {
            state.frameCount = 1
            state.ids = owner.ids(of: job.calls[first...first], at: now)
            let call = job.calls[first]
            worker.send(
                version.call == .actionLoop
                    ? ActionLoopLine.encode(call, version: version, id: state.ids[0], now: now)
                    : ProgramLine.encode(call, version: version, id: state.ids[0], now: now))
            return
        }
        // What a call does with the network is counted for it alone.
        let limit = state.wayOut == nil ? owner.configuration.frameCalls : 1
        let last = min(job.calls.count, first + limit)
        let isBatch = state.handlerKind == .batch
        state.ids = owner.ids(of: job.calls[first..<(isBatch ? first + 1 : last)], at: now)
        var frame = CallFrame(number: state.frame, capacity: 256 + (last - first) * 512)
        var index = first
        while index < last, frame.size < owner.configuration.frameBytes {
            frame.add(
                job.calls[index], id: state.ids[isBatch ? 0 : index - first],
                deadline: state.handlerKind == .arguments ? now + version.limits.timeout : nil)
            index += 1
        }
        state.frameCount = index - first
        worker.send(frame.finish(function: function))
    }

    // MARK: The worker speaks (on the I/O thread)

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {
        // What the call wrote is in the pipes already: a runner flushes before it answers.
        worker.drainLogs()
        let now = TimeOfDay.milliseconds
        var completed: Job?
        var isReady = false
        var failure: StartFailure?
        var misbehaviour: String?
        state.withLock { state in
            guard !state.hasEnded else { return }
            if !state.isReady {
                (isReady, failure) = readHello(message, now, &state)
                return
            }
            if state.functions.loading != nil {
                completed = readLoaded(message, now, &state)
                return
            }
            // What comes while the kill for a timeout is on its way still counts; only the end says which call was hit.
            guard let job = state.job, state.killReason == nil || state.killReason == .timeout else {
                misbehaviour = state.killReason == nil ? "it sent something that was not asked for" : nil
                return
            }
            state.logs.endLines(time: now, observe: observer(state))
            var activations: [Activation] = []
            activations.reserveCapacity(min(state.frameCount, 256))
            misbehaviour = readAnswers(message, job, now, &state, &activations)
            job.settle(activations)
            guard misbehaviour == nil, state.answered == state.frameCount else { return }
            if job.remaining > 0 {
                if state.killReason == nil { sendFrame(&state) }
            } else {
                state.job = nil
                completed = job
            }
        }
        if isReady { owner.handle(.ready(id)) }
        if let failure { owner.handle(.failedToStart(id), failure: failure) }
        if let misbehaviour { self.worker(worker, misbehaved: misbehaviour) }
        if let completed {
            if completed.attachments.isEmpty {
                let isUsedUp =
                    state.withLock { $0.functions.isUsedUp(of: version.limits.memory) } || leavesProcesses(worker)
                if isUsedUp { worker.kill() } else { owner.handle(.finished(id, completed.id)) }
                owner.complete(completed)
            } else {
                hideFiles(of: completed, worker)
            }
        }
    }

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        let now = TimeOfDay.milliseconds
        state.withLock { state in
            state.logs.add(bytes, toError: toError, time: now, observe: observer(state))
        }
    }

    func worker(_ worker: Worker, misbehaved reason: String) {
        state.withLock { $0.misbehaviour = $0.misbehaviour ?? reason }
        owner.handle(.misbehaved(id))
    }

    func worker(_ worker: Worker, ended end: WorkerEnd) {
        state.withLock { $0.wayOut }?.close()
        if order.reason.way == .zygote, !state.withLock({ $0.isReady }), Self.isZygotesFault(end) {
            owner.handle(.lostOnTheWay(id))
        }
        owner.ended(self, end)
    }

    /// Whether a worker that was not ready yet ended because its zygote ended, and all that it had forked with it.
    static func isZygotesFault(_ end: WorkerEnd) -> Bool {
        switch end {
        case .notStarted(let error): error.code == .stemLost
        case .exited(let record): record.signal == SIGKILL && !record.outOfMemory
        case .launcherLost: false
        }
    }

    private func observer(_ state: borrowing State) -> ((Int, Activation.LogLine) -> Void)? {
        guard let observe = owner.logObserver else { return nil }
        let ids = state.ids
        let reference = state.job?.reference
        return { call, line in
            guard let reference, let id = call < ids.count ? ids[call] : ids.last else { return }
            observe(LogNotice(function: reference, activationID: id, line: line))
        }
    }

    private func readHello(
        _ message: UnsafeRawBufferPointer, _ now: Int64, _ state: inout State
    ) -> (Bool, StartFailure?) {
        if let hello = try? JSONValue(parsing: message), hello["ready"] == .bool(true) {
            state.handlerKind = (hello["kind"]?.string).flatMap(HandlerKind.init) ?? .event
            if state.handlerKind == .batch { owner.noteTakesBatches(version) }
            state.isReady = true
            state.initMilliseconds = now - state.startBegan
            // Not behind the first call, whose client has waited for a start: behind a later one, or before the rest.
            state.looksAt = MonotonicClock.milliseconds + Self.lookPause
            return (true, nil)
        }
        let answer = try? Answer(runnerLine: message)
        state.logs.endLines(time: now, observe: nil)
        let logs = state.logs.take(call: 0)
        return (
            false,
            .init(
                status: .developerError,
                result: answer?.result ?? ResultText.error("the worker did not say what it runs"), logs: logs)
        )
    }

    /// Reads answer lines into activations; a text when they are not what was agreed.
    func readAnswers(
        _ message: UnsafeRawBufferPointer, _ job: Job, _ now: Int64, _ state: inout State,
        _ activations: inout [Activation], skip: Int = 0
    ) -> String? {
        var skip = skip
        var start = 0
        while start < message.count {
            var end = start
            while end < message.count, message[end] != 0x0A { end += 1 }
            let line = UnsafeRawBufferPointer(rebasing: message[start..<end])
            start = end + 1
            if skip > 0 {
                skip -= 1
                continue
            }
            guard state.answered < state.frameCount else { return "it sent more answers than there were calls" }
            do {
                let answer =
                    version.runtime.isFramed
                    ? try Answer(runnerLine: line)
                    : try Answer(
                        programLine: line, runNanoseconds: max(0, now - state.frameStart) * 1_000_000,
                        mayPublish: version.call != .actionLoop)
                add(answer, job, now, &state, &activations)
            } catch {
                return "its answer is \(error)"
            }
        }
        return nil
    }

    /// Makes the activation of the running call; of all calls of the frame when the handler took them together.
    func add(_ answer: Answer, _ job: Job, _ now: Int64, _ state: inout State, _ activations: inout [Activation]) {
        let isBatch = state.handlerKind == .batch && version.runtime.isFramed
        let start = state.frameStart + state.ranNanoseconds / 1_000_000
        state.ranNanoseconds += answer.runNanoseconds
        let end = max(start, state.frameCount == 1 ? now : state.frameStart + state.ranNanoseconds / 1_000_000)
        let logs = state.logs.isEmpty ? nil : state.logs.take(call: isBatch ? 0 : state.answered)
        let network = state.wayOut?.take()
        let count = isBatch ? state.frameCount : 1
        for index in state.answered..<(state.answered + count) {
            let isFirst = index == state.answered
            var activation = Activation(
                id: state.ids[isBatch ? 0 : index], function: job.reference,
                cause: job.calls[state.frameFirst + index].cause, status: answer.status, result: answer.result,
                published: isFirst ? answer.published : [], logs: isFirst ? logs?.lines ?? [] : [],
                logsTruncated: logs?.isTruncated ?? false, start: start, end: end,
                runNanoseconds: answer.runNanoseconds, waitMilliseconds: max(0, start - job.submitted),
                initMilliseconds: state.initMilliseconds,
                coldStart: state.initMilliseconds == nil ? nil : order.coldStart,
                isolation: state.worker?.isolation ?? 0)
            if isFirst, let network, !network.isEmpty { activation.note(network, time: now) }
            activations.append(activation)
        }
        state.initMilliseconds = nil
        state.hasAnswered = true
        state.answered += count
    }
}
