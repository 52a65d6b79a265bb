import CKafka
package import Logging
import Synchronization

/// Reads single partitions from any offset on, without a group: a cursor a partition at a time.
package final class KafkaReader: Sendable {
    package struct Options: Sendable {
        /// How much is fetched ahead of who reads, a partition, in kilobytes.
        package var prefetch = 8 << 10
        /// How long a broker holds an answer back while there is nothing new, in milliseconds.
        package var wait = 250

        package init() {}
    }

    private struct Topics {
        var handles: [String: Topic] = [:]
        /// Partitions that have a cursor, or one that is being stopped.
        var taken: Set<TopicPartition> = []
    }

    struct Topic: Sendable {
        // A counted handle; librdkafka locks what is behind it.
        nonisolated(unsafe) let pointer: OpaquePointer
    }

    private final class Core: Sendable {
        let topics = Mutex(Topics())

        func release() {
            let all = topics.withLock { topics in
                defer { topics.handles = [:] }
                return Array(topics.handles.values)
            }
            for topic in all { rd_kafka_topic_destroy(topic.pointer) }
        }
    }

    let client: KafkaClient
    private let core: Core

    package init(
        _ settings: KafkaSettings, options: Options = Options(), tokens: KafkaTokenProvider? = nil, log: Logger
    ) throws(KafkaError) {
        let core = Core()
        self.core = core
        var properties = [
            KafkaProperty("enable.partition.eof", "true"), KafkaProperty("auto.offset.reset", "error"),
            KafkaProperty("enable.auto.commit", "false"),
            KafkaProperty("allow.auto.create.topics", "false"),
        ]
        for (name, value) in [
            ("queued.max.messages.kbytes", String(options.prefetch)), ("fetch.wait.max.ms", String(options.wait)),
            // What failed is tried again soon: somebody waits.
            ("fetch.error.backoff.ms", "50"),
        ] where settings[name] == nil {
            properties.append(KafkaProperty(name, value))
        }
        client = try KafkaClient(
            .consumer, settings, properties: properties, tokens: tokens, log: log,
            ending: { _, _ in core.release() })
    }

    deinit { client.end() }

    package var failure: KafkaError? { client.lastFailure }

    /// Begins to read a partition; `nil` while another cursor has it.
    package func open(_ partition: TopicPartition, at offset: Int64) throws(KafkaError) -> KafkaCursor? {
        let isFree = core.topics.withLock { $0.taken.insert(partition).inserted }
        guard isFree else { return nil }
        guard let topic = topic(partition.topic), let queue = FetchQueue(client) else {
            giveBack(partition)
            throw KafkaError(.closed, "the Kafka client is closed")
        }
        let number = queue.use { _, queue -> rd_kafka_resp_err_t in
            rd_kafka_consume_start_queue(topic.pointer, partition.partition, offset, queue) == 0
                ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error()
        }
        guard number == RD_KAFKA_RESP_ERR_NO_ERROR else {
            queue.close()
            giveBack(partition)
            throw KafkaError(number ?? RD_KAFKA_RESP_ERR__DESTROY, "\(partition) cannot be read")
        }
        return KafkaCursor(partition, reader: self, topic: topic, queue: queue)
    }

    private func topic(_ name: String) -> Topic? {
        let found = client.use { client in
            core.topics.withLock { topics -> Topic? in
                if let known = topics.handles[name] { return known }
                guard let made = rd_kafka_topic_new(client, name, nil).map({ Topic(pointer: $0) }) else { return nil }
                topics.handles[name] = made
                return made
            }
        }
        return found ?? nil
    }

    fileprivate func giveBack(_ partition: TopicPartition) {
        core.topics.withLock { _ = $0.taken.remove(partition) }
    }

    /// The oldest offset and the end of a partition, as its leader says now.
    package func bounds(_ partition: TopicPartition, timeout: Int = 10_000) async throws(KafkaError) -> Range<Int64> {
        // Of a topic that is only asked about, librdkafka 2.0 goes on asking the old leader when that has moved, until its
        // metadata are too old (15 minutes); of one that is in use it asks anew who leads.
        _ = topic(partition.topic)
        return try await client.blocking { [client] pointer -> Result<Range<Int64>, KafkaError> in
            var low: Int64 = 0
            var high: Int64 = 0
            let number = rd_kafka_query_watermark_offsets(
                pointer, partition.topic, partition.partition, &low, &high, Int32(timeout))
            if number == RD_KAFKA_RESP_ERR_NO_ERROR { return .success(low..<max(low, high)) }
            var error = KafkaError(number, "the ends of \(partition) cannot be asked for")
            if error.code == .timedOut, let why = client.lastFailure {
                error = KafkaError(why.code, error.message + "; " + why.message, number: error.number)
            }
            return .failure(error)
        }
    }

    /// The first offset whose record is of a time (milliseconds since 1970) or later; `nil` when none is.
    package func offset(
        _ partition: TopicPartition, atOrAfter time: Int64, timeout: Int = 10_000
    ) async throws(KafkaError) -> Int64? {
        _ = topic(partition.topic)
        return try await client.blocking { pointer -> Result<Int64?, KafkaError> in
            let list = PartitionList([partition], offset: time)
            let number = rd_kafka_offsets_for_times(pointer, list.pointer, Int32(timeout))
            let element = list.elements.first
            let failure = number != RD_KAFKA_RESP_ERR_NO_ERROR ? number : element?.error ?? number
            guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
                return .failure(KafkaError(failure, "the offset of a time in \(partition) cannot be asked for"))
            }
            return .success(element.flatMap { $0.offset >= 0 ? $0.offset : nil })
        }
    }

    /// Its cursors must have been closed.
    package func close() async { await client.close() }
}

/// Reads one partition in order; one reader at a time.
package final class KafkaCursor: Sendable {
    package let partition: TopicPartition
    private let reader: KafkaReader
    private let topic: KafkaReader.Topic
    private let queue: FetchQueue

    fileprivate init(
        _ partition: TopicPartition, reader: KafkaReader, topic: KafkaReader.Topic, queue: FetchQueue
    ) {
        self.partition = partition
        self.reader = reader
        self.topic = topic
        self.queue = queue
    }

    /// What a look into the queue brought.
    package struct Found: Sendable {
        /// How many messages `body` was called with.
        package var messages = 0
        /// The end of the partition, when all before it has come.
        package var end: Int64?
        /// What went wrong. librdkafka goes on by itself, but after `outOfRange` the cursor has stopped for good: it is to
        /// be closed and another opened.
        package var error: KafkaError?

        package init() {}
    }

    /// Takes at most so many messages, without waiting; each is valid during the call of `body`.
    package func take(_ limit: Int, _ body: (KafkaMessageView) -> Void) -> Found {
        var found = Found()
        _ = queue.drain(limit) { message in
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                found.messages += 1
                found.end = nil
                body(KafkaMessageView(message))
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: found.end = message.pointee.offset
            default:
                let words = rd_kafka_message_errstr(message).map { String(cString: $0) }
                found.error = KafkaError(message.pointee.err, "reading \(partition)", detail: words)
            }
        }
        if found.messages > 0 { reader.client.clearFailure() }
        return found
    }

    /// Returns when there may be messages, after ``close()``, or when the task is cancelled.
    package func wait() async { await queue.wait() }

    /// The same, but no longer than so many milliseconds.
    package func wait(milliseconds: Int64) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.queue.wait() }
            // Ends early by cancellation, when something has come.
            group.addTask { try? await Task.sleep(for: .milliseconds(milliseconds)) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Lets those who wait look again.
    package func nudge() { queue.nudge() }

    /// Goes on from another offset; what was fetched ahead is thrown away.
    package func seek(to offset: Int64) {
        // Asynchronous: messages of before are told from those after by librdkafka itself.
        _ = queue.use { _, _ in rd_kafka_seek(topic.pointer, partition.partition, offset, 0) }
    }

    /// The end of the partition as the last fetch saw it; `nil` before the first.
    package var knownEnd: Int64? {
        var low: Int64 = -1
        var high: Int64 = -1
        let number = reader.client.use {
            rd_kafka_get_watermark_offsets($0, partition.topic, partition.partition, &low, &high)
        }
        return number == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : nil
    }

    /// Ends reading; the partition is free for another cursor when it returns.
    package func close() async {
        // Stopping waits for the fetcher, so it has a thread of its own.
        _ = try? await reader.client.blocking { [topic, partition] _ -> Result<Void, KafkaError> in
            rd_kafka_consume_stop(topic.pointer, partition.partition)
            return .success(())
        }
        queue.close()
        reader.giveBack(partition)
    }
}
