import Synchronization

/// Which ids a channel of Kafka's knows, and from where on it may not know all.
///
/// A server knows what it has appended and what it has read. What may have been written without its knowledge (by the
/// server whose work it takes over, by itself before a restart, by an append that was not answered) lies behind a mark of
/// the partition, and is read before the next append there.
struct AppendWindow {
    private var window: DuplicateWindow
    /// Ids of appends that are under way.
    private var pending: [EventIdentity: AppendTicket] = [:]
    /// By partition: what lies at or behind this offset is not known.
    private(set) var unknown: [Int: UInt64] = [:]

    init(capacity: Int) { window = DuplicateWindow(capacity: capacity) }

    var capacity: Int { window.capacity }

    /// What is to be done with an event.
    enum Verdict {
        case append
        case duplicate
        /// Another append of the same id is under way.
        case wait(AppendTicket)
    }

    mutating func admit(_ identity: EventIdentity, for ticket: AppendTicket) -> Verdict {
        guard window.capacity > 0 else { return .append }
        if window.insert(identity).isNew {
            pending[identity] = ticket
            return .append
        }
        guard let other = pending[identity], other !== ticket else { return .duplicate }
        return .wait(other)
    }

    /// An append has ended; one that failed is forgotten.
    mutating func end(_ identity: EventIdentity, isDurable: Bool) {
        guard window.capacity > 0 else { return }
        pending[identity] = nil
        if !isDurable { window.withdraw(identity) }
    }

    /// An event that is there was read.
    mutating func learn(_ identity: EventIdentity) { _ = window.insert(identity) }

    mutating func forget(_ partition: Int, from offset: UInt64) {
        guard window.capacity > 0 else { return }
        unknown[partition] = min(unknown[partition] ?? .max, offset)
    }

    /// All from `offset` on was read; unless somebody doubted more meanwhile, the partition is known.
    mutating func learned(_ partition: Int, from offset: UInt64) {
        if unknown[partition] == offset { unknown[partition] = nil }
    }
}

/// One append that others may wait for.
final class AppendTicket: Sendable {
    private struct State {
        var outcome: Result<Void, ChannelError>?
        var waiters: [CheckedContinuation<Result<Void, ChannelError>, Never>] = []
    }

    private let state = Mutex(State())

    func end(_ outcome: Result<Void, ChannelError>) {
        let waiters = state.withLock { state in
            state.outcome = outcome
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }

    /// What became of it.
    var outcome: Result<Void, ChannelError> {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state in
                    if state.outcome == nil { state.waiters.append(continuation) }
                    return state.outcome
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}
