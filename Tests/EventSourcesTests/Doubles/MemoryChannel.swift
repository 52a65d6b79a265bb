import Channels
import CloudEvents
import Synchronization

/// A channel in memory that drops what it has seen, for as long as it lives.
final class MemoryChannel: Channel {
    private struct State {
        var records: [EventRecord] = []
        var seen: Set<String> = []
        var failures: [ChannelError] = []
        var appends = 0
        var largest = 0
        var held = false
    }

    let name: String
    let partitionCount = 1
    private let state = Mutex(State())

    init(_ name: String = "storage") { self.name = name }

    /// Makes the next appends fail, one error each.
    func fail(with errors: ChannelError...) { state.withLock { $0.failures += errors } }

    /// Lets appends wait until it is called again with `false`.
    func hold(_ held: Bool) { state.withLock { $0.held = held } }

    var events: [CloudEvent] { state.withLock { $0.records.map(\.event) } }
    var count: Int { state.withLock { $0.records.count } }
    var largestAppend: Int { state.withLock { $0.largest } }

    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        while state.withLock({ $0.held }), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
        let result = state.withLock { state -> Result<[AppendOutcome], ChannelError> in
            if !state.failures.isEmpty { return .failure(state.failures.removeFirst()) }
            state.appends += 1
            state.largest = max(state.largest, events.count)
            return .success(
                events.map { event in
                    let key = event.withView { ($0.string("source") ?? "") + "\0" + ($0.string("id") ?? "") }
                    guard state.seen.insert(key).inserted else { return .duplicate }
                    state.records.append(event)
                    return .appended(partition: 0, offset: UInt64(state.records.count - 1))
                })
        }
        return try result.get()
    }

    func bounds(ofPartition partition: Int) -> OffsetBounds { OffsetBounds(first: 0, next: UInt64(count), bytes: 0) }

    func read(partition: Int, from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch {
        throw ChannelError(.outOfRange, "this channel is only written to")
    }

    func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 { 0 }

    func waitForRecords(partition: Int, from offset: UInt64) async {}
}
