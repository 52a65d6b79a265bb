import CloudEvents
import Kafka
import Logging
import Synchronization

/// Reading of one partition of a topic.
final class PartitionFeed: Sendable {
    private struct State {
        var first: UInt64 = 0
        /// The end as far as it is known: never beyond the real one.
        var next: UInt64 = 0
        /// Of a record, about.
        var bytes = 0.0
        var cursors: [FeedCursor] = []
        var isClosed = false
    }

    /// How much one fetch is made a batch of.
    private static let chunk = ReadLimit()

    let partition: TopicPartition
    private let number: Int
    private let connection: KafkaConnection
    private let log: Logger
    private let state = Mutex(State())

    init(_ partition: TopicPartition, connection: KafkaConnection, log: Logger) {
        self.partition = partition
        self.connection = connection
        self.log = log
        number = Int(partition.partition)
    }

    // MARK: Bounds

    var bounds: OffsetBounds {
        state.withLock { state in
            let count = state.next - min(state.first, state.next)
            return OffsetBounds(
                first: min(state.first, state.next), next: state.next, bytes: UInt64(Double(count) * state.bytes))
        }
    }

    var next: UInt64 { state.withLock { $0.next } }

    /// Asks the leader; one that is just moving is waited for.
    func refresh() async throws(KafkaError) {
        let bounds = try await connection.bounds(partition)
        note(first: UInt64(max(0, bounds.lowerBound)), next: UInt64(max(0, bounds.upperBound)))
    }

    /// A record of so many bytes was written at an offset.
    func noteAppended(_ offset: UInt64, bytes: Int) {
        let cursors = state.withLock { state -> [FeedCursor] in
            state.bytes = state.bytes == 0 ? Double(bytes) : state.bytes * 0.99 + Double(bytes) * 0.01
            guard offset + 1 > state.next else { return [] }
            state.next = offset + 1
            return state.cursors
        }
        for cursor in cursors { cursor.nudge() }
    }

    private func note(first: UInt64? = nil, next: UInt64) {
        let cursors = state.withLock { state -> [FeedCursor] in
            if let first { state.first = max(state.first, first) }
            guard next > state.next else { return [] }
            state.next = next
            return state.cursors
        }
        for cursor in cursors { cursor.nudge() }
    }

    // MARK: Reading

    func read(from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch {
        if offset > next {
            try await onKafka { () throws(KafkaError) in try await refresh() }
            guard offset <= next else {
                throw ChannelError(.outOfRange, "\(partition) ends at offset \(next), before \(offset)")
            }
        }
        let deadline = ContinuousClock.now + .milliseconds(connection.options.timeout)
        while true {
            if let kept = kept(from: offset, limit: limit) { return kept }
            if offset >= next { return RecordBatch(partition: number, storage: [], entries: [], nextOffset: offset) }
            let cursor = try await onKafka { () throws(KafkaError) in try choose(offset) }
            let isThere = try await onKafka { () throws(KafkaError) in
                try await cursor.lock.with { () throws(KafkaError) in try await pump(cursor, from: offset) }
            }
            if isThere { continue }
            if Task.isCancelled { throw ChannelError(.closed, "reading \(partition) was given up") }
            guard ContinuousClock.now < deadline else {
                let why = cursor.reader.failure.map { ": " + $0.message } ?? ""
                throw ChannelError(
                    .unavailable, "\(partition) cannot be read within \(connection.options.timeout) ms\(why)")
            }
            await cursor.wait(milliseconds: 100)
        }
    }

    func waitForRecords(from offset: UInt64) async {
        while offset >= next, !Task.isCancelled, !state.withLock({ $0.isClosed }) {
            do throws(KafkaError) {
                let cursor = try choose(offset)
                let isThere = try await cursor.lock.with { () throws(KafkaError) in
                    try await pump(cursor, from: offset)
                }
                if isThere || offset < next { return }
                await cursor.wait(milliseconds: nil)
            } catch {
                log.debug("waiting for \(partition): \(error.message)")
                // Cut short by cancellation, which ends the loop.
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    private func kept(from offset: UInt64, limit: ReadLimit) -> RecordBatch? {
        for cursor in state.withLock({ $0.cursors }) {
            if let batch = cursor.part(from: offset, limit: limit) { return batch }
        }
        return nil
    }

    /// The place to read an offset from: one that stands there, a new one, or the one that was used longest ago.
    private func choose(_ offset: UInt64) throws(KafkaError) -> FeedCursor {
        let known = state.withLock { $0.cursors }
        if let fitting = known.first(where: { $0.end == offset }) { return fitting }
        if known.count < KafkaConnection.readerCount {
            let reader = try connection.reader(known.count)
            let made = FeedCursor(partition, reader: reader, at: offset)
            return state.withLock { state in
                // Somebody else was faster.
                if state.cursors.count > known.count { return state.cursors[known.count] }
                state.cursors.append(made)
                return made
            }
        }
        let idle = known.filter { !$0.isAwaited }
        return (idle.isEmpty ? known : idle).min { $0.lastUse < $1.lastUse } ?? known[0]
    }

    /// Takes what has come behind an offset; with the cursor's lock held.
    ///
    /// - Returns: whether something is kept from the offset on now.
    private func pump(_ place: FeedCursor, from offset: UInt64) async throws(KafkaError) -> Bool {
        if place.part(from: offset, limit: ReadLimit(records: 1)) != nil { return true }
        if place.end != offset { place.move(to: offset) }
        guard let cursor = try place.opened() else { return false }
        var builder = BatchBuilder(partition: number, from: offset)
        var found = KafkaCursor.Found()
        repeat {
            found = cursor.take(128) { builder.take($0) }
        } while found.messages > 0 && builder.count < Self.chunk.records && builder.bytes < Self.chunk.bytes
        // It has stopped: what it brought before counts, and the next begins behind that.
        if found.error?.code == .outOfRange, !builder.isEmpty { await place.close() }
        if let error = found.error, builder.isEmpty {
            await place.close()
            switch error.code {
            case .outOfRange:
                try await refresh()
                guard offset < bounds.first else { throw error }
                builder.lose(to: bounds.first, .expired)
            case .damaged:
                log.error("a record is damaged and is passed over", metadata: ["error": "\(error.message)"])
                builder.lose(to: offset + 1, .damaged)
            default: throw error
            }
        }
        // Behind the last record there may be offsets that no record has.
        if let end = found.end, end > 0 { builder.pass(to: UInt64(end)) }
        if let end = cursor.knownEnd { note(next: UInt64(end)) }
        guard builder.next > offset else { return false }
        if let (offset, error) = builder.unreadable {
            log.warning(
                "a record is no event and is passed over",
                metadata: ["partition": "\(partition)", "offset": "\(offset)", "why": "\(error.reason)"])
        }
        let batch = builder.finish()
        if batch.count > 0 {
            let each = Double(batch.footprint) / Double(batch.count)
            state.withLock { $0.bytes = $0.bytes == 0 ? each : $0.bytes * 0.9 + each * 0.1 }
        }
        note(next: batch.nextOffset)
        place.add(batch)
        // Looking has taken the signal from others who wait here, perhaps before they had begun to wait.
        place.nudge()
        return true
    }

    // MARK: Care

    /// Gives up places that nobody has read from for a while.
    func rest(unusedFor idle: Duration) async {
        for place in state.withLock({ $0.cursors }) {
            guard !place.isAwaited, ContinuousClock.now - place.lastUse > idle else { continue }
            await place.lock.with { await place.close() }
        }
    }

    func close() async {
        let cursors = state.withLock { state in
            state.isClosed = true
            return state.cursors
        }
        for cursor in cursors {
            cursor.nudge()
            await cursor.lock.with { await cursor.close() }
        }
    }
}
