import Kafka
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Channels

/// A server gets back to its share of the partitions, whatever becomes of its member of the group.
@Suite(.timeLimit(.minutes(2))) struct KafkaGroupTests {
    private final class Holder: PartitionHolder {
        private struct State {
            var held: Set<Int> = []
            var losses = 0
        }

        private let state = Mutex(State())
        var held: Set<Int> { state.withLock { $0.held } }
        var losses: Int { state.withLock { $0.losses } }

        func take(_ partition: Int) async { state.withLock { _ = $0.held.insert(partition) } }

        func release(_ partition: Int, isLost: Bool) async {
            state.withLock { state in
                state.held.remove(partition)
                if isLost { state.losses += 1 }
            }
        }
    }

    /// A session is longer than librdkafka's brokers wait before they begin a group (3 s, `rd_kafka_mock_cgrp_rebalance`):
    /// they forget a member whose session is over by then.
    private static func open(
        _ kafka: MockKafka, _ more: String = "", session: Int = 4_000, rebalance: Int = 10_000,
        log: Logger = quietLogger()
    ) async throws -> (KafkaStore, any PartitionSharing) {
        kafka.topic("storage", partitions: 3)
        kafka.topic(KafkaStore.ledger(of: "storage", group: "weir"), partitions: 3)
        let properties =
            "bootstrap.servers = \(kafka.bootstrap)\nsession.timeout.ms = \(session)\nheartbeat.interval.ms = 200\n"
            + "max.poll.interval.ms = \(rebalance)\n" + more
        let store = KafkaStore(try KafkaClusters(properties: properties), log: log)
        let channel = try await store.open(
            "default/storage", ChannelSpec(partitions: 3, storage: .kafka(KafkaTopicSpec(topic: "storage"))))
        return (store, try #require(channel.sharing))
    }

    @Test func `a member that failed for good is replaced`() async throws {
        let kafka = try MockKafka(brokers: 1)
        let (store, sharing) = try await Self.open(kafka, "group.instance.id = one")
        let holder = Holder()
        try await sharing.join(holder)
        await waitUntil { holder.held.count == 3 }
        // FENCED_INSTANCE_ID: librdkafka takes no part in the group any more.
        kafka.fail(.heartbeat, with: [82])
        await waitUntil { holder.losses == 3 }
        await waitUntil { holder.held.count == 3 }
        await store.close()
        #expect(holder.held.isEmpty)
    }

    @Test func `a member that the group does not take up is replaced`() async throws {
        let kafka = try MockKafka(brokers: 1)
        let renewals = Counter()
        let (store, sharing) = try await Self.open(
            kafka, rebalance: 4_000,
            log: HookedLog.logger { if $0 == "this server joins the group anew" { renewals.add() } })
        // GROUP_AUTHORIZATION_FAILED, to each attempt of some seconds.
        kafka.fail(.joinGroup, with: Array(repeating: 30, count: 15))
        let holder = Holder()
        try await sharing.join(holder)
        await waitUntil { holder.held.count == 3 }
        #expect(renewals.value > 0)
        await store.close()
    }

    @Test func `a topic that is left and joined at once is worked on`() async throws {
        let kafka = try MockKafka(brokers: 1)
        let (store, sharing) = try await Self.open(kafka)
        let holder = Holder()
        try await sharing.join(holder)
        await waitUntil { holder.held.count == 3 }
        for _ in 0..<5 {
            await sharing.leave()
            #expect(holder.held.isEmpty)
            try await sharing.join(holder)
        }
        await waitUntil { holder.held.count == 3 }
        await store.close()
    }

    private final class Counter: Sendable {
        private let state = Mutex(0)
        var value: Int { state.withLock { $0 } }
        func add() { state.withLock { $0 += 1 } }
    }
}
