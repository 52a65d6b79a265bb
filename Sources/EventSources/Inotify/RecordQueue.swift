import Synchronization

/// A bounded queue between the thread that reads inotify and the one task that takes the records, all at once.
package final class RecordQueue: Sendable {
    private struct State {
        var records: [InotifyRecord] = []
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

    package init(capacity: Int, onSpace: @escaping @Sendable () -> Void) {
        self.capacity = capacity
        self.onSpace = onSpace
    }

    package var isClosed: Bool { state.withLock { $0.closed } }

    package var hasSpace: Bool { state.withLock { $0.records.count < capacity } }

    package func push(_ records: [InotifyRecord]) {
        let waiter = state.withLock { state in
            state.records += records
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    package func fail(_ error: SourceError) {
        let waiter = state.withLock { state in
            state.failure = error
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    package func close() {
        let waiter = state.withLock { state in
            state.closed = true
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Everything that has come, after waiting until there is something, the time is over or the task is cancelled.
    /// For one task at a time.
    package func next(waitingAtMost limit: Duration?) async throws(SourceError) -> [InotifyRecord]? {
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

    private func take() throws(SourceError) -> [InotifyRecord]? {
        let (records, failure, closed, wasFull) = state.withLock { state in
            defer { state.records = [] }
            return (state.records, state.failure, state.closed, state.records.count >= capacity)
        }
        if wasFull { onSpace() }
        if records.isEmpty, let failure { throw failure }
        return records.isEmpty && closed ? nil : records
    }
}
