internal import CloudEvents
internal import Functions
internal import Synchronization

/// Calls of one version that run in their order on one worker, and what became of them so far.
///
/// At any time one party works on it: the queue, or the worker's session that runs it. The lock is for passing it on.
final class Job: Sendable {
    let id: Int
    let version: FunctionVersion
    let reference: FunctionReference
    let calls: [FunctionCall]
    /// When it came, milliseconds since 1970.
    let submitted: Int64
    /// What is shown to the worker while it has the job.
    let attachments: [Attachment]
    private let state: Mutex<State>

    private struct State {
        var activations: [Activation] = []
        var completion: (@Sendable ([Activation]) -> Void)?
        /// The cause of a repetition that must not go on for ever: calls that were run again though they had begun.
        var repeated = 0
    }

    init(
        id: Int, version: FunctionVersion, reference: FunctionReference, calls: [FunctionCall], submitted: Int64,
        completion: @escaping @Sendable ([Activation]) -> Void
    ) {
        self.id = id
        self.version = version
        self.reference = reference
        self.calls = calls
        self.submitted = submitted
        attachments = version.staging.isPerCall ? calls.flatMap { $0.files?.attachments ?? [] } : []
        state = Mutex(State(completion: completion))
        state.withLock { $0.activations.reserveCapacity(calls.count) }
    }

    /// How many calls are settled: those before this index.
    var settled: Int { state.withLock { $0.activations.count } }
    var remaining: Int { calls.count - settled }

    func settle(_ activations: [Activation]) {
        state.withLock { $0.activations.append(contentsOf: activations) }
    }

    /// Whether the running call may be run once more on a new worker; `false` from the third time on.
    func mayRepeat() -> Bool {
        state.withLock { state in
            state.repeated += 1
            return state.repeated <= 2
        }
    }

    /// Hands the activations to whoever waits, once all calls are settled.
    func completeIfSettled() {
        let (completion, activations) = state.withLock { state in
            guard state.activations.count == calls.count else {
                return ((@Sendable ([Activation]) -> Void)?.none, [Activation]())
            }
            defer { state.completion = nil }
            return (state.completion, state.activations)
        }
        completion?(activations)
    }
}
