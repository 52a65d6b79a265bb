import Persistence
import Synchronization

/// State in memory.
final class MemoryStore: StateStore {
    private let values = Mutex<[String: [UInt8]]>([:])

    func put(_ entries: [StateEntry]) async throws(PersistenceError) {
        values.withLock { values in for entry in entries { values[entry.key] = entry.value } }
    }

    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        values.withLock { values in
            values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
                .map { StateEntry(key: $0.key, value: $0.value) }
        }
    }
}
