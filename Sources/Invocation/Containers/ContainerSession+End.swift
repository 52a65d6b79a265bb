internal import CloudEvents
internal import Functions
internal import Glibc
internal import Sandboxes
internal import Synchronization

extension ContainerSession {
    /// The calls that were running fail; one that never reached the container is left for another.
    func settleEnd(_ end: WorkerEnd?) -> Bool {
        let now = TimeOfDay.milliseconds
        return state.withLock { state in
            guard !state.hasEnded else { return false }
            state.hasEnded = true
            state.log.finish(time: now, observe: observer(state))
            for run in state.runs.values.sorted(by: { $0.start < $1.start }) {
                if run.isUntouched, state.killReason != .timeout, !owner.isStopping, run.job.mayRepeat() { continue }
                let (status, text) = outcome(of: end, state)
                let answer = Answer(
                    status: status, runNanoseconds: max(0, now - run.start) * 1_000_000, result: ResultText.error(text))
                run.job.settle([activation(run, answer, now, &state)])
            }
            state.runs = [:]
            return true
        }
    }

    private func outcome(of end: WorkerEnd?, _ state: borrowing State) -> (Activation.Status, String) {
        if case .exited(let record)? = end, record.outOfMemory {
            return (.developerError, "The action exhausted its memory and was aborted.")
        }
        switch state.killReason {
        case .timeout:
            return (
                .timeout, "the function did not end within \(WorkerSession.text(milliseconds: version.limits.timeout))"
            )
        case .idle, .evicted, .startTimeout: return (.internalError, "the function's container was stopped")
        case .misbehaved, nil: break
        }
        switch end {
        case .exited(let record):
            // Killed by us after it had ended the connection: that is what is to be said. Else how it ended by itself.
            if let reason = state.misbehaviour, record.signal == SIGKILL { return (.developerError, reason) }
            return (.developerError, Self.text(record))
        case .notStarted(let error): return (.internalError, error.message)
        case .launcherLost:
            return (.internalError, owner.isStopping ? "the server is stopping" : WorkerSession.launcherLost)
        case nil: return (.internalError, "the function's container does not end")
        }
    }

    func startFailure(_ end: WorkerEnd?) -> StartFailure? {
        let now = TimeOfDay.milliseconds
        return state.withLock { state in
            guard !state.isReady else { return nil }
            let logs = state.log.take(time: now, observe: nil)
            if var failure = state.failure {
                failure.logs = failure.logs ?? logs
                return failure
            }
            switch end {
            case .exited(let record) where record.outOfMemory:
                return StartFailure(
                    status: .developerError,
                    result: ResultText.error("The action exhausted its memory and was aborted."), logs: logs)
            case .exited(let record):
                let last = logs?.lines.last.map { ": \($0.text)" } ?? ""
                let text = "the container did not begin to listen; " + Self.text(record) + last
                return StartFailure(status: .developerError, result: ResultText.error(text), logs: logs)
            case .notStarted(let error):
                let status: Activation.Status = error.code == .startFailed ? .developerError : .internalError
                return StartFailure(status: status, result: ResultText.error(error.message), logs: logs)
            case .launcherLost:
                return StartFailure(
                    status: .internalError, result: ResultText.error(WorkerSession.launcherLost), logs: logs)
            case nil: return nil
            }
        }
    }

    private static func text(_ record: ExitRecord) -> String {
        if let status = record.status { return "the function's container ended with status \(status)" }
        return "the function's container was ended by signal \(record.signal)"
    }
}
