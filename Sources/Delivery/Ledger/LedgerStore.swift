import Channels
import Persistence
import Synchronization

/// A small store that lies with a shared partition: whoever has the partition has it.
///
/// Entries are written one after the other, so that a crash leaves the first of them.
final class LedgerStore: StateStore {
    private struct State {
        var entries: [String: [UInt8]]?
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
            state.withLock { $0.entries = nil }
            throw PersistenceError(.ioFailure, error.message)
        }
        state.withLock { state in for entry in entries { state.entries?[entry.key] = entry.value } }
    }

    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        try await all().filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
            .map { StateEntry(key: $0.key, value: $0.value) }
    }

    private func all() async throws(PersistenceError) -> [String: [UInt8]] {
        if let known = state.withLock({ $0.entries }) { return known }
        do throws(ChannelError) {
            let entries = try await sharing.kept(partition: partition)
            state.withLock { $0.entries = entries }
            return entries
        } catch {
            throw PersistenceError(.ioFailure, error.message)
        }
    }
}
