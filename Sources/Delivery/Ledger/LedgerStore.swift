import Channels
import Persistence
import Synchronization

/// A small store that lies with a shared partition: whoever has the partition has it.
///
/// Entries are written one after the other, so that a crash leaves the first of them.
final class LedgerStore: StateStore {
    private struct State {
        var entries: [String: [UInt8]]?
        /// How often something was written or may have been.
        var writes = 0
        var isLost = false
    }

    private let sharing: any PartitionSharing
    private let partition: Int
    private let state = Mutex(State())

    init(_ sharing: any PartitionSharing, partition: Int) {
        self.sharing = sharing
        self.partition = partition
    }

    /// The partition is another server's: nothing is written any more.
    func lose() { state.withLock { $0.isLost = true } }

    func put(_ entries: [StateEntry]) async throws(PersistenceError) {
        guard !state.withLock({ $0.isLost }), await sharing.confirms(partition: partition) else {
            throw PersistenceError(.ioFailure, "the partition \(partition) is another server's by now")
        }
        _ = try await all()
        do throws(ChannelError) {
            try await sharing.keep(entries.map { (key: $0.key, value: $0.value) }, partition: partition)
        } catch {
            // How much of it was written shows when it is read again.
            state.withLock { state in
                state.entries = nil
                state.writes += 1
            }
            throw PersistenceError(.ioFailure, error.message)
        }
        state.withLock { state in
            for entry in entries { state.entries?[entry.key] = entry.value }
            state.writes += 1
        }
    }

    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        try await all().filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
            .map { StateEntry(key: $0.key, value: $0.value) }
    }

    private func all() async throws(PersistenceError) -> [String: [UInt8]] {
        while true {
            let (known, writes) = state.withLock { ($0.entries, $0.writes) }
            if let known { return known }
            let read: [String: [UInt8]]
            do throws(ChannelError) { read = try await sharing.kept(partition: partition) } catch {
                throw PersistenceError(.ioFailure, error.message)
            }
            // What was written meanwhile may lie behind what was read.
            let isCurrent = state.withLock { state in
                if state.writes == writes, state.entries == nil { state.entries = read }
                return state.writes == writes
            }
            if isCurrent { return read }
        }
    }
}
