import Channels
import Persistence
import Synchronization
import TestSupport
import Testing

@testable import Delivery

/// Shared partitions in memory; whoever reads first is held until told to go on, and brings what was there when it began.
private final class SlowSharing: PartitionSharing {
    private struct State {
        var entries: [String: [UInt8]]
        var reads = 0
        var isOpen = false
    }

    private let state: Mutex<State>

    init(_ entries: [String: [UInt8]]) { state = Mutex(State(entries: entries)) }

    var reads: Int { state.withLock { $0.reads } }
    func letGo() { state.withLock { $0.isOpen = true } }

    func join(_ holder: any PartitionHolder) async throws(ChannelError) {}
    func leave() async {}
    func settled(below offsets: [Int: UInt64]) async {}
    func confirms(partition: Int) async -> Bool { true }

    func kept(partition: Int) async throws(ChannelError) -> [String: [UInt8]] {
        let (entries, isFirst) = state.withLock { state in
            state.reads += 1
            return (state.entries, state.reads == 1)
        }
        if isFirst { await waitUntil { state.withLock { $0.isOpen } } }
        return entries
    }

    func keep(_ entries: [(key: String, value: [UInt8]?)], partition: Int) async throws(ChannelError) {
        state.withLock { state in for entry in entries { state.entries[entry.key] = entry.value } }
    }
}

@Suite("What is kept with a partition", .timeLimit(.minutes(1)))
struct LedgerStoreTests {
    @Test("what is put while somebody reads is not forgotten when they have read")
    func readingBesideWriting() async throws {
        let sharing = SlowSharing(["a": [1]])
        let store = LedgerStore(sharing, partition: 0)
        let reader = Task { try await store.entries(prefix: "") }
        await waitUntil { sharing.reads == 1 }
        try await store.put([StateEntry(key: "b", value: [2])])
        sharing.letGo()
        #expect(try await reader.value.map(\.key) == ["a", "b"])
        #expect(try await store.entries(prefix: "").map(\.key) == ["a", "b"])
    }
}
