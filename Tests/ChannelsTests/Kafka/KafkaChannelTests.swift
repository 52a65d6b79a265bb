import Channels
import CloudEvents
import Kafka
import Synchronization
import TestSupport
import Testing

/// What only a channel in Kafka does: others write into its topic, brokers fail, servers share it.
@Suite(.timeLimit(.minutes(3))) struct KafkaChannelTests {
    private static func store(
        _ kafka: MockKafka, appendTimeout: Int = 30_000, more: String = ""
    ) throws -> KafkaStore {
        var options = ChannelFactory.options()
        options.appendTimeout = appendTimeout
        let properties =
            "bootstrap.servers = \(kafka.bootstrap)\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 500\n"
            // A member that these brokers forget while it waits to join asks again then.
            + "max.poll.interval.ms = 10000\n\(more)"
        return KafkaStore(try KafkaClusters(properties: properties), options: options, log: quietLogger())
    }

    private static func open(
        _ store: KafkaStore, partitions: Int = 1, mode: KafkaTopicSpec.Mode = .binary
    ) async throws -> KafkaChannel {
        try await store.open(
            "default/storage",
            ChannelSpec(partitions: partitions, storage: .kafka(KafkaTopicSpec(topic: "storage", mode: mode))))
    }

    @Test func `what others write is read, and what is no event is a gap that says so`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let store = try Self.store(kafka)
        let channel = try await Self.open(store)
        let waiter = Task { await channel.waitForRecords(partition: 0, from: 0) }
        let producer = try KafkaProducer(try KafkaSettings(bootstrap: kafka.bootstrap), log: quietLogger())
        let structured = KafkaBinding.encode(event("theirs"), mode: .structured)
        _ = await producer.send([
            KafkaOutgoing(
                topic: "storage", value: structured.value,
                headers: structured.headers.map { KafkaHeader($0.name, $0.value) }),
            KafkaOutgoing(topic: "storage", value: Array("not an event".utf8)),
            KafkaOutgoing(topic: "storage", value: nil),
        ])
        await waiter.value
        _ = try await channel.append([event("ours")])
        var reading = Reading()
        await waitUntil {
            reading = (try? await channel.readAll()) ?? Reading()
            return reading.ids.count == 2
        }
        #expect(reading.ids == ["theirs", "ours"])
        #expect(reading.gaps.map(\.reason).allSatisfy { $0 == .unreadable })
        #expect(reading.gaps.reduce(0) { $0 + $1.offsets.count } == 2)
        await producer.close(within: 1_000)
        await store.close()
    }

    @Test func `structured events come back, their types too`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let store = try Self.store(kafka)
        let channel = try await Self.open(store, mode: .structured)
        var one = CloudEvent(id: "1", source: "file://host", type: "t")
        one["n"] = .integer(5)
        one.data = .json(Array("[1]".utf8))
        _ = try await channel.append([EventRecord(one)])
        let batch = try await channel.read(partition: 0, from: 0, limit: ReadLimit())
        #expect(batch.count == 1 && batch.record(at: 0).event == one)
        await store.close()
    }

    @Test func `after a restart the newest ids are known from the topic`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage", partitions: 2)
        let first = try Self.store(kafka)
        _ = try await Self.open(first, partitions: 2).append(events(20))
        await first.close()
        let second = try Self.store(kafka)
        let channel = try await Self.open(second, partitions: 2)
        let outcomes = try await channel.append(events(22))
        #expect(outcomes.count { $0 == .duplicate } == 20)
        await second.close()
    }

    @Test func `what another server appended since a mark is known when it is recalled`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let (ours, theirs) = (try Self.store(kafka), try Self.store(kafka))
        let (mine, other) = (try await Self.open(ours), try await Self.open(theirs))
        _ = try await mine.append(events(3, "mine"))
        let marks = try #require(mine.appendMarks)
        _ = try await other.append(events(3, "other"))
        // Not told, it cannot know; told, it looks.
        mine.recall(from: marks)
        #expect(try await mine.append(events(3, "other")).allSatisfy { $0 == .duplicate })
        await ours.close()
        await theirs.close()
    }

    @Test func `an append that was not answered in time is joined by the next of the same events`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let store = try Self.store(kafka, appendTimeout: 3_000)
        let channel = try await Self.open(store)
        _ = try await channel.append([event("before")])
        kafka.down(1)
        await #expect { _ = try await channel.append(events(3)) } throws: {
            ($0 as? ChannelError)?.code == .unavailable
        }
        kafka.up(1)
        var outcomes: [AppendOutcome] = []
        await waitUntil {
            outcomes = (try? await channel.append(events(3))) ?? []
            return !outcomes.isEmpty
        }
        #expect(try await channel.readAll().ids == ["before", "e-0", "e-1", "e-2"])
        await store.close()
    }

    /// Several requests a call; the brokers here take the second although the first is refused, so that the order within a
    /// call is not theirs to test.
    @Test func `events outlast moved leaders and refused requests, one call after the other and once`() async throws {
        let kafka = try MockKafka(brokers: 3)
        kafka.topic("storage", partitions: 1, replication: 3)
        let store = try Self.store(kafka, more: "batch.num.messages = 7")
        let channel = try await Self.open(store)
        for round in 0..<6 {
            kafka.lead("storage", 0, by: 1 + round % 3)
            // NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT; LEADER_NOT_AVAILABLE of a fetch.
            kafka.fail(.produce, with: [6, 7])
            kafka.fail(.fetch, with: [5])
            _ = try await channel.append(events(20, "r\(round)"))
        }
        var reading = Reading()
        await waitUntil {
            reading = (try? await channel.readAll()) ?? Reading()
            return reading.ids.count >= 120
        }
        #expect(reading.ids.count == 120)
        for round in 0..<6 {
            let ids = reading.ids.dropFirst(round * 20).prefix(20)
            #expect(Set(ids) == Set((0..<20).map { "r\(round)-\($0)" }), "round \(round): \(ids)")
        }
        await store.close()
    }

    /// Lets the first of two requests be refused while the second is under way and is taken; see the test of the producer.
    private static func refuseFirst(_ kafka: MockKafka) {
        kafka.delay(1, milliseconds: 300)
        // NOT_ENOUGH_REPLICAS.
        kafka.fail(.produce, with: [19])
    }

    @Test func `what the client only concludes to be written is looked for, and appended when it is not there`()
        async throws
    {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        let store = try Self.store(kafka, more: "batch.num.messages = 1")
        let channel = try await Self.open(store)
        _ = try await channel.append([event("before")])
        Self.refuseFirst(kafka)
        let outcomes = try await channel.append(events(3))
        let reading = try await channel.readAll()
        #expect(reading.ids.first == "before" && reading.ids.dropFirst().sorted() == ["e-0", "e-1", "e-2"])
        for (number, outcome) in outcomes.enumerated() {
            guard case .appended(0, let offset) = outcome else {
                Issue.record("event \(number): \(outcome)")
                continue
            }
            #expect(reading.ids[Int(offset)] == "e-\(number)")
        }
        #expect(try await channel.append(events(3)).allSatisfy { $0 == .duplicate })
        await store.close()
    }

    @Test func `what is kept for a partition is kept although the client only concludes that it is`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("storage")
        kafka.topic(KafkaStore.ledger(of: "storage", group: "weir"))
        let store = try Self.store(kafka, more: "batch.num.messages = 1")
        let sharing = try #require(try await Self.open(store).sharing)
        try await sharing.keep([(key: "a", value: [1])], partition: 0)
        Self.refuseFirst(kafka)
        try await sharing.keep(
            [(key: "b", value: [1]), (key: "a", value: [2]), (key: "a", value: nil), (key: "c", value: [3])],
            partition: 0)
        #expect(try await sharing.kept(partition: 0) == ["b": [1], "c": [3]])
        await store.close()
    }

    // MARK: Sharing

    /// Holds partitions and writes into each what it has seen there.
    final class Holder: PartitionHolder {
        let name: String
        let held = Mutex<Set<Int>>([])
        let found = Mutex<[Int: String]>([:])
        private let sharing: any PartitionSharing

        init(_ name: String, _ sharing: any PartitionSharing) {
            self.name = name
            self.sharing = sharing
        }

        func take(_ partition: Int) async {
            let kept = (try? await sharing.kept(partition: partition)) ?? [:]
            found.withLock { $0[partition] = kept["owner"].map { String(decoding: $0, as: UTF8.self) } }
            held.withLock { _ = $0.insert(partition) }
        }

        func release(_ partition: Int, isLost: Bool) async {
            if !isLost {
                try? await sharing.keep(
                    [(key: "owner", value: Array(name.utf8)), (key: "gone", value: nil)], partition: partition)
                await sharing.settled(below: [partition: 7])
            }
            held.withLock { _ = $0.remove(partition) }
        }
    }

    @Test func `partitions move between servers, and what is kept for them goes along`() async throws {
        let kafka = try MockKafka(brokers: 2)
        kafka.topic("storage", partitions: 4)
        kafka.topic(KafkaStore.ledger(of: "storage", group: "weir"), partitions: 4)
        let (ours, theirs) = (try Self.store(kafka), try Self.store(kafka))
        let mine = try #require(try await Self.open(ours, partitions: 4).sharing)
        let other = try #require(try await Self.open(theirs, partitions: 4).sharing)
        let (first, second) = (Holder("first", mine), Holder("second", other))
        try await mine.join(first)
        await waitUntil { first.held.withLock { $0.count } == 4 }
        try await other.join(second)
        await waitUntil { first.held.withLock { $0.count } == 2 && second.held.withLock { $0.count } == 2 }
        #expect(first.held.withLock { $0 }.isDisjoint(with: second.held.withLock { $0 }))
        #expect(
            second.found.withLock { $0 }.values.allSatisfy { $0 == "first" } && second.found.withLock { $0.count } == 2)
        let one = try #require(first.held.withLock { $0 }.first)
        #expect(await mine.confirms(partition: one))
        #expect(await other.confirms(partition: one) == false)
        await mine.leave()
        await waitUntil { second.held.withLock { $0.count } == 4 }
        #expect(second.found.withLock { $0.count } == 4)
        await other.leave()
        await ours.close()
        await theirs.close()
    }
}
