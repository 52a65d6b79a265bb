import Synchronization

/// A bounded queue between whoever reads from outside and the one task that takes what has come, all at once.
package final class WaitingQueue<Element: Sendable>: Sendable {
    private struct State {
        var records: [Element] = []
        var spaceWaiter: CheckedContinuation<Void, Never>?
        var waiter: CheckedContinuation<Void, Never>?
        /// Tells a waiter from a later one, so that an old time limit wakes nobody else.
        var turn: UInt64 = 0
        var failure: SourceError?
        var closed = false

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let onSpace: @Sendable () -> Void

    package init(capacity: Int, onSpace: @escaping @Sendable () -> Void = {}) {
        self.capacity = capacity
        self.onSpace = onSpace
    }

    package var isClosed: Bool { state.withLock { $0.closed } }

    package var hasSpace: Bool { state.withLock { $0.records.count < capacity } }

    package func push(_ records: [Element]) {
        let waiter = state.withLock { state in
            state.records += records
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Adds one and returns when there is room for another, or when the queue is closed. For one task at a time.
    package func push(waiting element: Element) async {
        push([element])
        await withCheckedContinuation { continuation in
            let hasRoom = state.withLock { state -> Bool in
                if state.closed || state.records.count < capacity { return true }
                state.spaceWaiter = continuation
                return false
            }
            if hasRoom { continuation.resume() }
        }
    }

    package func fail(_ error: SourceError) {
        let waiter = state.withLock { state in
            state.failure = error
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    package func close() {
        let (waiter, spaceWaiter) = state.withLock { state in
            state.closed = true
            defer { state.spaceWaiter = nil }
            return (state.takeWaiter(), state.spaceWaiter)
        }
        waiter?.resume()
        spaceWaiter?.resume()
    }

    /// Everything that has come, after waiting until there is something, the time is over or the task is cancelled.
    /// For one task at a time.
    package func next(waitingAtMost limit: Duration?) async throws(SourceError) -> [Element]? {
        if let ready = try take(), !ready.isEmpty { return ready }
        if isClosed { return nil }
        let turn = state.withLock { state in
            state.turn += 1
            return state.turn
        }
        let timer = limit.map { limit in
            Task { [weak self] in
                try? await Task.sleep(for: limit)
                self?.wake(turn)
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> Bool in
                    // The turn moves on when the limit or the cancellation came before the wait.
                    if !state.records.isEmpty || state.closed || state.failure != nil || state.turn != turn {
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            wake(turn)
        }
        timer?.cancel()
        return try take()
    }

    private func wake(_ turn: UInt64) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.turn == turn else { return nil }
            state.turn += 1
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    private func take() throws(SourceError) -> [Element]? {
        let (records, failure, closed, wasFull, spaceWaiter) = state.withLock { state in
            defer { (state.records, state.spaceWaiter) = ([], nil) }
            return (
                state.records, state.failure, state.closed, state.records.count >= capacity, state.spaceWaiter
            )
        }
        if wasFull { onSpace() }
        spaceWaiter?.resume()
        if records.isEmpty, let failure { throw failure }
        return records.isEmpty && closed ? nil : records
    }
}
