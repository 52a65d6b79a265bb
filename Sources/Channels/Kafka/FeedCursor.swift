import Kafka
import Synchronization

/// One place of a partition that is read from: a cursor of Kafka's, and the last batches that came of it, so that several
/// who read about the same place read it once.
final class FeedCursor: Sendable {
    private struct State {
        var cursor: KafkaCursor?
        /// Consecutive, the last one ends at `end`.
        var batches: [RecordBatch] = []
        var start: UInt64
        var end: UInt64
        var waiting = 0
        var lastUse = ContinuousClock.now
    }

    /// How much of the last batches is kept; always the newest.
    private static let keptBytes = 1 << 20

    let reader: KafkaReader
    let partition: TopicPartition
    /// Held by who takes from the cursor.
    let lock = AsyncLock()
    private let state: Mutex<State>

    init(_ partition: TopicPartition, reader: KafkaReader, at offset: UInt64) {
        self.partition = partition
        self.reader = reader
        state = Mutex(State(start: offset, end: offset))
    }

    var end: UInt64 { state.withLock { $0.end } }
    var isAwaited: Bool { state.withLock { $0.waiting > 0 } }
    var lastUse: ContinuousClock.Instant { state.withLock { $0.lastUse } }
    var cursor: KafkaCursor? { state.withLock { $0.cursor } }

    /// What is kept of an offset on.
    func part(from offset: UInt64, limit: ReadLimit) -> RecordBatch? {
        let batch = state.withLock { state -> RecordBatch? in
            guard offset >= state.start, offset < state.end else { return nil }
            state.lastUse = .now
            return state.batches.first { offset < $0.nextOffset }
        }
        return batch?.part(from: offset, limit: limit)
    }

    /// Goes to another offset; with the lock held.
    func move(to offset: UInt64) {
        let cursor = state.withLock { state in
            state.batches = []
            (state.start, state.end) = (offset, offset)
            state.lastUse = .now
            return state.cursor
        }
        cursor?.seek(to: Int64(offset))
    }

    /// The open cursor; with the lock held.
    func opened() throws(KafkaError) -> KafkaCursor? {
        if let cursor { return cursor }
        let opened = try reader.open(partition, at: Int64(end))
        state.withLock { $0.cursor = opened }
        return opened
    }

    /// Adds what came; with the lock held.
    func add(_ batch: RecordBatch) {
        state.withLock { state in
            state.batches.append(batch)
            state.end = batch.nextOffset
            var bytes = state.batches.reduce(0) { $0 + $1.footprint }
            while bytes > Self.keptBytes, state.batches.count > 1 {
                bytes -= state.batches[0].footprint
                state.start = state.batches.removeFirst().nextOffset
            }
        }
    }

    /// Waits for something to come, at most so long.
    func wait(milliseconds: Int64?) async {
        let cursor = state.withLock { state in
            state.waiting += 1
            return state.cursor
        }
        switch (cursor, milliseconds) {
        case (let cursor?, let milliseconds?): await cursor.wait(milliseconds: milliseconds)
        case (let cursor?, nil): await cursor.wait()
        // The last cursor of the partition is still being given back, which nobody tells.
        case (nil, _): try? await Task.sleep(for: .milliseconds(20))
        }
        state.withLock { state in
            state.waiting -= 1
            state.lastUse = .now
        }
    }

    /// Lets those who wait look again.
    func nudge() { cursor?.nudge() }

    /// Gives the cursor up; what is kept stays. With the lock held.
    func close() async {
        let cursor = state.withLock { state in
            defer { state.cursor = nil }
            return state.cursor
        }
        await cursor?.close()
    }
}
