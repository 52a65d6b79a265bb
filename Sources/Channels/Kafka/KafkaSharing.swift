import Kafka
import Logging
import Synchronization

/// Shares a topic's partitions in the group of servers, and keeps what travels with a partition in a compacted topic that
/// has as many partitions: the ledger.
final class KafkaSharing: PartitionSharing {
    private let topic: String
    private let ledger: String
    private let partitions: Int
    private let connection: KafkaConnection
    private let log: Logger
    private let isPrepared = Mutex(false)

    init(topic: String, partitions: Int, connection: KafkaConnection, log: Logger) {
        self.topic = topic
        self.partitions = partitions
        self.connection = connection
        self.log = log
        ledger = KafkaStore.ledger(of: topic, group: connection.options.group)
    }

    func join(_ holder: any PartitionHolder) async throws(ChannelError) {
        try await onKafka { () throws(KafkaError) in
            try await prepare()
            try await connection.group().join(topic, holder)
        }
    }

    func leave() async { await (try? connection.group())?.leave(topic) }

    /// Makes the ledger when it is not there.
    private func prepare() async throws(KafkaError) {
        guard !isPrepared.withLock({ $0 }) else { return }
        let admin = try connection.admin()
        if let known = try await admin.topic(ledger) {
            if known.partitions < partitions { try await admin.grow(ledger, to: partitions) }
        } else {
            let settings = [
                KafkaProperty("cleanup.policy", "compact"),
                // Small segments are compacted soon, so that whoever takes a partition over reads little.
                KafkaProperty("segment.bytes", String(16 << 20)), KafkaProperty("segment.ms", "600000"),
                KafkaProperty("min.cleanable.dirty.ratio", "0.1"),
            ]
            do throws(KafkaError) {
                try await admin.create(
                    .init(
                        name: ledger, partitions: partitions, replication: connection.options.replication,
                        configuration: settings))
            } catch {
                guard error.code == .topicExists else { throw error }
            }
        }
        isPrepared.withLock { $0 = true }
    }

    func kept(partition: Int) async throws(ChannelError) -> [String: [UInt8]] {
        let scan = KafkaScan(
            connection: connection, partition: TopicPartition(ledger, Int32(partition)),
            patience: Int64(connection.options.timeout))
        return try await onKafka { () throws(KafkaError) in
            try await prepare()
            var entries: [String: [UInt8]] = [:]
            try await scan.run(from: 0) { message in
                guard let key = message.key else { return }
                entries[String(decoding: key, as: UTF8.self)] = message.value.map { Array($0) }
            }
            return entries
        }
    }

    func keep(_ entries: [(key: String, value: [UInt8]?)], partition: Int) async throws(ChannelError) {
        guard !entries.isEmpty else { return }
        try await onKafka { () throws(KafkaError) in
            var records = entries.map {
                KafkaOutgoing(topic: ledger, partition: Int32(partition), key: Array($0.key.utf8), value: $0.value)
            }
            while !records.isEmpty {
                var doubtful: Int?
                for (index, outcome) in try await connection.producer().send(records).enumerated() {
                    guard case .failure(let error) = outcome else { continue }
                    guard error.code == .unconfirmed, !Task.isCancelled else { throw error }
                    doubtful = doubtful ?? index
                }
                guard let doubtful else { return }
                // Written again, with what follows: of a key the last value counts, so that nothing changes by it.
                records.removeFirst(doubtful)
            }
        }
    }

    func settled(below offsets: [Int: UInt64]) async {
        var positions: [TopicPartition: Int64] = [:]
        for (partition, offset) in offsets { positions[TopicPartition(topic, Int32(partition))] = Int64(offset) }
        await (try? connection.group())?.commit(positions)
    }

    func confirms(partition: Int) async -> Bool {
        guard let group = try? connection.group() else { return false }
        return await group.confirms(TopicPartition(topic, Int32(partition)))
    }
}
