internal import CloudEvents
internal import Functions
internal import Sandboxes
internal import Synchronization

/// A worker that functions share is given each of them when its first call comes.
extension WorkerSession {
    /// Sends the code of a job's function; the job's first frame follows when it is loaded.
    func load(_ job: Job, _ state: inout State) {
        let number = state.functions.begin()
        state.isShowing = true
        forgetOthersWords(number, &state)
        // What is said meanwhile is of no call yet.
        state.ids = []
        // The file may have to come from a disk.
        Task {
            let code = SharedCode.read(job.version)
            let isLost = self.state.withLock { state in
                guard state.job === job, state.functions.loading == number, !state.hasEnded else { return false }
                guard let code, code.count <= FunctionScaling.sharedCodeLimit else {
                    state.functions.end(job.version, nil)
                    state.isShowing = false
                    state.job = nil
                    settleUnloaded(
                        job,
                        StartFailure(
                            status: code == nil ? .internalError : .developerError,
                            result: ResultText.error(
                                "the function's code "
                                    + (code == nil ? "cannot be read" : "is too long to share workers"))),
                        &state)
                    return true
                }
                state.logs.begin(frame: state.frame + 1)
                state.worker?.send(SharedCode.frame(job.version, number: number, code: code))
                return false
            }
            guard isLost else { return }
            owner.handle(.finished(id, job.id))
            owner.complete(job)
        }
    }

    /// Reads what the worker says of the function that it was to load; the job when it is done by that.
    func readLoaded(_ message: UnsafeRawBufferPointer, _ now: Int64, _ state: inout State) -> Job? {
        guard let job = state.job else { return nil }
        let said = try? JSONValue(parsing: message)
        let kind = said?["loaded"] == nil ? nil : (said?["kind"]?.string).flatMap(HandlerKind.init)
        state.functions.end(job.version, kind)
        state.functions.grown = (said?["grown"]?.integer ?? 0) << 10
        state.isShowing = false
        if kind != nil {
            if state.killReason == nil { sendFrame(&state) }
            return nil
        }
        state.job = nil
        state.logs.endLines(time: now, observe: nil)
        let answer = try? Answer(runnerLine: message)
        settleUnloaded(
            job,
            StartFailure(
                status: answer?.status ?? .developerError,
                result: answer?.result ?? ResultText.error("the worker did not say whether it loaded the function"),
                logs: state.logs.take(call: 0)), &state)
        return job
    }

    /// What another function wrote after its last answer is not the next one's log.
    func forgetOthersWords(_ number: Int, _ state: inout State) {
        guard state.functions.running != number else { return }
        state.functions.running = number
        guard !state.logs.isEmpty else { return }
        state.logs.endLines(time: TimeOfDay.milliseconds, observe: nil)
        _ = state.logs.take(call: 0)
    }

    /// The function of a job could not be loaded: nothing of it was run.
    func settleUnloaded(_ job: Job, _ failure: StartFailure, _ state: inout State) {
        job.settle(owner.failed(job.calls[job.settled...], job.reference, failure, submitted: job.submitted))
    }

    /// Whether the worker may have ended by what another of its functions did: nothing of the job has run, so that it can
    /// be tried in another worker.
    func mayBeAnothers(_ end: WorkerEnd?, _ state: borrowing State) -> Bool {
        guard case .exited? = end else { return false }
        return state.killReason == nil && state.misbehaviour == nil && state.functions.count > 0
    }

    /// What a job is told whose function was being loaded when the worker ended.
    func lost(_ end: WorkerEnd?, _ state: borrowing State) -> StartFailure {
        func failed(_ status: Activation.Status, _ text: String) -> StartFailure {
            StartFailure(status: status, result: ResultText.error(text))
        }
        if owner.isStopping { return failed(.internalError, "the server is stopping") }
        if let reason = state.misbehaviour {
            return failed(.developerError, "the function's process was stopped: \(reason)")
        }
        switch state.killReason {
        case .timeout:
            return failed(
                .timeout, "the code was not loaded within \(Self.text(milliseconds: version.limits.timeout))")
        case .idle, .evicted, .startTimeout, .misbehaved:
            return failed(.internalError, "the function's process was stopped")
        case nil: break
        }
        switch end {
        case .exited(let record): return failed(.developerError, "the code could not be loaded: " + Self.text(record))
        case .notStarted(let error): return failed(.internalError, error.message)
        case .launcherLost: return failed(.internalError, Self.launcherLost)
        case nil: return failed(.internalError, "the function's process does not end")
        }
    }
}
