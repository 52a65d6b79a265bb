import CKafka
package import Logging
import Synchronization

/// Writes records: idempotent, acknowledged by all replicas in sync, in order within a partition.
///
/// A record's outcome is its delivery report: what ``send(_:)`` calls written is durable. What it calls failed may have
/// been written all the same when the error is `timedOut`, `unavailable` or `unconfirmed`.
package final class KafkaProducer: Sendable {
    package struct Options: Sendable {
        /// How long a batch waits for more, in milliseconds.
        package var linger = 1
        /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
        package var compression = "lz4"
        /// How much may be outstanding before ``KafkaProducer/send(_:)`` waits.
        package var outstandingBytes = 64 << 20
        /// After how many milliseconds without an answer a record has failed; 0: it waits as long as it takes.
        package var timeout = 30_000

        package init() {}
    }

    /// What is shared with librdkafka's thread; the producer itself may go while it ends.
    fileprivate final class Core: Sendable {
        let topics = Mutex<[String: Topic]>([:])

        /// Destroys what belongs to the client, before it goes.
        func release() {
            let all = topics.withLock { topics in
                defer { topics = [:] }
                return Array(topics.values)
            }
            for topic in all { rd_kafka_topic_destroy(topic.pointer) }
        }
    }

    fileprivate struct Topic: Sendable {
        // A counted handle; librdkafka locks what is behind it.
        nonisolated(unsafe) let pointer: OpaquePointer
    }

    private let client: KafkaClient
    private let core: Core
    private let admission: Admission

    package init(
        _ settings: KafkaSettings, options: Options = Options(), tokens: KafkaTokenProvider? = nil, log: Logger
    ) throws(KafkaError) {
        let core = Core()
        self.core = core
        admission = Admission(limit: options.outstandingBytes)
        var properties = [
            KafkaProperty("enable.idempotence", "true"),
            KafkaProperty("message.timeout.ms", String(options.timeout)),
            KafkaProperty("partitioner", "murmur2_random"),
            // What may be outstanding is bounded before it comes to librdkafka.
            KafkaProperty("queue.buffering.max.messages", "10000000"),
            KafkaProperty("queue.buffering.max.kbytes", "2097151"),
        ]
        if settings["linger.ms"] == nil, settings["queue.buffering.max.ms"] == nil {
            properties.append(KafkaProperty("linger.ms", String(options.linger)))
        }
        if settings["compression.type"] == nil, settings["compression.codec"] == nil {
            properties.append(KafkaProperty("compression.codec", options.compression))
        }
        client = try KafkaClient(
            .producer, settings, properties: properties, events: RD_KAFKA_EVENT_DR, tokens: tokens, log: log,
            handler: { client, event in
                if event.type == RD_KAFKA_EVENT_DR { Self.report(client, event) }
            },
            ending: { client, pointer in
                // What is still queued gets its report now: refused.
                rd_kafka_purge(pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
                Self.flush(pointer, client, milliseconds: 5_000)
                core.release()
            })
    }

    deinit { client.end() }

    /// What concerns the whole client and has not passed.
    package var failure: KafkaError? { client.lastFailure }

    /// Bytes that wait for their delivery reports.
    package var outstandingBytes: Int { admission.outstanding }

    // MARK: Sending

    /// Writes records and returns when each has its delivery report, one outcome a record. Waits for room first when
    /// too much is outstanding; a task that is cancelled meanwhile has written nothing (`cancelled`).
    package func send(_ records: [KafkaOutgoing]) async -> [Result<KafkaPlace, KafkaError>] {
        let bytes = records.reduce(0) { $0 + ($1.value?.count ?? 0) + ($1.key?.count ?? 0) + 128 }
        return await send(count: records.count, bytes: bytes) { enqueuer, index in
            let record = records[index]
            var headers = KafkaHeaders(capacity: record.headers.count)
            for header in record.headers {
                header.name.withBytes { name in
                    if let value = header.value {
                        value.withUnsafeBytes { headers.add(name, $0) }
                    } else {
                        headers.add(name, nil)
                    }
                }
            }
            withOptionalBytes(record.key) { key in
                withOptionalBytes(record.value) { value in
                    enqueuer.put(
                        topic: record.topic, partition: record.partition, key: key, value: value,
                        headers: &headers, timestamp: record.timestamp ?? 0)
                }
            }
        }
    }

    /// The same for records that are made on the way: `make` is called once for each, in order, and puts exactly one.
    ///
    /// - Parameter bytes: about what they take, for the bound.
    package func send(
        count: Int, bytes: Int, make: (inout Enqueuer, Int) -> Void
    ) async -> [Result<KafkaPlace, KafkaError>] {
        guard count > 0 else { return [] }
        guard await admission.enter(bytes) else {
            let error = KafkaError(.cancelled, "the Kafka client was busy until who asked gave up")
            return Array(repeating: .failure(error), count: count)
        }
        defer { admission.leave(bytes) }
        let call = SendCall(count: count)
        let isOpen: Void? = client.use { client in
            var enqueuer = Enqueuer(client: client, call: call, core: core)
            for index in 0..<count {
                enqueuer.index = index
                make(&enqueuer, index)
                enqueuer.completeIfNothingWasPut()
            }
        }
        if isOpen == nil {
            for index in 0..<count { call.end(index, .failure(KafkaError(.closed, "the Kafka client is closed"))) }
        }
        call.handedOver()
        return await call.outcomes()
    }

    /// Hands records to librdkafka; valid during one call.
    package struct Enqueuer {
        fileprivate let client: OpaquePointer
        fileprivate let call: SendCall
        fileprivate let core: Core
        fileprivate var index = 0
        private var done = -1
        private var name: String?
        private var topic: OpaquePointer?

        fileprivate init(client: OpaquePointer, call: SendCall, core: Core) {
            self.client = client
            self.call = call
            self.core = core
        }

        /// Copies key and value; takes what is in the headers.
        package mutating func put(
            topic name: String, partition: Int32?, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
            headers: inout KafkaHeaders, timestamp: Int64 = 0
        ) {
            precondition(done < index, "one record a turn")
            done = index
            if self.name != name {
                self.name = name
                topic = find(name)
            }
            guard let topic else {
                call.end(index, .failure(KafkaError(.configuration, "\"\(name)\" is no name for a topic")))
                return
            }
            // An empty key or value is not an absent one: a pointer that is not null says so.
            let empty = UnsafeRawPointer(call.opaque(index))
            let outcome = weir_kafka_produce(
                client, topic, partition ?? -1, key.map { $0.baseAddress ?? empty }, key?.count ?? 0,
                value.map { $0.baseAddress ?? empty }, value?.count ?? 0, headers.pointer, timestamp,
                call.opaque(index))
            if outcome == RD_KAFKA_RESP_ERR_NO_ERROR {
                headers.forget()
            } else {
                call.end(index, .failure(KafkaError(outcome, "a record for the topic \(name) is refused")))
            }
        }

        fileprivate mutating func completeIfNothingWasPut() {
            if done < index { call.end(index, .failure(KafkaError(.other, "nothing was written"))) }
        }

        private func find(_ name: String) -> OpaquePointer? {
            let topic = core.topics.withLock { topics -> Topic? in
                if let known = topics[name] { return known }
                guard let made = rd_kafka_topic_new(client, name, nil).map({ Topic(pointer: $0) }) else { return nil }
                topics[name] = made
                return made
            }
            return topic?.pointer
        }
    }

    // MARK: Reports

    private static func report(_ client: KafkaClient, _ event: KafkaEvent) {
        while let message = rd_kafka_event_message_next(event.pointer) {
            guard let opaque = message.pointee._private else { continue }
            let ticket = SendCall.ticket(opaque)
            let call = ticket.call.takeUnretainedValue()
            let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                client.clearFailure()
                call.end(ticket.index, outcome(message.pointee, topic))
            } else {
                var error = KafkaError(message.pointee.err, "a record for the topic \(topic) was not acknowledged")
                // The brokers do not take this producer's records any more, and librdkafka does not call that fatal.
                if error.code == .fatal { client.condemn(error) }
                // A full timeout hides why: the broker that could not be reached.
                if error.code == .timedOut, let why = client.lastFailure {
                    error = KafkaError(.timedOut, error.message + "; " + why.message, number: error.number)
                }
                call.end(ticket.index, .failure(error))
            }
        }
    }

    /// What a report without an error says. A broker that has written a record tells where. A report without an offset is
    /// librdkafka's own conclusion: the next request of the partition was answered, so the one before, which failed, must
    /// have been written (`rd_kafka_dr_implicit_ack` in rdkafka_broker.c). That holds only of a broker that refuses what
    /// comes out of sequence, and Kafka takes any sequence of a producer of which it knows nothing in that partition: one
    /// that begins, one whose records have expired (`checkSequence` in ProducerAppendInfo.java).
    private static func outcome(
        _ message: rd_kafka_message_t, _ topic: String
    ) -> Result<KafkaPlace, KafkaError> {
        guard message.offset < 0 else {
            return .success(KafkaPlace(partition: message.partition, offset: message.offset))
        }
        return .failure(
            KafkaError(.unconfirmed, "whether a record for the topic \(topic) was written is not certain: try again"))
    }

    /// Gives up what is not acknowledged yet: it has failed with `closed`, and was written or not.
    package func purge() {
        _ = client.use {
            rd_kafka_purge(
                $0, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
        }
    }

    /// Waits for what is outstanding at most so long, then ends the client: what was not acknowledged by then has failed.
    package func close(within milliseconds: Int64) async {
        _ = try? await client.blocking { [client] pointer in
            // The client's own thread goes on serving the reports.
            let end = ContinuousClock.now + .milliseconds(milliseconds)
            while rd_kafka_outq_len(pointer) > 0, ContinuousClock.now < end { rd_kafka_flush(pointer, 50) }
            _ = client
            return .success(())
        }
        await client.close()
    }

    /// Serves reports on the client's thread until none is due.
    private static func flush(_ pointer: OpaquePointer, _ client: KafkaClient, milliseconds: Int64) {
        guard let queue = rd_kafka_queue_get_main(pointer) else { return }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while rd_kafka_outq_len(pointer) > 0, ContinuousClock.now < end {
            guard let event = rd_kafka_queue_poll(queue, 50) else { continue }
            let one = KafkaEvent(event)
            if one.type == RD_KAFKA_EVENT_DR { report(client, one) }
            rd_kafka_event_destroy(event)
        }
        rd_kafka_queue_destroy(queue)
    }
}

/// Headers of one record, in librdkafka's form.
package struct KafkaHeaders: ~Copyable {
    private(set) var pointer: OpaquePointer?

    package init(capacity: Int) { pointer = capacity > 0 ? rd_kafka_headers_new(capacity) : nil }

    deinit { if let pointer { rd_kafka_headers_destroy(pointer) } }

    /// Copies name and value; a value of `nil` is null.
    package func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) {
        guard let pointer else { return }
        rd_kafka_header_add(
            pointer, name.assumingMemoryBound(to: CChar.self).baseAddress, name.count,
            value.map { $0.baseAddress ?? name.baseAddress } ?? nil, value?.count ?? 0)
    }

    /// They belong to librdkafka now.
    fileprivate mutating func forget() { pointer = nil }
}

extension String {
    fileprivate func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        var copy = self
        copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}

private func withOptionalBytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
    guard let bytes else { return body(nil) }
    bytes.withUnsafeBytes { body($0) }
}
