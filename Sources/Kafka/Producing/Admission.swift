import DequeModule
import Synchronization

/// Lets only so much be outstanding: who comes later waits, first come, first served.
final class Admission: Sendable {
    fileprivate struct State {
        var bytes = 0
        var waiters: Deque<Waiter> = []
        /// Tickets that were cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
        var last: UInt64 = 0
    }

    fileprivate struct Waiter {
        let ticket: UInt64
        let bytes: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Returns when there is room, which is then taken; more than the limit goes alone.
    ///
    /// - Returns: `false` when the task was cancelled before; then there is nothing to ``leave(_:)``.
    func enter(_ bytes: Int) async -> Bool {
        let ticket = state.withLock { state -> UInt64? in
            if state.takes(bytes, limit) { return nil }
            state.last += 1
            return state.last
        }
        guard let ticket else { return true }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome = state.withLock { state -> Bool? in
                    if state.cancelled.remove(ticket) != nil { return false }
                    if state.takes(bytes, limit) { return true }
                    state.waiters.append(Waiter(ticket: ticket, bytes: bytes, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.ticket == ticket }) else {
                    // It has not begun to wait, or is through: the note is then of no use and small.
                    state.cancelled.insert(ticket)
                    return nil
                }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    func leave(_ bytes: Int) {
        let admitted = state.withLock { state in
            state.bytes -= bytes
            var admitted: [CheckedContinuation<Bool, Never>] = []
            while let first = state.waiters.first, state.bytes == 0 || state.bytes + first.bytes <= limit {
                state.bytes += first.bytes
                admitted.append(first.continuation)
                state.waiters.removeFirst()
            }
            return admitted
        }
        for one in admitted { one.resume(returning: true) }
    }

    var outstanding: Int { state.withLock { $0.bytes } }
}

extension Admission.State {
    fileprivate mutating func takes(_ more: Int, _ limit: Int) -> Bool {
        guard waiters.isEmpty, bytes == 0 || bytes + more <= limit else { return false }
        bytes += more
        return true
    }
}
