import Synchronization

/// Lets calls through until it is closed, and does the last thing when the last call has come out.
final class Gate: Sendable {
    private struct State {
        var isClosed = false
        var users = 0
        var last: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Runs `body` unless the gate is closed.
    func pass<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result? {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.users += 1 }
            return !state.isClosed
        }
        guard isOpen else { return nil }
        defer { leave() }
        return try body()
    }

    private func leave() {
        let last = state.withLock { state -> (@Sendable () -> Void)? in
            state.users -= 1
            guard state.isClosed, state.users == 0 else { return nil }
            defer { state.last = nil }
            return state.last
        }
        last?()
    }

    /// Lets nobody in any more.
    ///
    /// - Parameter last: run once, when nobody is in; here and now if nobody is. Of a gate that is closed already
    ///   nothing is run.
    /// - Returns: whether this call closed it.
    @discardableResult
    func close(_ last: @escaping @Sendable () -> Void) -> Bool {
        let (isFirst, isEmpty) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.isClosed = true
            if state.users > 0 { state.last = last }
            return (true, state.users == 0)
        }
        if isFirst, isEmpty { last() }
        return isFirst
    }
}
