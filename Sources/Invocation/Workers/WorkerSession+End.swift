internal import CloudEvents
internal import Functions
internal import Glibc
internal import Sandboxes
internal import Synchronization

extension WorkerSession {
    /// Settles what the worker's end means for its job. The call that was running fails; answered ones keep their
    /// answers, even those that are only in the ledger; the rest is left for another worker.
    ///
    /// - Parameter end: `nil` when the process was killed and has not been seen to end in time.
    /// - Returns: `false` when this was done before.
    func settleEnd(_ end: WorkerEnd?) -> Bool {
        let now = TimeOfDay.milliseconds
        return state.withLock { state in
            guard !state.hasEnded else { return false }
            state.hasEnded = true
            guard let job = state.job else { return true }
            state.job = nil
            state.logs.endLines(time: now, observe: nil)
            if state.functions.loading != nil {
                state.functions.end(job.version, nil)
                if !mayBeAnothers(end, state) || !job.mayRepeat() { settleUnloaded(job, lost(end, state), &state) }
                return true
            }
            var activations: [Activation] = []
            readLedger(job, now, &state, &activations)
            if state.answered < state.frameCount {
                let reached = state.frameFirst + state.answered
                if let answer = outcome(of: end, reached: reached, job, now, state) {
                    state.logs.isEmpty ? () : state.logs.attribute(restTo: state.answered)
                    add(answer, job, now, &state, &activations)
                }
            }
            job.settle(activations)
            return true
        }
    }

    private func readLedger(
        _ job: Job, _ now: Int64, _ state: inout State, _ activations: inout [Activation]
    ) {
        guard let content = state.worker?.ledger?.content(), content.frame == UInt64(state.frame),
            content.firstIndex <= state.answered
        else { return }
        let skip = state.answered - content.firstIndex
        // What cannot be read is no answer: the call it belongs to is the one that was running.
        content.lines.withUnsafeBytes {
            _ = readAnswers($0, job, now, &state, &activations, skip: state.handlerKind == .batch ? 0 : skip)
        }
    }

    /// The answer that stands for the call that was running; `nil` when it deserves another attempt.
    private func outcome(
        of end: WorkerEnd?, reached: Int, _ job: Job, _ now: Int64, _ state: borrowing State
    ) -> Answer? {
        let ran = max(0, now - state.frameStart) * 1_000_000 - state.ranNanoseconds
        func failed(_ status: Activation.Status, _ text: String) -> Answer {
            Answer(status: status, runNanoseconds: max(0, ran), result: ResultText.error(text))
        }
        if let reason = state.misbehaviour {
            return failed(.developerError, "the function's process was stopped: \(reason)")
        }
        switch state.killReason {
        case .timeout:
            // While the kill was on its way the call that was too slow may have ended after all; then the next one was
            // hit, which has done nothing wrong.
            if reached > state.killProgress, job.mayRepeat() { return nil }
            return failed(
                .timeout, "the function did not end within \(Self.text(milliseconds: version.limits.timeout))")
        case .idle, .evicted, .startTimeout, .misbehaved:
            return failed(.internalError, "the function's process was stopped")
        case nil: break
        }
        switch end {
        case .exited(let record):
            if !version.runtime.isFramed, record.status == 0 {
                // A program that ends after each answer may have taken the call with it; one that says nothing at all
                // and ends well has done its work.
                if state.hasAnswered, job.mayRepeat() { return nil }
                return Answer(status: .success, runNanoseconds: max(0, ran), result: Answer.null)
            }
            return failed(.developerError, Self.text(record))
        case .notStarted(let error):
            let isOurs = error.code != .startFailed || version.runtime.isFramed
            return failed(isOurs ? .internalError : .developerError, error.message)
        case .launcherLost:
            return failed(.internalError, owner.isStopping ? "the server is stopping" : Self.launcherLost)
        case nil:
            return failed(.internalError, "the function's process does not end")
        }
    }

    /// What the jobs are told that waited for this worker to start.
    func startFailure(_ end: WorkerEnd?) -> StartFailure? {
        state.withLock { state in
            guard !state.isReady else { return nil }
            if let failure = state.equipmentFailure { return failure }
            state.logs.endLines(time: TimeOfDay.milliseconds, observe: nil)
            let logs = state.logs.take(call: 0)
            switch end {
            case .exited(let record):
                let text = "the code could not be loaded: " + Self.text(record)
                return .init(status: .developerError, result: ResultText.error(text), logs: logs)
            case .notStarted(let error):
                return .init(status: .internalError, result: ResultText.error(error.message), logs: logs)
            case .launcherLost:
                return .init(status: .internalError, result: ResultText.error(Self.launcherLost), logs: logs)
            case nil: return nil
            }
        }
    }

    static var launcherLost: String {
        "the process that starts workers ended while the function ran; it is started again"
    }

    /// How a process ended, as a sentence.
    static func text(_ record: ExitRecord) -> String {
        if record.outOfMemory { return "out of memory: the function needs more than its memory limit" }
        if let status = record.status { return "the function's process ended with status \(status) before it answered" }
        let name = signalName(record.signal)
        let hint =
            record.signal == SIGKILL
            ? "; nobody here sent it, so most likely the system ran out of memory"
            : record.signal == SIGXFSZ ? "; it wrote a file beyond the limit" : ""
        return "the function's process was killed by signal \(record.signal) (\(name))\(hint)"
    }

    static func text(milliseconds: Int64) -> String {
        milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
    }

    private static func signalName(_ number: Int32) -> String {
        switch number {
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        case SIGQUIT: "SIGQUIT"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGKILL: "SIGKILL"
        case SIGSEGV: "SIGSEGV"
        case SIGPIPE: "SIGPIPE"
        case SIGALRM: "SIGALRM"
        case SIGTERM: "SIGTERM"
        case SIGXCPU: "SIGXCPU"
        case SIGXFSZ: "SIGXFSZ"
        case SIGSYS: "SIGSYS"
        default: "unknown"
        }
    }
}

/// Results that Weir writes itself.
enum ResultText {
    static func error(_ message: String) -> [UInt8] {
        var out = Array("{\"error\":".utf8)
        JSONWriter.string(message, into: &out)
        out.append(0x7D)
        return out
    }
}
