import Channels
import DequeModule
import Synchronization

/// What the shared reader leaves for one subscription. Bounded: whoever does not fetch in time is left behind and reads
/// by itself, so that the reader never waits.
final class Mailbox: Sendable {
    enum Entry: Sendable {
        /// Records that match, by index.
        case offer(RecordBatch, ContiguousArray<UInt32>)
        /// The box was full: the partition is to be read on from here.
        case left(partition: Int, at: UInt64)
    }

    private struct State {
        var joined: Set<Int> = []
        var entries: Deque<Entry> = []
        var events = 0
        var isWoken = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let limit: Int
    private let wakeUp: @Sendable () -> Void

    /// - Parameter wakeUp: called once when something came until ``take(_:)`` is called.
    init(limit: Int, wakeUp: @escaping @Sendable () -> Void) {
        self.limit = limit
        self.wakeUp = wakeUp
    }

    /// Takes matches of a batch that begins at `start`.
    func push(_ batch: RecordBatch, _ indices: ContiguousArray<UInt32>, start: UInt64) {
        let wakes = state.withLock { state -> Bool in
            guard !state.isClosed, state.joined.contains(batch.partition) else { return false }
            if state.events + indices.count > limit, state.events > 0 {
                state.joined.remove(batch.partition)
                state.entries.append(.left(partition: batch.partition, at: start))
            } else {
                state.entries.append(.offer(batch, indices))
                state.events += indices.count
            }
            defer { state.isWoken = true }
            return !state.isWoken
        }
        if wakes { wakeUp() }
    }

    /// Asks the subscription to look at how far the reader is.
    func poke() {
        let wakes = state.withLock { state -> Bool in
            defer { state.isWoken = true }
            return !state.isWoken && !state.isClosed
        }
        if wakes { wakeUp() }
    }

    /// Takes nothing more of a partition, and forgets what lies here of it.
    func leave(_ partition: Int) {
        state.withLock { state in
            state.joined.remove(partition)
            state.entries.removeAll { entry in
                switch entry {
                case .left(let other, _): return other == partition
                case .offer(let batch, let indices):
                    if batch.partition == partition { state.events -= indices.count }
                    return batch.partition == partition
                }
            }
        }
    }

    func join(_ partition: Int) { state.withLock { _ = $0.joined.insert(partition) } }

    func close() {
        state.withLock {
            $0.isClosed = true
            $0.entries = []
        }
    }

    /// The next entry; an offer may be given back in part by ``giveBack(_:)``.
    func take() -> Entry? {
        state.withLock { state in
            state.isWoken = false
            guard let entry = state.entries.popFirst() else { return nil }
            if case .offer(_, let indices) = entry { state.events -= indices.count }
            return entry
        }
    }

    func giveBack(_ entry: Entry) {
        state.withLock { state in
            if case .offer(_, let indices) = entry { state.events += indices.count }
            state.entries.prepend(entry)
        }
    }

    /// Whether nothing lies here for a partition that is still joined.
    func isDrained(_ partition: Int) -> Bool {
        state.withLock { state in
            state.joined.contains(partition) && state.entries.isEmpty
        }
    }
}
