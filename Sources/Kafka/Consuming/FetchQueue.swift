import CKafka

/// Messages that a client has fetched and nobody has taken yet: a queue of librdkafka's that tells when something comes.
///
/// librdkafka stops fetching when the queue is long (`queued.min.messages`, `queued.max.messages.kbytes`): whoever does
/// not take holds the brokers off. Its owner closes it.
final class FetchQueue: Sendable {
    private let client: KafkaClient
    // Set once; released in `close()` when no call is under way.
    private nonisolated(unsafe) let pointer: OpaquePointer
    private let signal: Signal
    private let gate = Gate()

    init?(_ client: KafkaClient) {
        let queue = client.use { rd_kafka_queue_new($0) }
        guard case let queue?? = queue else { return nil }
        self.client = client
        pointer = queue
        signal = Signal()
        // Called by librdkafka's threads when something comes into the empty queue; does no more than wake up a task.
        rd_kafka_queue_cb_event_enable(
            queue,
            { _, opaque in
                guard let opaque else { return }
                Unmanaged<Signal>.fromOpaque(opaque).takeUnretainedValue().raise()
            }, Unmanaged.passRetained(signal).toOpaque())
    }

    /// Runs a call of the library that needs the queue itself.
    func use<Result>(_ body: (OpaquePointer, OpaquePointer) -> Result) -> Result? {
        client.use { client in gate.pass { body(client, pointer) } } ?? nil
    }

    /// Takes at most so many messages, without waiting; each is valid during the call of `body`.
    ///
    /// - Returns: how many came.
    func drain(_ limit: Int, _ body: (UnsafePointer<rd_kafka_message_t>) -> Void) -> Int {
        signal.lower()
        let taken = withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<rd_kafka_message_t>?.self, capacity: limit) {
            messages -> Int in
            messages.initialize(repeating: nil)
            let count = use { rd_kafka_consume_batch_queue($1, 0, messages.baseAddress, limit) } ?? 0
            for index in 0..<max(0, count) {
                guard let message = messages[index] else { continue }
                body(message)
                rd_kafka_message_destroy(message)
            }
            return max(0, count)
        }
        // The queue may hold more, and tells only of what comes into an empty one.
        if taken == limit { signal.raise() }
        return taken
    }

    /// Returns when there may be messages, when the queue is closed, or when the task is cancelled.
    func wait() async { await signal.wait() }

    /// Lets a waiter look again.
    func nudge() { signal.raise() }

    /// Gives the queue up; what is in it is lost. To be called before its client is closed.
    func close() {
        gate.close { [self] in
            signal.close()
            // A client that has gone took the queue's events with it; then the queue is some bytes that nobody frees.
            _ = client.use { _ in
                rd_kafka_queue_cb_event_enable(pointer, nil, nil)
                rd_kafka_queue_destroy(pointer)
                Unmanaged.passUnretained(signal).release()
            }
        }
    }
}
