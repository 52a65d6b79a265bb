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
        // The file may have to come from a disk.
        Task {
            let code = SharedCode.read(job.version)
            let isLost = self.state.withLock { state in
                guard state.job === job, state.functions.loading == number, !state.hasEnded else { return false }
                guard let code else {
                    state.functions.end(job.version, nil)
                    state.isShowing = false
                    state.job = nil
                    settleUnloaded(
                        job,
                        StartFailure(
                            status: .internalError, result: ResultText.error("the function's code cannot be read")),
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

    /// The function of a job could not be loaded: nothing of it was run.
    func settleUnloaded(_ job: Job, _ failure: StartFailure, _ state: inout State) {
        job.settle(owner.failed(job.calls[job.settled...], job.reference, failure, submitted: job.submitted))
    }

    /// What a job is told whose function was being loaded when the worker ended.
    func lost(_ end: WorkerEnd?, _ state: borrowing State) -> StartFailure {
        if state.killReason == .timeout {
            return StartFailure(
                status: .timeout,
                result: ResultText.error(
                    "the code was not loaded within \(Self.text(milliseconds: version.limits.timeout))"))
        }
        if owner.isStopping {
            return StartFailure(status: .internalError, result: ResultText.error("the server is stopping"))
        }
        switch end {
        case .exited(let record):
            return StartFailure(
                status: .developerError,
                result: ResultText.error("the code could not be loaded: " + Self.text(record)))
        case .notStarted(let error):
            return StartFailure(status: .internalError, result: ResultText.error(error.message))
        case .launcherLost:
            return StartFailure(status: .internalError, result: ResultText.error(Self.launcherLost))
        case nil:
            return StartFailure(
                status: .internalError, result: ResultText.error("the function's process does not end"))
        }
    }
}
