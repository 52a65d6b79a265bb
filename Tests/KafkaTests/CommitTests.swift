import Kafka
import TestSupport
import Testing

/// A broker that goes away between a commit and its answer: librdkafka says nothing of it, and does not end the consumer
/// either, until the broker is back (its issue 3740).
@Suite(.timeLimit(.minutes(2))) struct CommitTests {
    /// A consumer with a batch whose commit is not answered any more.
    private func stuck(
        _ kafka: MockKafka, answersAfter milliseconds: Int, _ log: @escaping @Sendable (String) -> Void = { _ in },
        _ body: (KafkaConsumer, Task<Result<Void, any Error>, Never>) async throws -> Void
    ) async throws {
        kafka.topic("t")
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        let consumer = try KafkaConsumer(
            try settings(kafka.bootstrap), group: "g", topics: ["t"], log: HookedLog.logger(log))
        _ = await producer.send([record("t", 0)])
        let batch = try #require(try await consumer.next())
        kafka.delay(1, milliseconds: milliseconds)
        let commit = Task<Result<Void, any Error>, Never> {
            do { return .success(try await consumer.commit(batch)) } catch { return .failure(error) }
        }
        try await body(consumer, commit)
        await producer.close(within: 1_000)
    }

    @Test func `a commit whose broker goes away comes to an end, and its consumer goes when the broker is back`()
        async throws
    {
        let kafka = try MockKafka(brokers: 1)
        let ends = AsyncStream<Void>.makeStream()
        let log: @Sendable (String) -> Void = { if $0 == "a Kafka client has ended" { ends.continuation.yield() } }
        try await stuck(kafka, answersAfter: 60_000, log) { consumer, commit in
            kafka.down(1)
            let outcome = await commit.value
            let error = #expect(throws: KafkaError.self) { try outcome.get() }
            // Whether it had reached the broker, which decides of the reason, cannot be seen.
            #expect([.timedOut, .unavailable].contains(error?.code))
            await consumer.close()
            kafka.delay(1, milliseconds: 0)
            kafka.up(1)
            for await _ in ends.stream { break }
        }
    }

    @Test func `who gives up a commit need not wait for its answer`() async throws {
        let kafka = try MockKafka(brokers: 1)
        try await stuck(kafka, answersAfter: 2_000) { consumer, commit in
            commit.cancel()
            let outcome = await commit.value
            let error = #expect(throws: KafkaError.self) { try outcome.get() }
            #expect(error?.code == .cancelled)
            await consumer.close()
        }
    }
}
