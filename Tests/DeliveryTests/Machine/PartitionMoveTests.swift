import Delivery
import TestSupport
import Testing

/// Partitions that come and go while events are under way.
@Suite struct PartitionMoveTests {
    private var random = SeededGenerator(seed: 1)

    private static func policy(_ order: DeliveryPolicy.Order = .none, concurrency: Int = 8) -> DeliveryPolicy {
        var policy = DeliveryPolicy()
        policy.order = order
        policy.concurrency = concurrency
        policy.backoff = 100
        policy.jitter = false
        return policy
    }

    private static func offer(
        _ machine: inout DeliveryMachine, _ partition: Int, _ offsets: Range<UInt64>, key: UInt64? = nil
    ) {
        for offset in offsets {
            _ = machine.offer(
                partition: partition, offset: offset, key: key ?? offset, appended: 0, depth: 0, now: 0)
        }
    }

    private func batches(_ actions: [DeliveryAction]) -> [(batch: UInt32, slots: [UInt32])] {
        actions.compactMap { action -> (batch: UInt32, slots: [UInt32])? in
            guard case .deliver(let batch, let slots, _) = action else { return nil }
            return (batch, slots)
        }
    }

    @Test mutating func `what is under way counts, what is not begun goes on where the partition goes`() {
        var machine = DeliveryMachine(
            policy: Self.policy(concurrency: 2), states: [0: .init(progress: .init(floor: 0))])
        Self.offer(&machine, 0, 0..<5)
        var actions: [DeliveryAction] = []
        machine.poll(now: 0, random: &random, actions: &actions)
        let sent = batches(actions)
        #expect(sent.count == 2)
        actions = []
        machine.close(0, now: 0, actions: &actions)
        #expect(machine.isBusy(0) && batches(actions).isEmpty)
        machine.completed(sent[1].batch, outcomes: [.delivered], now: 1, random: &random, actions: &actions)
        machine.completed(sent[0].batch, outcomes: [.retry("no")], now: 1, random: &random, actions: &actions)
        #expect(!machine.isBusy(0))
        let state = machine.state(ofPartition: 0)
        #expect(state?.progress == Progress(floor: 0, settled: [1..<2]))
        #expect(state?.failures == [.init(offset: 0, attempts: 1)])
        machine.remove(0, now: 1, actions: &actions)
        #expect(machine.pending == 0 && machine.openPartitions.isEmpty && machine.nextWake(now: 1) == nil)

        // The next owner begins there, and counts on.
        var next = DeliveryMachine(policy: Self.policy(), states: state.map { [0: $0] } ?? [:])
        Self.offer(&next, 0, 0..<5)
        #expect(next.pending == 4)
        actions = []
        next.poll(now: 2, random: &random, actions: &actions)
        let again = batches(actions).flatMap(\.slots)
        #expect(again.map { next.attempt(of: $0) }.sorted() == [1, 1, 1, 2])
    }

    @Test mutating func `an answer that comes when the partition has gone changes nothing`() {
        var machine = DeliveryMachine(policy: Self.policy(), states: [0: .init(progress: .init(floor: 0))])
        Self.offer(&machine, 0, 0..<3)
        var actions: [DeliveryAction] = []
        machine.poll(now: 0, random: &random, actions: &actions)
        let sent = batches(actions)
        actions = []
        machine.remove(0, now: 0, actions: &actions)
        #expect(machine.pending == 0)
        // It comes again and stands elsewhere; the slots of what is out are not used for it.
        machine.open(0, .init(progress: .init(floor: 10)))
        Self.offer(&machine, 0, 10..<12)
        for one in sent {
            machine.completed(
                one.batch, outcomes: Array(repeating: .delivered, count: one.slots.count), now: 1, random: &random,
                actions: &actions)
        }
        #expect(machine.pending == 2 && machine.progress(ofPartition: 0) == Progress(floor: 10))
        #expect(machine.counts.delivered == 0)
    }

    @Test mutating func `order by key goes on over a partition that has gone`() {
        var machine = DeliveryMachine(
            policy: Self.policy(.key),
            states: [0: .init(progress: .init(floor: 0)), 1: .init(progress: .init(floor: 0))])
        // One key: the first is out, those behind wait; the middle ones' partition goes.
        Self.offer(&machine, 1, 0..<1, key: 7)
        Self.offer(&machine, 0, 0..<3, key: 7)
        Self.offer(&machine, 1, 1..<2, key: 7)
        var actions: [DeliveryAction] = []
        machine.poll(now: 0, random: &random, actions: &actions)
        let first = batches(actions)
        #expect(first.count == 1)
        actions = []
        machine.remove(0, now: 0, actions: &actions)
        machine.poll(now: 0, random: &random, actions: &actions)
        #expect(batches(actions).isEmpty)
        machine.completed(first[0].batch, outcomes: [.delivered], now: 1, random: &random, actions: &actions)
        machine.poll(now: 1, random: &random, actions: &actions)
        #expect(batches(actions).count == 1 && machine.pending == 1)
    }

    @Test func `a state comes back from its bytes, and an older one too`() {
        var state = DeliveryState(progress: Progress(floor: 5, settled: [6..<8, 10..<11]))
        state.failures = [.init(offset: 5, attempts: 2), .init(offset: 300, attempts: 1)]
        state.marks = [.init(channel: "replies", offsets: [1, 2, 1 << 40]), .init(channel: "ä", offsets: [])]
        state.partitions = 8
        #expect(DeliveryState(state.encoded()) == state)
        state.isClean = true
        #expect(DeliveryState(state.encoded()) == state)
        #expect(DeliveryState(state.progress.encoded())?.progress == state.progress)
        var generator = SeededGenerator()
        for _ in 0..<2_000 {
            var bytes = state.encoded()
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            if Bool.random(using: &generator) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            // Whatever it is, it does not trap.
            _ = DeliveryState(bytes)
        }
    }
}
