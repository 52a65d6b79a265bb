import Dispatch
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Kafka

/// librdkafka's close waits for the answer to each rebalance that it has told of, for as long as it takes.
@Suite(.timeLimit(.minutes(2))) struct MemberEndTests {
    /// What happens on the client's thread at a moment, held there until the client is being closed.
    private final class Moment: Sendable {
        private let text: String
        private let closing = DispatchSemaphore(value: 0)
        private let action = Mutex<(@Sendable () -> Void)?>(nil)

        init(_ text: String) { self.text = text }

        func then(_ body: @escaping @Sendable () -> Void) { action.withLock { $0 = body } }

        func saw(_ message: String) {
            if message == "a Kafka client is being closed" { closing.signal() }
            guard message == text else { return }
            let body = action.withLock { action in
                defer { action = nil }
                return action
            }
            guard let body else { return }
            body()
            _ = closing.wait(timeout: .now() + 10)
        }
    }

    private final class Flag: Sendable {
        private let state = Mutex(false)
        var isSet: Bool { state.withLock { $0 } }
        func set() { state.withLock { $0 = true } }
    }

    private static func becomesTrue(_ flag: Flag) async -> Bool {
        let end = ContinuousClock.now + .seconds(20)
        await waitUntil { flag.isSet || ContinuousClock.now > end }
        return flag.isSet
    }

    @Test(arguments: ["partitions were assigned", "partitions are revoked"])
    func `a member leaves while its partitions come or go`(_ text: String) async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("a", partitions: 3)
        let moment = Moment(text)
        let member = try KafkaMember(
            try settings(kafka.bootstrap), group: "g", handler: .init(assigned: { _ in }, revoked: { _, _ in }),
            log: HookedLog.logger { moment.saw($0) })
        let hasLeft = Flag()
        moment.then {
            Task {
                await member.leave()
                hasLeft.set()
            }
        }
        try member.subscribe(["a"])
        if text != "partitions were assigned" {
            await waitUntil { member.assigned.count == 3 }
            try member.subscribe([])
        }
        #expect(await Self.becomesTrue(hasLeft))
    }

    @Test func `a member whose owner goes ends although its partitions are still being given up`() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("a", partitions: 3)
        let hasEnded = Flag()
        let isReleasing = Flag()
        let isOver = Flag()
        var member: KafkaMember? = try KafkaMember(
            try settings(kafka.bootstrap), group: "g",
            handler: .init(
                assigned: { _ in },
                revoked: { _, _ in
                    isReleasing.set()
                    await waitUntil { isOver.isSet }
                }),
            log: HookedLog.logger { if $0 == "a Kafka client has ended" { hasEnded.set() } })
        try member?.subscribe(["a"])
        await waitUntil { member?.assigned.count == 3 }
        try member?.subscribe([])
        await waitUntil { isReleasing.isSet }
        member = nil
        #expect(await Self.becomesTrue(hasEnded))
        isOver.set()
    }

    @Test(arguments: ["partitions were assigned", "partitions are revoked"])
    func `a consumer is closed while its partitions come or go`(_ text: String) async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("a", partitions: 3)
        let moment = Moment(text)
        let consumer = try KafkaConsumer(
            try settings(kafka.bootstrap), group: "g", topics: ["a"],
            log: HookedLog.logger { moment.saw($0) })
        let hasEnded = Flag()
        moment.then {
            Task {
                await consumer.close()
                hasEnded.set()
            }
        }
        if text != "partitions were assigned" {
            await waitUntil { consumer.status().partitions.count == 3 }
            // UNKNOWN_MEMBER_ID: the group has given it up.
            kafka.fail(.heartbeat, with: [25])
        }
        #expect(await Self.becomesTrue(hasEnded))
    }
}
