import Channels
import Kafka
import TestSupport

extension ChannelFactory {
    /// On Kafka: always in this process, and on a real broker where this process can talk to it.
    static var kafka: [ChannelFactory] { KafkaBroker.unreachable == nil ? [mockKafka, realKafka] : [mockKafka] }

    /// What a Kafka store is told in tests: quick to give up, topics that are the test's own.
    static func options(_ topic: String = "") -> KafkaStore.Options {
        var options = KafkaStore.Options()
        options.timeout = 20_000
        options.prefix = topic
        return options
    }

    /// On librdkafka's brokers in this process, by the system's library.
    static let mockKafka = ChannelFactory(testDescription: "Kafka, brokers in the process") { partitions in
        let kafka = try MockKafka(brokers: 2)
        // These brokers are not asked to make topics: they do not know how.
        kafka.topic("storage", partitions: partitions)
        let store = KafkaStore(try KafkaClusters(bootstrap: kafka.bootstrap), options: options(), log: quietLogger())
        let spec = ChannelSpec(
            partitions: partitions, storage: .kafka(KafkaTopicSpec(topic: "storage")))
        let channel = try await store.open("default/storage", spec)
        return Lease(channel: channel) {
            await store.close()
            withExtendedLifetime(kafka) {}
        }
    }

    /// On a real broker, which makes the topic; where this process can talk to it.
    static let realKafka = ChannelFactory(testDescription: "Kafka, a real broker") { partitions in
        let broker = try await KafkaBroker()
        let store = KafkaStore(
            try KafkaClusters(bootstrap: broker.bootstrap), options: options("t."), log: quietLogger())
        let channel = try await store.open(
            "default/storage", ChannelSpec(partitions: partitions, storage: .kafka(KafkaTopicSpec())))
        return Lease(channel: channel) {
            await store.close()
            broker.kill9()
        }
    }
}
