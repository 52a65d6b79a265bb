import Channels
import CloudEvents
import Synchronization

/// A channel in memory that keeps to the contract, duplicates included.
final class MemoryChannel: Channel {
    private struct State {
        var records: [[EventRecord]]
        var seen: Set<String> = []
        var waiters: [(partition: Int, offset: UInt64, id: Int, CheckedContinuation<Void, Never>)] = []
        var nextWaiter = 0
        var cancelled: Set<Int> = []
        var duplicates = 0
    }

    let name: String
    let partitionCount: Int
    private let state: Mutex<State>

    init(_ name: String, partitions: Int = 1) {
        self.name = name
        partitionCount = partitions
        state = Mutex(State(records: Array(repeating: [], count: partitions)))
    }

    var duplicates: Int { state.withLock { $0.duplicates } }
    var events: [CloudEvent] { state.withLock { $0.records.flatMap { $0 } }.map(\.event) }

    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        let (outcomes, woken) = state.withLock { state -> ([AppendOutcome], [CheckedContinuation<Void, Never>]) in
            let outcomes = events.map { event -> AppendOutcome in
                let (id, key) = event.withView { view in
                    (
                        (view.string("source") ?? "") + "\u{0}" + (view.string("id") ?? ""),
                        view.string("partitionkey") ?? view.string("subject") ?? ""
                    )
                }
                guard state.seen.insert(id).inserted else {
                    state.duplicates += 1
                    return .duplicate
                }
                let partition = key.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xFFFF } % partitionCount
                state.records[partition].append(event)
                return .appended(partition: partition, offset: UInt64(state.records[partition].count - 1))
            }
            let ready = state.waiters.filter { UInt64(state.records[$0.partition].count) > $0.offset }
            state.waiters.removeAll { UInt64(state.records[$0.partition].count) > $0.offset }
            return (outcomes, ready.map(\.3))
        }
        for one in woken { one.resume() }
        return outcomes
    }

    func bounds(ofPartition partition: Int) -> OffsetBounds {
        OffsetBounds(first: 0, next: UInt64(state.withLock { $0.records[partition].count }), bytes: 0)
    }

    func read(partition: Int, from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch {
        let records = state.withLock { Array($0.records[partition].dropFirst(Int(offset)).prefix(limit.records)) }
        var storage: [UInt8] = []
        var entries: [RecordBatch.Entry] = []
        for (index, record) in records.enumerated() {
            entries.append(
                .init(
                    offset: offset + UInt64(index), appended: Int64(offset) + Int64(index), start: storage.count,
                    count: record.bytes.count))
            storage += record.bytes
        }
        return RecordBatch(
            partition: partition, storage: storage, entries: entries, nextOffset: offset + UInt64(records.count))
    }

    /// A record's time of append is its offset.
    func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 {
        min(UInt64(max(0, milliseconds)), bounds(ofPartition: partition).next)
    }

    func waitForRecords(partition: Int, from offset: UInt64) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if UInt64(state.records[partition].count) > offset || state.cancelled.remove(id) != nil {
                        return true
                    }
                    state.waiters.append((partition, offset, id, continuation))
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil as CheckedContinuation<Void, Never>?
                }
                return state.waiters.remove(at: index).3
            }
            waiter?.resume()
        }
    }
}
