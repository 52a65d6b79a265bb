import Synchronization

/// A value that comes later, for one who waits only so long.
final class Waiting<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var isOver = false
        var continuation: CheckedContinuation<Value?, Never>?
        var timer: Task<Void, Never>?
    }

    private let state = Mutex(State())

    /// The value has come.
    func resolve(_ value: Value) {
        let (continuation, timer) = state.withLock { state in
            state.value = value
            defer { (state.continuation, state.timer) = (nil, nil) }
            return (state.continuation, state.timer)
        }
        timer?.cancel()
        continuation?.resume(returning: value)
    }

    /// The value, or `nil` when it has not come within so many milliseconds. Asked once.
    func value(within milliseconds: Int) async -> Value? {
        await withCheckedContinuation { continuation in
            let timer = Task { [weak self] in
                try? await Task.sleep(for: .milliseconds(milliseconds))
                if !Task.isCancelled { self?.expire() }
            }
            let known = state.withLock { state -> Value? in
                guard state.value == nil else { return state.value }
                state.continuation = continuation
                state.timer = timer
                return nil
            }
            if let known {
                timer.cancel()
                continuation.resume(returning: known)
            }
        }
    }

    private func expire() {
        let continuation = state.withLock { state in
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(returning: nil)
    }
}
