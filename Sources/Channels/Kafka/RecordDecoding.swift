import CloudEvents
import Kafka

/// Gathers Kafka records as the events of one batch.
struct BatchBuilder {
    private let partition: Int
    private var decoder = KafkaEventDecoder()
    private var storage: [UInt8] = []
    private var entries: [RecordBatch.Entry] = []
    private var gaps: [RecordBatch.Gap] = []
    private(set) var next: UInt64
    /// What the first record that is no event was told.
    private(set) var unreadable: (offset: UInt64, error: CloudEventError)?

    /// - Parameter offset: where the batch begins.
    init(partition: Int, from offset: UInt64) {
        self.partition = partition
        next = offset
    }

    var bytes: Int { storage.count }
    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty && gaps.isEmpty }

    /// Says that records are gone.
    mutating func lose(to end: UInt64, _ reason: RecordBatch.Gap.Reason) {
        guard end > next else { return }
        if let last = gaps.last, last.offsets.upperBound == next, last.reason == reason {
            gaps[gaps.count - 1] = .init(offsets: last.offsets.lowerBound..<end, reason: reason)
        } else {
            gaps.append(.init(offsets: next..<end, reason: reason))
        }
        next = end
    }

    /// Nothing lies before `offset` (compaction, markers of transactions).
    mutating func pass(to offset: UInt64) { next = max(next, offset) }

    mutating func take(_ message: KafkaMessageView) {
        let offset = UInt64(message.offset)
        // Of before a seek.
        guard offset >= next else { return }
        next = offset
        message.forEachHeader { decoder.take($0, $1) }
        let start = storage.count
        do throws(CloudEventError) {
            try decoder.finish(value: message.value, into: &storage)
            entries.append(
                .init(
                    offset: offset, appended: message.timestamp?.milliseconds ?? 0, start: start,
                    count: storage.count - start))
            next = offset + 1
        } catch {
            storage.removeSubrange(start...)
            if unreadable == nil { unreadable = (offset, error) }
            lose(to: offset + 1, .unreadable)
        }
    }

    consuming func finish() -> RecordBatch {
        RecordBatch(partition: partition, storage: storage, entries: entries, nextOffset: next, gaps: gaps)
    }
}
