import CKafka

/// One commit of offsets, from the call to the broker's answer.
final class CommitCall: Sendable {
    private let continuation: CheckedContinuation<KafkaError?, Never>

    private init(_ continuation: CheckedContinuation<KafkaError?, Never>) { self.continuation = continuation }

    /// Commits and returns when the broker has answered.
    ///
    /// - Parameter metadata: a text that is kept beside each offset.
    static func run(
        _ client: KafkaClient, _ positions: [TopicPartition: Int64], metadata: String?
    ) async throws(KafkaError) {
        let error = await withCheckedContinuation { (continuation: CheckedContinuation<KafkaError?, Never>) in
            let call = CommitCall(continuation)
            let outcome = client.use { pointer -> rd_kafka_resp_err_t in
                let list = PartitionList(positions)
                guard let queue = rd_kafka_queue_get_consumer(pointer) else { return RD_KAFKA_RESP_ERR__UNKNOWN_GROUP }
                defer { rd_kafka_queue_destroy(queue) }
                let opaque = Unmanaged.passRetained(call)
                // The answer comes as an event, with the call as its opaque.
                let outcome = rd_kafka_commit_queue(pointer, list.pointer, queue, nil, opaque.toOpaque())
                if outcome != RD_KAFKA_RESP_ERR_NO_ERROR { opaque.release() }
                return outcome
            }
            guard let outcome else {
                return continuation.resume(returning: KafkaError(.closed, "the Kafka client is closed"))
            }
            if outcome != RD_KAFKA_RESP_ERR_NO_ERROR {
                continuation.resume(returning: KafkaError(outcome, "offsets cannot be committed"))
            }
        }
        if let error { throw error }
    }

    /// Ends the call that an event answers.
    static func finish(_ event: KafkaEvent) {
        guard let opaque = rd_kafka_event_opaque(event.pointer) else { return }
        let call = Unmanaged<CommitCall>.fromOpaque(opaque).takeRetainedValue()
        var number = event.error
        if number == RD_KAFKA_RESP_ERR_NO_ERROR, let list = rd_kafka_event_topic_partition_list(event.pointer) {
            number = PartitionList.read(list).first { $0.error != RD_KAFKA_RESP_ERR_NO_ERROR }?.error ?? number
        }
        // No offset was newer than what is committed.
        if number == RD_KAFKA_RESP_ERR__NO_OFFSET { number = RD_KAFKA_RESP_ERR_NO_ERROR }
        call.continuation.resume(
            returning: number == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(number, "offsets cannot be committed"))
    }
}
