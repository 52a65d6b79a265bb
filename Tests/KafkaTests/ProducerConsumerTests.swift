import Kafka
import Logging
import TestSupport
import Testing

func quietLogger() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

/// Quick groups, so that tests need not wait for a broker's patience. librdkafka's brokers forget a member that waits to join
/// when the machine is a second late, and never answer it (`rd_kafka_mock_cgrp_rebalance`): it asks again after the poll's
/// interval and three seconds.
func settings(_ bootstrap: String, _ more: [KafkaProperty] = []) throws -> KafkaSettings {
    try KafkaSettings(
        bootstrap: bootstrap,
        properties: [
            KafkaProperty("session.timeout.ms", "6000"), KafkaProperty("heartbeat.interval.ms", "500"),
            KafkaProperty("max.poll.interval.ms", "10000"),
        ] + more)
}

func record(_ topic: String, _ number: Int, partition: Int32? = nil, key: String? = nil) -> KafkaOutgoing {
    KafkaOutgoing(
        topic: topic, partition: partition, key: key.map { Array($0.utf8) }, value: Array("value-\(number)".utf8),
        headers: [
            KafkaHeader("number", Array(String(number).utf8)), KafkaHeader("null", nil), KafkaHeader("empty", []),
        ])
}

/// Reads until so many messages have come, committing each batch.
func read(_ consumer: KafkaConsumer, _ count: Int) async throws -> [KafkaMessage] {
    var messages: [KafkaMessage] = []
    while messages.count < count, let batch = try await consumer.next() {
        messages += batch.messages
        try await consumer.commit(batch)
    }
    return messages
}

@Suite(.timeLimit(.minutes(2))) struct ProducerConsumerTests {
    @Test func `what was written is read back whole, and a group goes on where it was`() async throws {
        let kafka = try MockKafka()
        kafka.topic("t", partitions: 2)
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        let outcomes = await producer.send((0..<100).map { record("t", $0, partition: Int32($0 % 2)) })
        #expect(try outcomes.map { try $0.get().partition } == (0..<100).map { Int32($0 % 2) })
        #expect(outcomes.compactMap { try? $0.get().offset } == (0..<100).map { Int64($0 / 2) })

        let first = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        let messages = try await read(first, 100)
        await first.close()
        #expect(messages.count == 100)
        for partition in 0..<2 {
            let mine = messages.filter { $0.partition == partition }
            #expect(mine.map(\.offset) == (0..<50).map { Int64($0) })
            #expect(
                mine.map { String(decoding: $0.value ?? [], as: UTF8.self) }
                    == (0..<50).map { "value-\($0 * 2 + partition)" })
        }
        let one = try #require(messages.first)
        #expect(one.topic == "t" && one.key == nil && (one.timestamp ?? 0) > 0)
        #expect(one.headers.map(\.name) == ["number", "null", "empty"])
        #expect(one.headers.map { $0.value?.isEmpty } == [false, nil, true])

        _ = await producer.send([record("t", 100, partition: 0), record("t", 101, partition: 1)])
        let second = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["^t$"], log: quietLogger())
        let rest = try await read(second, 2)
        #expect(Set(rest.map(\.offset)) == [50])
        await second.close()
        await producer.close(within: 1_000)
    }

    @Test func `an empty value is not a tombstone`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        _ = await producer.send([
            KafkaOutgoing(topic: "t", key: [], value: []), KafkaOutgoing(topic: "t", key: [1], value: nil),
        ])
        let consumer = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        let messages = try await read(consumer, 2)
        #expect(messages.map(\.value) == [[], nil] && messages.map(\.key) == [[], [1]])
        await consumer.close()
        await producer.close(within: 1_000)
    }

    @Test(arguments: ["none", "gzip", "snappy", "lz4", "zstd"])
    func `every compression is written and read`(_ compression: String) async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        var options = KafkaProducer.Options()
        options.compression = compression
        let producer = try KafkaProducer(try settings(kafka.bootstrap), options: options, log: quietLogger())
        let sent = (0..<50).map { KafkaOutgoing(topic: "t", value: [UInt8](repeating: UInt8($0), count: 2_000)) }
        let outcomes = await producer.send(sent)
        #expect(outcomes.allSatisfy { (try? $0.get()) != nil })
        let consumer = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        #expect(try await read(consumer, 50).map(\.value) == sent.map(\.value))
        await consumer.close()
        await producer.close(within: 1_000)
    }

    @Test func `two members share the partitions, and what one leaves the other takes over`() async throws {
        let kafka = try MockKafka()
        kafka.topic("t", partitions: 4)
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        let first = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        _ = await producer.send((0..<40).map { record("t", $0, partition: Int32($0 % 4)) })
        #expect(try await read(first, 40).count == 40)
        let second = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        // Asking for the next batch lets partitions go; nothing comes, so it is asked in a task of its own.
        let asking = Task { try await first.next() }
        await waitUntil { second.status().partitions.count == 2 && first.status().partitions.count == 2 }
        _ = await producer.send((40..<80).map { record("t", $0, partition: Int32($0 % 4)) })
        let mine = try await read(second, 20)
        #expect(mine.count == 20 && Set(mine.map(\.partition)).count == 2)
        let others = try #require(try await asking.value)
        #expect(Set(others.messages.map(\.partition)).isDisjoint(with: Set(mine.map(\.partition))))
        // It goes without having committed: the other gets it again.
        await first.close()
        let again = try await read(second, 20)
        #expect(Set(again.map(\.partition)).isDisjoint(with: Set(mine.map(\.partition))))
        #expect(Set(again.map { "\($0.partition)/\($0.offset)" }).count == 20)
        await second.close()
        await producer.close(within: 1_000)
    }

    @Test func `writing outlasts errors, moved leaders and a broker that is down`() async throws {
        let kafka = try MockKafka()
        kafka.topic("t", partitions: 1, replication: 3)
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        // The brokers here do not look at sequences (see the test below): what is in doubt is written again.
        let write: @Sendable (Range<Int>) async throws -> Void = { numbers in
            var rest = Array(numbers)
            while !rest.isEmpty {
                let outcomes = await producer.send(rest.map { record("t", $0) })
                for case .failure(let error) in outcomes where error.code != .unconfirmed { throw error }
                rest = zip(rest, outcomes).filter { (try? $1.get()) == nil }.map(\.0)
            }
        }
        // NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT.
        kafka.fail(.produce, with: [6, 19, 7])
        for broker in [1, 2, 3] {
            kafka.lead("t", 0, by: broker)
            try await write((broker * 10 - 10)..<(broker * 10))
        }
        kafka.down(3)
        async let late: Void = write(30..<40)
        kafka.lead("t", 0, by: 1)
        try await late
        kafka.up(3)
        let consumer = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        var values: Set<String> = []
        while values.count < 40 {
            for message in try await read(consumer, 1) {
                values.insert(String(decoding: message.value ?? [], as: UTF8.self))
            }
        }
        #expect(values == Set((0..<40).map { "value-\($0)" }))
        await consumer.close()
        await producer.close(within: 1_000)
    }

    /// Of two requests under way the first is refused, the second is not: librdkafka concludes from the second's answer
    /// that the first was written (`rd_kafka_dr_implicit_ack`, issue 2501), for a broker that knows the producer refuses
    /// what comes out of sequence. One that does not know it (Kafka's own, before the producer's first record in a
    /// partition and after its last has expired; the brokers here, always) takes it.
    @Test func `what no broker has acknowledged is not called written`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        let producer = try KafkaProducer(
            try settings(kafka.bootstrap, [KafkaProperty("batch.num.messages", "1")]), log: quietLogger())
        _ = await producer.send([record("t", 0)])
        // No answer comes before both are on their way.
        kafka.delay(1, milliseconds: 300)
        // NOT_ENOUGH_REPLICAS.
        kafka.fail(.produce, with: [19])
        let outcomes = await producer.send([record("t", 1), record("t", 2)])
        kafka.delay(1, milliseconds: 0)
        _ = await producer.send([record("t", 3)])
        let consumer = try KafkaConsumer(try settings(kafka.bootstrap), group: "g", topics: ["t"], log: quietLogger())
        var values: [String] = []
        while values.last != "value-3" {
            values += try await read(consumer, 1).map { String(decoding: $0.value ?? [], as: UTF8.self) }
        }
        for (number, outcome) in outcomes.enumerated() {
            let isThere = values.contains("value-\(number + 1)")
            switch outcome {
            case .success: #expect(isThere, "record \(number + 1) is called written, and the topic has \(values)")
            case .failure(let error): #expect(error.code == .unconfirmed, "\(error)")
            }
        }
        await consumer.close()
        await producer.close(within: 1_000)
    }

    @Test func `a record that nobody takes has failed in the broker's words`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        let patient = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        kafka.fail(.produce, with: [29])
        let refused = await patient.send([record("t", 0)])
        await patient.close(within: 1_000)
        #expect(throws: KafkaError.self) { try refused[0].get() }
        if case .failure(let error) = refused[0] {
            #expect(error.code == .authorization && error.message.contains("TOPIC_AUTHORIZATION_FAILED"), "\(error)")
        }
        var options = KafkaProducer.Options()
        options.timeout = 1_500
        let producer = try KafkaProducer(try settings(kafka.bootstrap), options: options, log: quietLogger())
        let large = await producer.send([KafkaOutgoing(topic: "t", value: [UInt8](repeating: 0, count: 2_000_000))])
        if case .failure(let error) = large[0] { #expect(error.code == .tooLarge, "\(error)") }
        kafka.topic("other")
        kafka.down(1)
        let unheard = await producer.send([record("other", 1)])
        if case .failure(let error) = unheard[0] {
            #expect(error.isRetriable, "\(error)")
        } else {
            Issue.record("a broker that is down acknowledged")
        }
        await producer.close(within: 100)
        #expect(await producer.send([record("t", 1)]).allSatisfy { (try? $0.get()) == nil })
    }

    @Test func `a producer that the brokers have shut out says that it is of no more use`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        // PRODUCER_FENCED.
        kafka.fail(.produce, with: [90])
        guard case .failure(let error) = await producer.send([record("t", 0)])[0] else {
            Issue.record("what was refused is called written")
            return
        }
        #expect(error.code == .fatal && producer.failure?.code == .fatal, "\(error)")
        await producer.close(within: 1_000)
    }

    @Test func `a wrong property is named`() throws {
        #expect { try KafkaSettings(bootstrap: "h:1", properties: [KafkaProperty("acks", "1")]) } throws: {
            "\($0)"
                == "the property acks cannot be set: an answered event must be durable and in order, so Weir chooses it"
        }
        #expect {
            try KafkaSettings(bootstrap: "h:1", properties: [KafkaProperty("plugin.library.paths", "x")])
        } throws: {
            ($0 as? KafkaError)?.code == .configuration
        }
        #expect(throws: KafkaError.self) { try KafkaSettings(bootstrap: " ") }
        let settings = try KafkaSettings(bootstrap: "h:1", properties: [KafkaProperty("linger.mz", "1")])
        #expect { _ = try KafkaProducer(settings, log: quietLogger()) } throws: { "\($0)".contains("linger.mz") }
    }
}
