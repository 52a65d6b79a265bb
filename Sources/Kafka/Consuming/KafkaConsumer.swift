import CKafka
package import Logging
import Synchronization

/// One member of a consumer group: reads its share of the topics, keeps its place in the group's offsets.
///
/// Partitions come and go cooperatively: those that stay are read on during a rebalance. Whoever reads asks for a batch
/// after the other; asking for the next says that the last one is dealt with (and committed, if it is to be), and a
/// partition that another member is to have goes only then.
package final class KafkaConsumer: Sendable {
    package struct Options: Sendable {
        /// Where a group begins that has no offset yet, or whose offset is gone.
        package enum Start: String, Sendable { case earliest, latest }

        package var start = Start.earliest
        /// How much one batch brings at most.
        package var records = 1_000
        package var bytes = 4 << 20

        package init() {}
    }

    private struct State {
        var assigned: Set<TopicPartition> = []
        /// Partitions that are to go when the batch that is out is dealt with.
        var leaving: [TopicPartition] = []
        /// Behind the last message that was handed out, by partition.
        var positions: [TopicPartition: Int64] = [:]
        var committed: [TopicPartition: Int64] = [:]
        var isBatchOut = false
        var isClosed = false
    }

    private final class Core: Sendable {
        let state = Mutex(State())
        let queue = Mutex<FetchQueue?>(nil)
    }

    private let client: KafkaClient
    private let queue: FetchQueue
    private let core: Core
    private let options: Options

    /// - Parameters:
    ///   - topics: names, or regular expressions that begin with `^`; topics that come later and match are read too.
    package init(
        _ settings: KafkaSettings, group: String, topics: [String], options: Options = Options(),
        tokens: KafkaTokenProvider? = nil, log: Logger
    ) throws(KafkaError) {
        let core = Core()
        self.core = core
        self.options = options
        var properties = [
            KafkaProperty("group.id", group), KafkaProperty("enable.auto.commit", "false"),
            KafkaProperty("enable.auto.offset.store", "false"),
            KafkaProperty("partition.assignment.strategy", "cooperative-sticky"),
            KafkaProperty("auto.offset.reset", options.start.rawValue),
        ]
        for (name, value) in [("queued.max.messages.kbytes", "32768"), ("topic.metadata.refresh.interval.ms", "60000")]
        where settings[name] == nil {
            properties.append(KafkaProperty(name, value))
        }
        client = try KafkaClient(
            .consumer, settings, properties: properties,
            events: RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT, tokens: tokens, log: log,
            handler: { client, event in
                switch event.type {
                case RD_KAFKA_EVENT_REBALANCE: Self.rebalance(client, core, event)
                case RD_KAFKA_EVENT_OFFSET_COMMIT: CommitCall.finish(event)
                case RD_KAFKA_EVENT_ERROR:
                    if client.lastFailure?.code == .fatal { core.queue.withLock { $0 }?.nudge() }
                default: break
                }
            },
            ending: { client, pointer in Self.settle(client, pointer, core) })
        guard let queue = FetchQueue(client) else {
            throw KafkaError(.closed, "the Kafka client is closed")
        }
        self.queue = queue
        core.queue.withLock { $0 = queue }
        let outcome = client.use { client in
            let list = PartitionList(topics.map { TopicPartition($0, -1) })
            return rd_kafka_subscribe(client, list.pointer)
        }
        if let outcome, outcome != RD_KAFKA_RESP_ERR_NO_ERROR {
            end()
            throw KafkaError(outcome, "the topics \(topics.joined(separator: ", ")) cannot be subscribed to")
        }
    }

    deinit { end() }

    private func end() {
        core.queue.withLock { $0 = nil }
        queue.close()
        client.end()
    }

    // MARK: Reading

    /// The next messages, at least one; `nil` after ``close()`` or when the task is cancelled.
    ///
    /// - Throws: what keeps the client from ever going on. What may pass (no broker, no topic yet, credentials that are
    ///   refused) is waited out and stands in ``status()``.
    package func next() async throws(KafkaError) -> KafkaBatch? {
        settle()
        var batch = KafkaBatch(messages: [], positions: [:])
        var bytes = 0
        var fatal: KafkaError?
        while true {
            if core.state.withLock({ $0.isClosed }) || Task.isCancelled { return nil }
            var full = false
            while !full {
                // In parts, so that the bound on bytes holds about.
                let taken = queue.drain(min(128, options.records - batch.messages.count)) { message in
                    guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                        fatal = fatal ?? self.failure(message)
                        return
                    }
                    let one = KafkaMessageView(message).copy
                    bytes += one.value?.count ?? 0
                    batch.positions[TopicPartition(one.topic, one.partition)] = one.offset + 1
                    batch.messages.append(one)
                }
                full = taken == 0 || batch.messages.count >= options.records || bytes >= options.bytes
            }
            if let fatal, batch.messages.isEmpty { throw fatal }
            // No message stands for it when the group is what it failed in.
            if let failure = client.lastFailure, failure.code == .fatal, batch.messages.isEmpty { throw failure }
            if !batch.messages.isEmpty {
                client.clearFailure()
                core.state.withLock { state in
                    state.isBatchOut = true
                    // A partition that went while it was drained is another's now.
                    let mine = state.assigned
                    batch.positions = batch.positions.filter { mine.contains($0.key) }
                    state.positions.merge(batch.positions) { $1 }
                }
                return batch
            }
            await queue.wait()
        }
    }

    /// What a message that stands for an error means; `nil` when it is waited out.
    private func failure(_ message: UnsafePointer<rd_kafka_message_t>) -> KafkaError? {
        let number = message.pointee.err
        let words = rd_kafka_message_errstr(message).map { String(cString: $0) }
        let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
        let error = KafkaError(number, "reading \(topic)/\(message.pointee.partition)", detail: words)
        client.log.warning("Kafka cannot be read", metadata: ["error": "\(error.message)"])
        return error.code == .fatal ? error : nil
    }

    /// The batch that was out is dealt with: what waits for it may go.
    private func settle() {
        // A client that is being closed has done it.
        _ = client.use { Self.settle(client, $0, core) }
    }

    private static func settle(_ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core) {
        let leaving = core.state.withLock { state in
            state.isBatchOut = false
            defer { state.leaving = [] }
            return state.leaving
        }
        if !leaving.isEmpty { giveUp(leaving, client, pointer, core) }
    }

    /// Notes in the group that everything of a batch is dealt with; returns when the broker has it.
    ///
    /// - Throws: `fenced` when a partition is another's by now, who then gets its messages again.
    package func commit(_ batch: KafkaBatch) async throws(KafkaError) { try await commit(batch.positions) }

    /// The same for single partitions: the offset of the first message that is not dealt with.
    package func commit(_ positions: [TopicPartition: Int64]) async throws(KafkaError) {
        guard !positions.isEmpty else { return }
        try await CommitCall.run(client, positions)
        core.state.withLock { $0.committed.merge(positions) { $1 } }
    }

    // MARK: Status

    package struct Status: Sendable {
        package struct Partition: Sendable {
            package var partition: TopicPartition
            /// Behind the last message handed out; `nil` before the first.
            package var position: Int64?
            package var committed: Int64?
            /// The end of the partition as the last fetch saw it.
            package var end: Int64?
            /// Messages that are not handed out, as far as it is known.
            package var lag: Int64? { position.flatMap { position in end.map { max(0, $0 - position) } } }
        }

        package var partitions: [Partition]
        /// What keeps it from going on.
        package var failure: KafkaError?
    }

    package func status() -> Status {
        let (assigned, positions, committed) = core.state.withLock { ($0.assigned, $0.positions, $0.committed) }
        let partitions = assigned.sorted().map { partition in
            var low: Int64 = -1
            var high: Int64 = -1
            _ = client.use {
                rd_kafka_get_watermark_offsets($0, partition.topic, partition.partition, &low, &high)
            }
            return Status.Partition(
                partition: partition, position: positions[partition], committed: committed[partition],
                end: high >= 0 ? high : nil)
        }
        return Status(partitions: partitions, failure: client.lastFailure)
    }

    /// Leaves the group; what was not committed another member gets again.
    package func close() async {
        core.state.withLock { $0.isClosed = true }
        core.queue.withLock { $0 = nil }
        queue.close()
        await client.close()
    }

    // MARK: Rebalancing, on the client's thread

    private static func rebalance(_ client: KafkaClient, _ core: Core, _ event: KafkaEvent) {
        client.answer(
            event, assign: { assign($0, client, $1, core) }, revoke: { revoke($0, client, $1, core) })
    }

    private static func assign(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        client.log.debug("partitions were assigned", metadata: ["partitions": "\(partitions)"])
        core.state.withLock { $0.assigned.formUnion(partitions) }
        // Without a queue the consumer is being closed, and what comes is read by nobody.
        _ = core.queue.withLock { $0 }?.use { pointer, target in
            for one in partitions {
                // Before it is assigned, so that nothing goes into the queue of the events.
                guard let own = rd_kafka_queue_get_partition(pointer, one.topic, one.partition) else { continue }
                rd_kafka_queue_forward(own, target)
                rd_kafka_queue_destroy(own)
            }
        }
        let list = PartitionList(partitions)
        report(client, rd_kafka_incremental_assign(pointer, list.pointer))
    }

    private static func revoke(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        let isLost = rd_kafka_assignment_lost(pointer) != 0
        client.log.debug("partitions are revoked", metadata: ["partitions": "\(partitions)", "lost": "\(isLost)"])
        let waits = core.state.withLock { state in
            if state.isBatchOut, !isLost { state.leaving += partitions }
            return state.isBatchOut && !isLost
        }
        if !waits { giveUp(partitions, client, pointer, core) }
    }

    private static func giveUp(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        core.state.withLock { state in
            state.assigned.subtract(partitions)
            for one in partitions {
                state.positions[one] = nil
                state.committed[one] = nil
            }
        }
        let list = PartitionList(partitions)
        report(client, rd_kafka_incremental_unassign(pointer, list.pointer))
    }

    private static func report(_ client: KafkaClient, _ error: OpaquePointer?) {
        var text = [CChar](repeating: 0, count: 512)
        let number = weir_kafka_take_error(error, &text, text.count)
        guard number != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        client.log.warning("a rebalance went wrong", metadata: ["error": "\(KafkaClient.string(text))"])
    }
}

/// Messages that were read together, in order within each partition.
package struct KafkaBatch: Sendable {
    package var messages: [KafkaMessage]
    /// Behind the last message of each partition.
    package var positions: [TopicPartition: Int64]
}
