import Logging
import Synchronization
import TestSupport
import Testing

@testable import Kafka

/// A member that the group has given up asks to be in it again.
@Suite(.timeLimit(.minutes(2))) struct MemberLossTests {
    private final class Notes: Sendable {
        private struct State {
            var mine: Set<TopicPartition> = []
            var losses = 0
            var isReleasing = false
            var mayRelease = false
            var words: [String] = []
        }

        private let state = Mutex(State())

        var mine: Set<TopicPartition> { state.withLock { $0.mine } }
        var losses: Int { state.withLock { $0.losses } }
        var isReleasing: Bool { state.withLock { $0.isReleasing } }

        func allowRelease() { state.withLock { $0.mayRelease = true } }
        func note(_ word: String) { state.withLock { $0.words.append(word) } }
        func heard(_ word: String) -> Bool { state.withLock { $0.words.contains { $0.contains(word) } } }

        /// - Parameter isSlow: whether what is revoked waits for ``allowRelease()``.
        func handler(isSlow: Bool = false) -> KafkaMember.Handler {
            .init(
                assigned: { partitions in self.state.withLock { $0.mine.formUnion(partitions) } },
                revoked: { partitions, isLost in
                    self.state.withLock { state in
                        if isLost { state.losses += 1 }
                        state.isReleasing = true
                    }
                    if isSlow { await waitUntil { self.state.withLock { $0.mayRelease } } }
                    self.state.withLock { $0.mine.subtract(partitions) }
                })
        }
    }

    /// A member that has all partitions of the topic `a`.
    private func joined(
        _ kafka: MockKafka, _ notes: Notes, _ properties: [KafkaProperty] = [], isSlow: Bool = false,
        log: Logger = quietLogger()
    ) async throws -> KafkaMember {
        kafka.topic("a", partitions: 3)
        let member = try KafkaMember(
            try settings(kafka.bootstrap, properties), group: "g", handler: notes.handler(isSlow: isSlow), log: log)
        try member.subscribe(["a"])
        await waitUntil { notes.mine.count == 3 }
        return member
    }

    /// UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION.
    @Test(arguments: [25, 22] as [Int32])
    func `what the group has given to another comes back`(_ error: Int32) async throws {
        let kafka = try MockKafka(brokers: 1)
        let notes = Notes()
        let member = try await joined(kafka, notes)
        for round in 1...3 {
            await waitUntil { notes.mine.count == 3 && member.hasJoined }
            kafka.fail(.heartbeat, with: [error])
            await waitUntil { notes.losses == round }
        }
        await waitUntil { notes.mine.count == 3 }
        #expect(member.trouble() == nil)
        await member.leave()
    }

    @Test func `what is lost with the brokers comes back with them`() async throws {
        let kafka = try MockKafka(brokers: 1)
        let notes = Notes()
        let member = try await joined(kafka, notes)
        kafka.down(1)
        await waitUntil { notes.losses == 1 && notes.mine.isEmpty }
        kafka.up(1)
        await waitUntil { notes.mine.count == 3 }
        await member.leave()
    }

    @Test func `what is lost while it is being given up does not keep the member out`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("b", partitions: 2)
        let notes = Notes()
        let member = try await joined(
            kafka, notes, [KafkaProperty("debug", "cgrp")], isSlow: true, log: HookedLog.logger { notes.note($0) })
        try member.subscribe(["b"])
        await waitUntil { notes.isReleasing }
        kafka.fail(.heartbeat, with: [25])
        await waitUntil { notes.heard("Unknown member") }
        notes.allowRelease()
        await waitUntil { notes.mine == [TopicPartition("b", 0), TopicPartition("b", 1)] }
        await member.leave()
    }

    @Test func `a static member that another has replaced is told of`() async throws {
        let kafka = try MockKafka(brokers: 1)
        let notes = Notes()
        let member = try await joined(kafka, notes, [KafkaProperty("group.instance.id", "one")])
        // FENCED_INSTANCE_ID.
        kafka.fail(.heartbeat, with: [82])
        await waitUntil { notes.losses == 1 }
        #expect(member.assigned.isEmpty)
        var trouble: KafkaError?
        for _ in 0..<20 { trouble = trouble ?? member.trouble() }
        #expect(trouble?.code == .fatal)
        await member.leave()
    }

    @Test func `a static consumer that another has replaced says so to who waits for messages`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("a", partitions: 3)
        let consumer = try KafkaConsumer(
            try settings(kafka.bootstrap, [KafkaProperty("group.instance.id", "one")]), group: "g", topics: ["a"],
            log: quietLogger())
        await waitUntil { consumer.status().partitions.count == 3 }
        kafka.fail(.heartbeat, with: [82])
        await #expect { _ = try await consumer.next() } throws: { ($0 as? KafkaError)?.code == .fatal }
        await consumer.close()
    }
}

@Suite struct MemberWatchTests {
    private func watch(factor: Int = 1) -> MemberWatch {
        var watch = MemberWatch(session: 45_000, rebalance: 300_000, factor: factor)
        watch.isWanted = true
        return watch
    }

    /// How many beats it takes until there is trouble.
    private func beats(_ watch: inout MemberWatch, _ news: MemberWatch.Standing?, hasFailed: Bool = false) -> (
        Int, MemberWatch.Trouble
    )? {
        for beat in 1...10_000 {
            if let news { watch.heard(news) }
            if let trouble = watch.count(hasFailed: hasFailed) { return (beat, trouble) }
        }
        return nil
    }

    @Test func `patience lasts for two sessions and a rebalance`() throws {
        var silent = watch()
        var outside = watch()
        var failed = watch()
        #expect(silent.beat == 5_000)
        #expect(try #require(beats(&silent, nil)) == (79, .silent))
        #expect(try #require(beats(&outside, .asking)) == (79, .outside))
        #expect(try #require(beats(&failed, .settled, hasFailed: true)) == (10, .failed))
        var later = watch(factor: 4)
        #expect(try #require(beats(&later, .asking)) == (313, .outside))
    }

    @Test func `who is in the group, waits for brokers or its owner, or wants nothing is let alone`() {
        var settled = watch()
        var held = watch()
        var idle = MemberWatch(session: 45_000, rebalance: 300_000)
        #expect(beats(&settled, .settled) == nil)
        #expect(beats(&held, .held) == nil)
        #expect(beats(&idle, nil) == nil)
    }

    @Test func `what was in the group has all patience again`() {
        var watch = watch()
        for _ in 0..<78 {
            watch.heard(.asking)
            #expect(watch.count(hasFailed: false) == nil)
        }
        watch.heard(.settled)
        for _ in 0..<78 {
            watch.heard(.asking)
            #expect(watch.count(hasFailed: false) == nil)
        }
        watch.heard(.asking)
        #expect(watch.count(hasFailed: false) == .outside)
    }

    @Test func `librdkafka's words are understood`() {
        #expect(MemberWatch.Standing(state: "up", join: "steady") == .settled)
        #expect(MemberWatch.Standing(state: "up", join: "wait-join") == .asking)
        #expect(MemberWatch.Standing(state: "up", join: "init") == .asking)
        #expect(MemberWatch.Standing(state: "up", join: "wait-unassign-call") == .held)
        #expect(MemberWatch.Standing(state: "wait-broker-transport", join: "init") == .held)
    }
}
