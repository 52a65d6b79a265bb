import Kafka
import TestSupport
import Testing

@testable import Channels

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
