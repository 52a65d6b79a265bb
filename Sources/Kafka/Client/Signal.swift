import Synchronization

/// Wakes tasks that wait for something to come; edges that nobody waited for are remembered.
final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var isClosed = false
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        /// Tickets that were cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Something came.
    func raise() {
        let waiters = state.withLock { state in
            state.isRaised = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// What came is about to be looked at.
    func lower() { state.withLock { $0.isRaised = $0.isClosed } }

    /// Nothing will come any more; nobody waits from now on.
    func close() {
        state.withLock { $0.isClosed = true }
        raise()
    }

    /// Returns when something came since ``lower()``, at once after ``close()``, or when the task is cancelled.
    func wait() async {
        let ticket = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.cancelled.remove(ticket) != nil || state.isRaised { return true }
                    state.waiters[ticket] = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiters.removeValue(forKey: ticket)
                if waiter == nil { state.cancelled.insert(ticket) }
                return waiter
            }
            waiter?.resume()
        }
        state.withLock { _ = $0.cancelled.remove(ticket) }
    }

}
