import Kafka
import Logging
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ReaderTests {
    /// Reads until the end has been reached.
    static func toEnd(_ cursor: KafkaCursor) async throws -> (offsets: [Int64], end: Int64) {
        var offsets: [Int64] = []
        while true {
            let found = cursor.take(100) { offsets.append($0.offset) }
            if let error = found.error { throw error }
            if let end = found.end { return (offsets, end) }
            if Task.isCancelled { throw CancellationError() }
            if found.messages == 0 { await cursor.wait() }
        }
    }

    @Test func `a cursor reads from any offset to the end and tells of the end`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t", partitions: 2)
        let producer = try KafkaProducer(try settings(kafka.bootstrap), log: quietLogger())
        _ = await producer.send((0..<300).map { record("t", $0, partition: 1) })
        let reader = try KafkaReader(try settings(kafka.bootstrap), log: quietLogger())
        let partition = TopicPartition("t", 1)
        let cursor = try #require(try reader.open(partition, at: 120))
        #expect(try reader.open(partition, at: 0) == nil)
        var (offsets, end) = try await Self.toEnd(cursor)
        #expect(offsets == (120..<300).map { Int64($0) } && end == 300)
        // Something new, and the end again.
        _ = await producer.send([record("t", 300, partition: 1)])
        (offsets, end) = try await Self.toEnd(cursor)
        #expect(offsets == [300] && end == 301)
        cursor.seek(to: 290)
        (offsets, end) = try await Self.toEnd(cursor)
        #expect(offsets == (290..<301).map { Int64($0) } && end == 301)
        await cursor.close()
        let other = try #require(try reader.open(TopicPartition("t", 0), at: 0))
        #expect(try await Self.toEnd(other).end == 0)
        await other.close()
        #expect(try await reader.bounds(partition) == 0..<301)
        await reader.close()
        await producer.close(within: 1_000)
    }

    @Test func `the ends of a partition are told also when its leader has moved and nothing is read of it`()
        async throws
    {
        let kafka = try MockKafka(brokers: 2)
        kafka.topic("t", replication: 2)
        let reader = try KafkaReader(try settings(kafka.bootstrap), log: quietLogger())
        let partition = TopicPartition("t", 0)
        for leader in [1, 2, 1] {
            kafka.lead("t", 0, by: leader)
            await waitUntil { (try? await reader.bounds(partition)) == 0..<0 }
        }
        await reader.close()
    }

    @Test func `an offset that is not there is said`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("t")
        let reader = try KafkaReader(try settings(kafka.bootstrap), log: quietLogger())
        let cursor = try #require(try reader.open(TopicPartition("t", 0), at: 50))
        await #expect { try await Self.toEnd(cursor) } throws: { ($0 as? KafkaError)?.code == .outOfRange }
        await cursor.close()
        let other = try #require(try reader.open(TopicPartition("t", 0), at: 0))
        #expect(try await Self.toEnd(other).end == 0)
        await other.close()
        await reader.close()
    }
}

@Suite(.timeLimit(.minutes(2))) struct MemberTests {
    /// A member that notes what is its own.
    final class Worker: Sendable {
        let mine = Mutex<Set<TopicPartition>>([])
        let member: KafkaMember

        init(_ bootstrap: String, everybody: @escaping @Sendable (TopicPartition, Int) -> Void) throws {
            final class Box: Sendable { let worker = Mutex<Worker?>(nil) }
            let box = Box()
            member = try KafkaMember(
                try settings(bootstrap), group: "g",
                handler: .init(
                    assigned: { partitions in
                        for one in partitions { everybody(one, 1) }
                        box.worker.withLock { $0?.mine.withLock { $0.formUnion(partitions) } }
                    },
                    revoked: { partitions, _ in
                        for one in partitions { everybody(one, -1) }
                        box.worker.withLock { $0?.mine.withLock { $0.subtract(partitions) } }
                    }), log: quietLogger())
            box.worker.withLock { $0 = self }
        }
    }

    @Test func `members share partitions, and none is two members' at once`() async throws {
        let kafka = try MockKafka()
        kafka.topic("a", partitions: 4)
        kafka.topic("b", partitions: 2)
        let holders = Mutex<[TopicPartition: Int]>([:])
        let most = Mutex(0)
        let note: @Sendable (TopicPartition, Int) -> Void = { partition, change in
            let count = holders.withLock { holders in
                holders[partition, default: 0] += change
                return holders[partition] ?? 0
            }
            most.withLock { $0 = max($0, count) }
        }
        let first = try Worker(kafka.bootstrap, everybody: note)
        try first.member.subscribe(["a"])
        await waitUntil { first.mine.withLock { $0.count } == 4 }
        try first.member.subscribe(["a", "b"])
        await waitUntil { first.mine.withLock { $0.count } == 6 }
        let second = try Worker(kafka.bootstrap, everybody: note)
        try second.member.subscribe(["a", "b"])
        await waitUntil { first.mine.withLock { $0.count } == 3 && second.mine.withLock { $0.count } == 3 }
        #expect(first.member.assigned.isDisjoint(with: second.member.assigned))
        let one = try #require(first.member.assigned.first)
        try await first.member.commit([one: 7])
        #expect(try await second.member.committed([one, TopicPartition("a", 3)])[one] == 7)
        await first.member.leave()
        await waitUntil { second.mine.withLock { $0.count } == 6 }
        #expect(most.withLock { $0 } <= 2)
        await second.member.leave()
    }
}

@Suite struct ClustersTests {
    @Test func `a properties file has a standard cluster and named ones`() throws {
        let clusters = try KafkaClusters(
            bootstrap: "k0:9092",
            properties: """
                # comment
                bootstrap.servers = ignored:1
                security.protocol=SASL_SSL
                sasl.password = a = b
                weir.oauthbearer.token.file = /run/token

                [tape]
                bootstrap.servers = t1:9092, t2:9092
                """)
        #expect(clusters.standard?.bootstrap == "k0:9092" && clusters.standard?["sasl.password"] == "a = b")
        #expect(clusters.standard?.tokenFile == "/run/token")
        #expect(try clusters.settings("tape").bootstrap == "t1:9092,t2:9092")
        #expect { try clusters.settings("disk") } throws: { "\($0)".contains("\"disk\"") && "\($0)".contains("tape") }
        #expect { try KafkaClusters().settings(nil) } throws: { "\($0)".contains("--kafka") }
    }

    @Test(arguments: [
        ("acks = 1\nbootstrap.servers = a:1", "the property acks cannot be set"), ("nonsense", "line 1"),
        ("[a]\nx = y", "section [a]: bootstrap.servers is missing"), ("[a]\n[a]", "stands twice"), ("[a", "line 1"),
    ])
    func `what is wrong in it is said with its place`(_ text: String, _ words: String) {
        #expect { try KafkaClusters(properties: text, name: "kafka.properties") } throws: {
            "\($0)".hasPrefix("kafka.properties") && "\($0)".contains(words)
        }
    }
}
