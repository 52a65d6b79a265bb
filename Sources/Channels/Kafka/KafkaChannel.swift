import CloudEvents
import Kafka
import Logging
import Synchronization

/// A channel that is a Kafka topic; see ``KafkaStore``.
///
/// Events are CloudEvents in the Kafka binding's binary or structured mode, under the key that gives them their partition,
/// by the hash of Kafka's own clients: what others write under the same key is in the same partition.
package final class KafkaChannel: Channel {
    package let name: String
    package let topic: String
    package let spec: ChannelSpec
    let mode: KafkaBinding.ContentMode
    let connection: KafkaConnection
    let log: Logger
    /// The hash of ids lives no longer than the process: nothing of it is stored.
    let key = IdentityKey.random()
    let feeds: [PartitionFeed]
    let window: Mutex<AppendWindow>
    let catchingUp = Mutex<[Int: Task<Result<Void, ChannelError>, Never>]>([:])
    private let gate = Mutex(false)
    private let shared: KafkaSharing

    init(
        name: String, topic: String, spec: ChannelSpec, mode: KafkaBinding.ContentMode, partitions: Int,
        connection: KafkaConnection, log: Logger
    ) {
        self.name = name
        self.topic = topic
        self.spec = spec
        self.mode = mode
        self.connection = connection
        self.log = log
        feeds = (0..<partitions).map {
            PartitionFeed(TopicPartition(topic, Int32($0)), connection: connection, log: log)
        }
        window = Mutex(AppendWindow(capacity: spec.duplicateWindow))
        shared = KafkaSharing(topic: topic, partitions: partitions, connection: connection, log: log)
    }

    /// Asks where the partitions begin and end; before the channel is used.
    func begin() async throws(ChannelError) {
        try await refreshBounds()
        // What was appended before: the newest events of each partition are read before the first append there.
        let share = UInt64(min(spec.duplicateWindow, Self.recalledEvents) / max(1, feeds.count))
        window.withLock { window in
            for (number, feed) in feeds.enumerated() {
                let bounds = feed.bounds
                window.forget(number, from: max(bounds.first, bounds.next - min(share, bounds.next)))
            }
        }
    }

    /// How many of the newest events a server reads after its start to know their ids, at most.
    static let recalledEvents = 65_536

    package var partitionCount: Int { feeds.count }

    package func bounds(ofPartition partition: Int) -> OffsetBounds {
        feeds.indices.contains(partition) ? feeds[partition].bounds : OffsetBounds(first: 0, next: 0, bytes: 0)
    }

    package func refreshBounds() async throws(ChannelError) {
        let outcome = await withTaskGroup(of: Result<Void, KafkaError>.self) { group in
            for feed in feeds {
                group.addTask {
                    do throws(KafkaError) { return .success(try await feed.refresh()) } catch { return .failure(error) }
                }
            }
            var worst: Result<Void, KafkaError> = .success(())
            for await one in group { if case .failure = one { worst = one } }
            return worst
        }
        if case .failure(let error) = outcome { throw ChannelError(error) }
    }

    private func feed(_ partition: Int) throws(ChannelError) -> PartitionFeed {
        guard feeds.indices.contains(partition) else {
            throw ChannelError(
                .outOfRange, "channel \(name) has no partition \(partition): there are \(feeds.count)")
        }
        return feeds[partition]
    }

    package func read(
        partition: Int, from offset: UInt64, limit: ReadLimit
    ) async throws(ChannelError) -> RecordBatch {
        let feed = try feed(partition)
        if isClosed { throw ChannelError(.closed, "channel \(name) is being closed") }
        return try await feed.read(from: offset, limit: limit)
    }

    package func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 {
        let feed = try feed(partition)
        return try await onKafka { () throws(KafkaError) in
            let reader = try connection.scanner()
            if let offset = try await reader.offset(
                feed.partition, atOrAfter: milliseconds, timeout: connection.options.timeout)
            {
                return UInt64(offset)
            }
            try await feed.refresh()
            return feed.next
        }
    }

    package func waitForRecords(partition: Int, from offset: UInt64) async {
        guard let feed = try? feed(partition) else { return }
        await feed.waitForRecords(from: offset)
    }

    package var sharing: (any PartitionSharing)? { shared }

    package var appendMarks: [UInt64]? { spec.duplicateWindow > 0 ? feeds.map(\.next) : nil }

    package func recall(from marks: [UInt64]) {
        window.withLock { window in
            for (partition, mark) in marks.enumerated() where feeds.indices.contains(partition) {
                window.forget(partition, from: mark)
            }
        }
    }

    var isClosed: Bool { gate.withLock { $0 } }

    /// Gives up what has not been read for a while.
    func rest() async {
        for feed in feeds { await feed.rest(unusedFor: .seconds(60)) }
    }

    /// Takes no more, and lets waiters go. The topic stays.
    package func close() async {
        gate.withLock { $0 = true }
        await shared.leave()
        for feed in feeds { await feed.close() }
    }
}
