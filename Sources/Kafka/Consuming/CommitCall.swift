import CKafka
import Synchronization

/// One commit of offsets, from the call to the broker's answer.
final class CommitCall: Sendable {
    private enum State {
        case begun
        case awaited(CheckedContinuation<KafkaError?, Never>)
        case ended(KafkaError?)
    }

    private let state = Mutex(State.begun)

    /// Commits and returns when the broker has answered, when the task is cancelled, or after a while: librdkafka keeps
    /// a commit whose coordinator is away until that is back, however long it takes (its issue 3740).
    static func run(_ client: KafkaClient, _ positions: [TopicPartition: Int64]) async throws(KafkaError) {
        let call = CommitCall()
        call.begin(client, positions)
        let error = await Patience.wait {
            call.end(KafkaError(.timedOut, "offsets cannot be committed: the coordinator of the group does not answer"))
        } for: {
            // Who gives up does not take it back: it is under way, and closing the client waits for it.
            await withTaskCancellationHandler {
                await call.outcome()
            } onCancel: {
                call.end(KafkaError(.cancelled, "a commit of offsets was not waited for"))
            }
        }
        if let error { throw error }
    }

    private func begin(_ client: KafkaClient, _ positions: [TopicPartition: Int64]) {
        let outcome = client.use { pointer -> rd_kafka_resp_err_t in
            let list = PartitionList(positions)
            guard let queue = rd_kafka_queue_get_consumer(pointer) else { return RD_KAFKA_RESP_ERR__UNKNOWN_GROUP }
            defer { rd_kafka_queue_destroy(queue) }
            let opaque = Unmanaged.passRetained(self)
            // The answer comes as an event, with the call as its opaque.
            let outcome = rd_kafka_commit_queue(pointer, list.pointer, queue, nil, opaque.toOpaque())
            if outcome != RD_KAFKA_RESP_ERR_NO_ERROR { opaque.release() }
            return outcome
        }
        if let outcome {
            if outcome != RD_KAFKA_RESP_ERR_NO_ERROR { end(KafkaError(outcome, "offsets cannot be committed")) }
        } else {
            end(KafkaError(.closed, "the Kafka client is closed"))
        }
    }

    private func outcome() async -> KafkaError? {
        await withCheckedContinuation { continuation in
            let ended = state.withLock { state -> KafkaError?? in
                if case .ended(let error) = state { return .some(error) }
                state = .awaited(continuation)
                return .none
            }
            if let ended { continuation.resume(returning: ended) }
        }
    }

    /// What is said first counts.
    private func end(_ error: KafkaError?) {
        let continuation = state.withLock { state -> CheckedContinuation<KafkaError?, Never>? in
            switch state {
            case .ended: return nil
            case .begun:
                state = .ended(error)
                return nil
            case .awaited(let continuation):
                state = .ended(error)
                return continuation
            }
        }
        continuation?.resume(returning: error)
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
        call.end(
            number == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(number, "offsets cannot be committed"))
    }
}
