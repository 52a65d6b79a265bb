import Synchronization

/// A value that comes later, for one who waits only so long.
final class Waiting<Value: Sendable>: Sendable, Expiring {
    private struct State {
        var value: Value?
        var isOver = false
        var completion: (@Sendable (Value?) -> Void)?
    }

    private let state = Mutex(State())

    /// The value has come.
    func resolve(_ value: Value) {
        let completion = state.withLock { state in
            state.value = value
            state.isOver = true
            defer { state.completion = nil }
            return state.completion
        }
        completion?(value)
    }

    /// The value, or `nil` when it has not come within so many milliseconds. Asked once.
    func value(within milliseconds: Int, of deadlines: Deadlines) async -> Value? {
        await withCheckedContinuation { continuation in
            whenKnown(within: milliseconds, of: deadlines) { continuation.resume(returning: $0) }
        }
    }

    /// The same, told on any thread.
    func whenKnown(within milliseconds: Int, of deadlines: Deadlines, _ body: @escaping @Sendable (Value?) -> Void) {
        let known = state.withLock { state -> Value? in
            if state.value == nil { state.completion = body }
            return state.value
        }
        if let known { body(known) } else { deadlines.add(self, in: .milliseconds(milliseconds)) }
    }

    var isSettled: Bool { state.withLock { $0.isOver } }

    func expire() {
        let completion = state.withLock { state in
            state.isOver = true
            defer { state.completion = nil }
            return state.completion
        }
        completion?(nil)
    }
}

/// Something that is given up when its time has come.
protocol Expiring: AnyObject, Sendable {
    var isSettled: Bool { get }
    func expire()
}

/// The deadlines of all who wait, looked at together: nearly all of them are met long before, and a timer of its own for
/// each would cost more than what is waited for.
final class Deadlines: Sendable {
    private struct State {
        var waiting: [(deadline: ContinuousClock.Instant, one: any Expiring)] = []
        var isWatching = false
    }

    /// How much later than asked a wait may end.
    private static let tick = Duration.milliseconds(20)
    private let state = Mutex(State())

    func add(_ one: any Expiring, in time: Duration) {
        let mustWatch = state.withLock { state in
            state.waiting.append((ContinuousClock.now + time, one))
            defer { state.isWatching = true }
            return !state.isWatching
        }
        if mustWatch { Task { await watch() } }
    }

    /// Looks at them now and then as long as there are any.
    private func watch() async {
        while true {
            // The passing of time is what is waited for.
            try? await Task.sleep(for: Self.tick)
            let now = ContinuousClock.now
            let (expired, isDone) = state.withLock { state in
                state.waiting.removeAll { $0.one.isSettled }
                let expired = state.waiting.filter { $0.deadline <= now }
                state.waiting.removeAll { $0.deadline <= now }
                if state.waiting.isEmpty { state.isWatching = false }
                return (expired, state.waiting.isEmpty)
            }
            for one in expired { one.one.expire() }
            if isDone { return }
        }
    }
}
