import Synchronization

/// Waits for work no longer than a time; the work goes on when the time is over first.
enum Deadline {
    private final class Race<Value: Sendable>: Sendable {
        private struct State {
            var continuation: CheckedContinuation<Value?, Never>?
            var timer: Task<Void, Never>?
        }

        private let state: Mutex<State>

        init(_ continuation: CheckedContinuation<Value?, Never>) { state = Mutex(State(continuation: continuation)) }

        func end(_ value: Value?) {
            let (first, timer) = state.withLock { state in
                defer { state = State() }
                return (state.continuation, state.timer)
            }
            timer?.cancel()
            first?.resume(returning: value)
        }

        /// The timer is of no use when the work is done already.
        func keep(_ timer: Task<Void, Never>) {
            let isOver = state.withLock { state in
                if state.continuation != nil { state.timer = timer }
                return state.continuation == nil
            }
            if isOver { timer.cancel() }
        }
    }

    /// - Returns: what the work returned; `nil` when the time was over first: its task has then been cancelled, which it
    ///   heeds where it can.
    static func run<Value: Sendable>(
        milliseconds: Int64, _ work: @escaping @Sendable () async -> Value
    ) async -> Value? {
        await withCheckedContinuation { continuation in
            let race = Race(continuation)
            let worker = Task { race.end(await work()) }
            race.keep(
                Task {
                    // Ends early by cancellation only, when nobody waits any more.
                    guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
                    race.end(nil)
                    worker.cancel()
                })
        }
    }
}
