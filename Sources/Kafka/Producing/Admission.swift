import DequeModule
import Synchronization

/// Lets only so much be outstanding: who comes later waits, first come, first served.
final class Admission: Sendable {
    private struct State {
        var bytes = 0
        var waiters: Deque<(bytes: Int, continuation: CheckedContinuation<Void, Never>)> = []
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Returns when there is room; more than the limit goes alone.
    func enter(_ bytes: Int) async {
        let entered = state.withLock { state in
            guard state.waiters.isEmpty, state.bytes == 0 || state.bytes + bytes <= limit else { return false }
            state.bytes += bytes
            return true
        }
        if entered { return }
        await withCheckedContinuation { continuation in
            let isRoom = state.withLock { state in
                if state.waiters.isEmpty, state.bytes == 0 || state.bytes + bytes <= limit {
                    state.bytes += bytes
                    return true
                }
                state.waiters.append((bytes, continuation))
                return false
            }
            if isRoom { continuation.resume() }
        }
    }

    func leave(_ bytes: Int) {
        let admitted = state.withLock { state in
            state.bytes -= bytes
            var admitted: [CheckedContinuation<Void, Never>] = []
            while let first = state.waiters.first, state.bytes == 0 || state.bytes + first.bytes <= limit {
                state.bytes += first.bytes
                admitted.append(first.continuation)
                state.waiters.removeFirst()
            }
            return admitted
        }
        for one in admitted { one.resume() }
    }

    var outstanding: Int { state.withLock { $0.bytes } }
}
