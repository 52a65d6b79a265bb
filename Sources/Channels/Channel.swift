public import CloudEvents

/// A named, durable, partitioned, ordered log of events.
///
/// Order holds within a partition; a record has an offset, which grows from 0 as records are appended. The embedded log
/// leaves no holes between them; a Kafka topic may (compaction, markers of transactions). What ``append(_:)`` has answered
/// is durable: on this disk, or with all replicas of the topic. The embedded log is one implementation, a Kafka topic the
/// other; one test suite holds both to this contract.
public protocol Channel: Sendable {
    /// The name, unique within its namespace.
    var name: String { get }
    /// How many partitions there are, at least 1.
    var partitionCount: Int { get }

    /// Appends events, in their order within each partition, and returns when all are durable.
    ///
    /// An event whose (`source`, `id`) the channel has seen within its window is not stored again.
    ///
    /// - Returns: one outcome an event, in the order given.
    /// - Throws: ``ChannelError``: nothing of the call is then acknowledged (though parts may have become durable).
    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome]

    /// The offsets that can be read now, as far as this server knows: it knows of its own appends at once, of those of
    /// others after a read or ``refreshBounds()``.
    func bounds(ofPartition partition: Int) -> OffsetBounds

    /// Asks anew what can be read, where others append too.
    func refreshBounds() async throws(ChannelError)

    /// Reads records from an offset on, oldest first.
    ///
    /// - Returns: at least one record unless the partition ends at `offset` or the batch reports a gap. When the offset
    ///   lies before the oldest kept record, or records are lost (damage, a missing segment), the batch says so in
    ///   `gaps` and goes on behind them; it never invents or reorders.
    func read(partition: Int, from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch

    /// The first offset whose record was appended at or after a time (milliseconds since 1970); the end if none was.
    func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64

    /// Returns when the partition holds a record at or after `offset`, or when the task is cancelled.
    func waitForRecords(partition: Int, from offset: UInt64) async

    /// Offsets, by partition, below which nothing that is appended from now on will lie; `nil` for a channel that
    /// remembers by itself, over restarts and for all who append, which ids it has.
    var appendMarks: [UInt64]? { get }

    /// Lets the channel know the ids of what lies at or behind these offsets, as if it had appended it: another server
    /// may have.
    func recall(from marks: [UInt64])

    /// How servers share the partitions; `nil` when this server has them all.
    var sharing: (any PartitionSharing)? { get }
}

extension Channel {
    public func refreshBounds() async throws(ChannelError) {}
    public var appendMarks: [UInt64]? { nil }
    public func recall(from marks: [UInt64]) {}
    public var sharing: (any PartitionSharing)? { nil }
}

/// What became of one appended event.
public enum AppendOutcome: Sendable, Hashable {
    case appended(partition: Int, offset: UInt64)
    /// The channel holds an event of this source and id already.
    case duplicate
}

/// The readable part of a partition: `first..<next`.
public struct OffsetBounds: Sendable, Hashable {
    /// The oldest offset that is kept.
    public var first: UInt64
    /// The offset that the next record will get.
    public var next: UInt64
    /// Bytes on disk.
    public var bytes: UInt64

    public init(first: UInt64, next: UInt64, bytes: UInt64) {
        self.first = first
        self.next = next
        self.bytes = bytes
    }
}

/// How much one read may bring.
public struct ReadLimit: Sendable, Hashable {
    public var records: Int
    /// A soft limit: the record that crosses it is still returned.
    public var bytes: Int

    public init(records: Int = 1024, bytes: Int = 1 << 20) {
        self.records = records
        self.bytes = bytes
    }
}

/// Records that were read together, as ranges of one buffer.
public final class RecordBatch: Sendable {
    /// Where one record lies.
    public struct Entry: Sendable, Hashable {
        public let offset: UInt64
        /// When it was appended, in milliseconds since 1970.
        public let appended: Int64
        package let start: Int
        package let count: Int

        package init(offset: UInt64, appended: Int64, start: Int, count: Int) {
            self.offset = offset
            self.appended = appended
            self.start = start
            self.count = count
        }
    }

    /// Offsets that cannot be read any more, and why.
    public struct Gap: Sendable, Hashable {
        public enum Reason: String, Sendable {
            /// Removed by retention before it was read.
            case expired
            /// A checksum did not match.
            case damaged
            /// A segment file is not there.
            case missing
            /// The record is no CloudEvent: somebody else wrote it into the topic.
            case unreadable
        }
        public let offsets: Range<UInt64>
        public let reason: Reason

        public init(offsets: Range<UInt64>, reason: Reason) {
            self.offsets = offsets
            self.reason = reason
        }
    }

    public let partition: Int
    public let entries: [Entry]
    /// Where to read on: behind the last record or gap of this batch.
    public let nextOffset: UInt64
    public let gaps: [Gap]
    private let storage: [UInt8]

    package init(partition: Int, storage: [UInt8], entries: [Entry], nextOffset: UInt64, gaps: [Gap] = []) {
        self.partition = partition
        self.storage = storage
        self.entries = entries
        self.nextOffset = nextOffset
        self.gaps = gaps
    }

    /// The part of the batch from an offset on, as far as a limit allows; it shares the bytes.
    package func part(from offset: UInt64, limit: ReadLimit) -> RecordBatch {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        var end = low
        var bytes = 0
        while end < entries.count, end - low < max(1, limit.records), end == low || bytes < limit.bytes {
            bytes += entries[end].count
            end += 1
        }
        if low == 0, end == entries.count, gaps.allSatisfy({ $0.offsets.lowerBound >= offset }) { return self }
        let next = end < entries.count ? entries[end].offset : nextOffset
        return RecordBatch(
            partition: partition, storage: storage, entries: Array(entries[low..<end]), nextOffset: next,
            gaps: gaps.filter { $0.offsets.lowerBound >= offset && $0.offsets.upperBound <= next })
    }

    /// What it takes in memory, about.
    package var footprint: Int { storage.count + entries.count * 32 }

    public var isEmpty: Bool { entries.isEmpty }
    public var count: Int { entries.count }

    /// Runs `body` on a view of one record, which must not leave it.
    public func withView<Result>(at index: Int, _ body: (EventView) -> Result) -> Result {
        let entry = entries[index]
        return storage.withUnsafeBytes {
            body(EventView(unchecked: UnsafeRawBufferPointer(rebasing: $0[entry.start..<(entry.start + entry.count)])))
        }
    }

    /// Runs `body` on each record in turn; for loops that must not pay per record.
    public func forEachView(_ body: (Int, EventView) -> Void) {
        storage.withUnsafeBytes { buffer in
            for (index, entry) in entries.enumerated() {
                let range = entry.start..<(entry.start + entry.count)
                body(index, EventView(unchecked: UnsafeRawBufferPointer(rebasing: buffer[range])))
            }
        }
    }

    /// A copy of one record, to keep.
    public func record(at index: Int) -> EventRecord {
        withView(at: index) { EventRecord(uncheckedBytes: Array($0.bytes)) }
    }
}
