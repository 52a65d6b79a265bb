internal import CloudEvents
internal import Functions
internal import Logging
internal import Sandboxes
internal import Synchronization

/// What the pool machine decides, done.
extension FunctionInvoker {
    func handle(_ event: PoolMachine.Event, failure: StartFailure? = nil) {
        handle(failure: failure) { state, now, actions in state.machine.handle(event, now: now, &actions) }
    }

    /// Lets the machine decide something and does what it says.
    func handle(
        failure: StartFailure? = nil,
        _ decide: (inout State, Int64, inout [PoolMachine.Action]) -> Void
    ) {
        var actions: [PoolMachine.Action] = []
        state.withLock { state in
            decide(&state, MonotonicClock.milliseconds, &actions)
            // Two threads may do their actions in any order; a worker that is thawed and then frozen by an older decision
            // would hang with its job. These two are put on their way in the order in which they were decided.
            for action in actions {
                switch action {
                case .freeze(let worker): state.sessions[worker]?.freeze()
                case .thaw(let worker): state.sessions[worker]?.thaw()
                default: break
                }
            }
        }
        for action in actions { perform(action, failure) }
    }

    private func perform(_ action: PoolMachine.Action, _ failure: StartFailure?) {
        switch action {
        case .start(let worker, let pool, let reason): start(worker, pool, reason)
        case .startStem(let id, let flavour): startStem(id, flavour, isZygote: false)
        case .startZygote(let id, let flavour): startStem(id, flavour, isZygote: true)
        case .run(let worker, let job):
            let (session, job) = state.withLock { ($0.sessions[worker], $0.jobs[job]) }
            // A worker that ended in between refuses; its end puts the job back.
            if let session, let job { _ = session.begin(job) }
        case .check(let worker, let job):
            if let session = session(worker) {
                handle(.progressed(worker, job, answered: session.progress(of: job)))
            }
        case .expire(let worker, let job):
            session(worker)?.expire(job)
            if let settled = state.withLock({ $0.jobs[job] }) { complete(settled) }
        case .freeze, .thaw: break
        case .kill(let worker, let reason):
            let (session, stem) = state.withLock { ($0.sessions[worker], $0.stems[worker]) }
            if let session { session.kill(reason) } else { stem?.kill() }
        case .abandon(let worker):
            if let session = session(worker) { ended(session, nil) }
        case .retire(let worker): session(worker)?.retire()
        case .fail(let job, let reason): fail(job, reason, failure)
        case .wake(let time): launcher.wake(at: time)
        }
    }

    private func session(_ worker: PoolMachine.WorkerID) -> (any FunctionWorker)? {
        state.withLock { $0.sessions[worker] }
    }

    // MARK: Workers

    private func start(_ id: PoolMachine.WorkerID, _ pool: PoolMachine.Pool, _ reason: StartReason) {
        let (known, stem) = state.withLock { state in
            let flavour = state.machine.pools[pool]?.definition.flavour
            let helper =
                switch reason.way {
                case .stem: state.stems.removeValue(forKey: id)
                case .zygote: flavour.flatMap { state.zygote(for: $0) }
                case .exec, .container: Stem?.none
                }
            return (state.versions[pool], helper)
        }
        guard let version = known else { return }
        guard let kind = kinds.first(where: { $0.runs(version) }) else {
            notStarted(id, "functions of the runtime \(version.runtime.rawValue) cannot run here")
            return
        }
        let session = kind.make(
            WorkerOrder(
                id: id, pool: pool, version: version, token: makeIDs(1, at: 0)[0], reason: reason, stem: stem),
            owner: self)
        state.withLock { $0.sessions[id] = session }
        do {
            try session.start()
        } catch  where error.code == .stemLost {
            state.withLock { _ = $0.sessions.removeValue(forKey: id) }
            handle(.lostOnTheWay(id))
            handle(.ended(id, requeue: []))
        } catch {
            notStarted(id, error.message)
        }
    }

    private func notStarted(_ id: PoolMachine.WorkerID, _ reason: String) {
        logger.warning("a worker cannot be started", metadata: ["reason": "\(reason)"])
        let failure = StartFailure(status: .internalError, result: ResultText.error(reason))
        state.withLock { _ = $0.sessions.removeValue(forKey: id) }
        handle(.failedToStart(id), failure: failure)
        handle(.ended(id, requeue: []))
    }

    /// A worker is gone (`end` is `nil`: it was killed and has not been seen to end).
    func ended(_ session: any FunctionWorker, _ end: WorkerEnd?) {
        guard session.settleEnd(end) else { return }
        var settled: [Job] = []
        handle(failure: session.startFailure(end)) { state, now, actions in
            state.sessions.removeValue(forKey: session.id)
            let worker = state.machine.workers[session.id]
            if worker?.phase == .idle, session.mayEndAfterAnswer, case .exited? = end {
                state.machine.noteEndsAfterAnswer(session.pool)
                if state.endAfterAnswer.count >= 10_000 { state.endAfterAnswer = [] }
                state.endAfterAnswer.insert(session.version.digest)
            }
            var requeue: [PoolMachine.Rest] = []
            for running in worker?.jobs ?? [] {
                guard let job = state.jobs[running.entry.job] else { continue }
                if job.remaining == 0 {
                    settled.append(job)
                } else {
                    requeue.append(.init(job: job.id, calls: job.remaining))
                }
            }
            state.machine.handle(.ended(session.id, requeue: requeue), now: now, &actions)
            forget(session.pool, &state)
        }
        for job in settled { complete(job) }
    }

    func complete(_ job: Job) {
        state.withLock { _ = $0.jobs.removeValue(forKey: job.id) }
        job.completeIfSettled()
    }

    // MARK: Stems

    private func startStem(_ id: PoolMachine.WorkerID, _ flavour: String, isZygote: Bool) {
        guard let kind = kinds.first(where: { $0.makes(flavour) }) else { return }
        let stem = Stem(id: id, flavour: flavour, owner: self)
        let zygote = state.withLock { state in
            state.stems[id] = stem
            if isZygote { state.zygotes[flavour] = stem }
            return isZygote ? nil : state.zygote(for: flavour)
        }
        do {
            if isZygote { try kind.startZygote(stem) } else { try kind.start(stem, zygote: zygote) }
        } catch {
            logger.warning("a stem cannot be started", metadata: ["kind": "\(flavour)", "reason": "\(error.message)"])
            forget(stem)
        }
    }

    /// A stem is gone before it became a worker, or a zygote.
    func ended(_ stem: Stem, _ end: WorkerEnd) {
        if case .notStarted(let error) = end {
            logger.warning(
                "a stem cannot be started", metadata: ["kind": "\(stem.flavour)", "reason": "\(error.message)"])
        }
        forget(stem)
    }

    private func forget(_ stem: Stem) {
        state.withLock { state in
            state.stems[stem.id] = nil
            if state.zygotes[stem.flavour] === stem { state.zygotes[stem.flavour] = nil }
        }
        handle(.ended(stem.id, requeue: []))
    }

    /// A stem could not be made the worker of a version; another way is taken.
    func note(lost pool: PoolMachine.Pool, _ error: SandboxError) {
        logger.warning("a stem did not become a worker", metadata: ["reason": "\(error.message)"])
    }

    /// What a stem writes before it has code is a fault of ours or of the installation.
    func note(stem flavour: String, wrote text: String) {
        logger.warning("a stem wrote something", metadata: ["kind": "\(flavour)", "text": "\(text)"])
    }

    // MARK: Failures

    private func fail(_ id: PoolMachine.JobID, _ reason: PoolMachine.Failure, _ failure: StartFailure?) {
        guard let job = state.withLock({ $0.jobs[id] }) else { return }
        let own: StartFailure =
            switch reason {
            case .stopped: .init(status: .internalError, result: ResultText.error("the server is stopping"))
            case .startFailed:
                failure
                    ?? .init(
                        status: .developerError,
                        result: ResultText.error("the function's code was not loaded in time"))
            case .tooLarge(let budget): .init(status: .developerError, result: Self.tooLarge(job.version, budget))
            }
        job.settle(failed(job.calls[job.settled...], job.reference, own, submitted: job.submitted))
        complete(job)
    }

    private static func tooLarge(_ version: FunctionVersion, _ budget: Int64) -> [UInt8] {
        ResultText.error(
            "the function asks for \((version.limits.memory + version.staging.outputMemory) >> 20) MiB of memory, more than the \(budget >> 20) MiB that "
                + "all workers of this server together may have")
    }

    func failed(
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
}
