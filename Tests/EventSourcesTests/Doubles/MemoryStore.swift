import Persistence
import Synchronization

/// State in memory; it can refuse to write, as when the process dies before the write.
final class MemoryStore: StateStore {
    private struct State {
        var values: [String: [UInt8]] = [:]
        var refusals = 0
        var refused = ""
        var puts = 0
    }

    private let state = Mutex(State())

    /// Refuses the next writes of which a key contains a text, and forgets them.
    func refuseNext(_ count: Int = 1, keysWith text: String) {
        state.withLock {
            $0.refusals = count
            $0.refused = text
        }
    }

    var puts: Int { state.withLock { $0.puts } }
    var keys: [String] { state.withLock { $0.values.keys.sorted() } }

    /// The value of the only key that ends with `/` and a name.
    func value(of name: String) -> [UInt8]? {
        state.withLock { state in state.values.first { $0.key.hasSuffix("/" + name) }?.value }
    }

    func put(_ entries: [StateEntry]) async throws(PersistenceError) {
        let refused = state.withLock { state in
            state.puts += 1
            if state.refusals > 0, entries.contains(where: { $0.key.contains(state.refused) }) {
                state.refusals -= 1
                return true
            }
            for entry in entries { state.values[entry.key] = entry.value }
            return false
        }
        if refused { throw PersistenceError(.closed, "refused by the test") }
    }

    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        state.withLock { state in
            state.values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
                .map { StateEntry(key: $0.key, value: $0.value) }
        }
    }
}
