import Kafka
import TestSupport
import Testing

@testable import Channels

struct KafkaScanTests {
    @Test func `an end that somebody calls who has not got so far is none`() {
        var span = KafkaScan.Span(next: 0, end: 3)
        // A replica that has one record so far.
        span.pass(1)
        span.pass(1)
        #expect(!span.isEmpty)
        // The last offset is one that no record has.
        span.pass(2)
        span.pass(3)
        #expect(span.isEmpty)
        span.pass(2)
        #expect(span.isEmpty)
    }
}

@Suite(.timeLimit(.minutes(1))) struct KafkaConnectionTests {
    @Test func `a producer that the brokers have shut out is replaced`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let store = KafkaStore(
            try KafkaClusters(properties: "bootstrap.servers = \(kafka.bootstrap)"), log: quietLogger())
        let channel = try await store.open(
            "default/storage", ChannelSpec(storage: .kafka(KafkaTopicSpec(topic: "storage"))))
        _ = try await channel.append([event("a")])
        let first = try channel.connection.producer()
        // PRODUCER_FENCED.
        kafka.fail(.produce, with: [90])
        await #expect { _ = try await channel.append([event("b")]) } throws: {
            ($0 as? ChannelError)?.code == .unavailable
        }
        _ = try await channel.append([event("b")])
        #expect(try channel.connection.producer() !== first)
        #expect(try await channel.readAll().ids == ["a", "b"])
        await store.close()
    }
}
