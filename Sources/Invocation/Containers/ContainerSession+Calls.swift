internal import CloudEvents
internal import Functions
internal import Sandboxes
internal import Synchronization

/// Jobs: one call after the other, several jobs side by side where the version allows it.
extension ContainerSession {
    /// How long the marks at the end of a run's log are waited for, milliseconds: as OpenWhisk does it, from an image that
    /// writes them; shortly, from one of which that is not known yet.
    static var patience: Int64 { 2_000 }
    private static var firstPatience: Int64 { 100 }

    func begin(_ job: Job) -> Bool {
        let canBegin = state.withLock { state in
            guard state.isReady, !state.hasEnded, state.killReason == nil else { return false }
            state.runs[job.id] = next(job)
            return true
        }
        guard canBegin else { return false }
        Task { await run(job) }
        return true
    }

    func progress(of job: PoolMachine.JobID) -> Int { state.withLock { $0.runs[job]?.job.settled ?? 0 } }

    /// The call gets its answer now, the container goes on with others.
    func expire(_ id: PoolMachine.JobID) {
        let now = TimeOfDay.milliseconds
        state.withLock { state in
            guard let run = state.runs.removeValue(forKey: id), !state.hasEnded else { return }
            let answer = Answer(
                status: .timeout, runNanoseconds: max(0, now - run.start) * 1_000_000, result: timeoutResult)
            run.job.settle([activation(run, answer, now, &state)])
            for call in run.job.calls[run.job.settled...] {
                // What stood behind it in the same job has not run.
                let id = owner.ids(of: [call][...], at: now)[0]
                run.job.settle([
                    Activation(
                        id: id, function: run.job.reference, cause: call.cause, status: .timeout,
                        result: timeoutResult, start: now, end: now, isolation: state.isolation)
                ])
            }
        }
    }

    var timeoutResult: [UInt8] {
        ResultText.error(
            "the function did not end within \(WorkerSession.text(milliseconds: version.limits.timeout))")
    }

    private func next(_ job: Job) -> Run {
        let (index, now) = (job.settled, TimeOfDay.milliseconds)
        return Run(job: job, index: index, id: owner.ids(of: job.calls[index...index], at: now)[0], start: now)
    }

    private func run(_ job: Job) async {
        while let (run, exchange, marks) = start(job) {
            guard let running = container else { return }
            let request = exchange.request(
                job.calls[run.index], id: run.id, deadline: run.start + version.limits.timeout)
            let response: ContainerResponse
            do {
                response = try await ask(running, request, job)
            } catch {
                lose(error)
                return
            }
            let now = TimeOfDay.milliseconds
            let (answer, isSound) = exchange.answer(
                response, runNanoseconds: max(0, now - run.start) * 1_000_000)
            await collectLogs(
                running, marks: marks.count, patience: marks.isKnown ? Self.patience : Self.firstPatience)
            guard settle(job, answer, endedAt: now) else { return }
            guard isSound else {
                // It is never used again; the call has its answer already.
                if job.remaining == 0 { owner.complete(job) }
                owner.handle(.misbehaved(id))
                return
            }
            if job.remaining == 0 {
                owner.handle(.finished(id, job.id))
                owner.complete(job)
                return
            }
        }
    }

    /// The job's running call, with what its log is expected to end with.
    private func start(_ job: Job) -> (Run, any ContainerExchange, (count: Int?, isKnown: Bool))? {
        state.withLock { state in
            guard let run = state.runs[job.id], let exchange = state.exchange, !state.hasEnded, state.killReason == nil
            else { return nil }
            state.log.begin()
            // Marks do not say whose they are, and an image that has written none in its first run writes none.
            let isExpected = version.container?.exchange == .openWhisk && state.mayWriteMarks
            return (run, exchange, (isExpected ? state.log.marks + 1 : nil, state.log.hasMarks))
        }
    }

    /// Sends a request over a connection that is there already or a new one.
    private func ask(
        _ running: any RunningContainer, _ request: ContainerRequest, _ job: Job
    ) async throws -> ContainerResponse {
        let limit = owner.configuration.answerLimit
        if let kept = takeConnection() {
            do {
                touch(job)
                let response = try await kept.send(request, limit: limit)
                giveBack(kept)
                return response
            } catch .lost(began: false, _) {
                // The container had closed it between two calls, as servers do with what is idle.
                kept.close()
            }
        }
        untouch(job)
        guard let connection = try await connect(running) else {
            throw ContainerExchangeError.lost(began: false, "it does not listen any more")
        }
        touch(job)
        let response = try await connection.send(request, limit: limit)
        giveBack(connection)
        return response
    }

    private func touch(_ job: Job) { state.withLock { $0.runs[job.id]?.isUntouched = false } }
    private func untouch(_ job: Job) { state.withLock { $0.runs[job.id]?.isUntouched = true } }

    private func takeConnection() -> ContainerConnection? {
        let (found, stale) = state.withLock { state -> (ContainerConnection?, [ContainerConnection]) in
            var stale: [ContainerConnection] = []
            while let last = state.connections.popLast() {
                if last.isFresh { return (last, stale) }
                stale.append(last)
            }
            return (nil, stale)
        }
        for connection in stale { connection.close() }
        return found
    }

    private func giveBack(_ connection: ContainerConnection) {
        let isKept = state.withLock { state in
            guard !state.hasEnded, connection.isFresh else { return false }
            state.connections.append(connection)
            return true
        }
        if !isKept { connection.close() }
    }

    /// There is no answer: the container is at its end, or brought to it. What that means is settled then.
    private func lose(_ error: any Error) {
        state.withLock { state in
            if state.misbehaviour == nil { state.misbehaviour = state.exchange?.lost ?? "\(error)" }
        }
        owner.handle(.misbehaved(id))
    }

    /// `false` when the call has been settled otherwise: the container ended, or its time was over.
    private func settle(_ job: Job, _ answer: Answer, endedAt now: Int64) -> Bool {
        state.withLock { state in
            guard let run = state.runs[job.id], !state.hasEnded else { return false }
            if !state.log.hasMarks { state.mayWriteMarks = false }
            job.settle([activation(run, answer, now, &state)])
            state.runs[job.id] = job.remaining > 0 ? next(job) : nil
            return true
        }
    }

    /// The record of a call that has ended.
    func activation(_ run: Run, _ answer: Answer, _ now: Int64, _ state: inout State) -> Activation {
        let logs = state.log.take(time: now, observe: observer(state))
        defer { state.initMilliseconds = nil }
        return Activation(
            id: run.id, function: run.job.reference, cause: run.job.calls[run.index].cause, status: answer.status,
            result: answer.result, published: answer.published, logs: logs?.lines ?? [],
            logsTruncated: logs?.isTruncated ?? false, start: run.start, end: max(run.start, now),
            runNanoseconds: answer.runNanoseconds, waitMilliseconds: max(0, run.start - run.job.submitted),
            initMilliseconds: state.initMilliseconds,
            coldStart: state.initMilliseconds == nil ? nil : order.coldStart, isolation: state.isolation)
    }
}
