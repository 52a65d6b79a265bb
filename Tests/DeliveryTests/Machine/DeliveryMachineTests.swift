import TestSupport
import Testing

@testable import Delivery

/// A machine with a clock that a test moves.
private struct Bench {
    var machine: DeliveryMachine
    var now: Int64 = 1_000
    var random = SeededGenerator(seed: 7)
    var next: UInt64 = 0
    var settled: [UInt64] = []
    var offsets: [UInt32: UInt64] = [:]

    init(_ change: (inout DeliveryPolicy) -> Void = { _ in }) {
        var policy = DeliveryPolicy()
        policy.concurrency = 4
        change(&policy)
        machine = DeliveryMachine(policy: policy, progress: [0: Progress(floor: 0)])
    }

    mutating func offer(key: UInt64 = 0, depth: Int = 0) {
        if let slot = machine.offer(partition: 0, offset: next, key: key, appended: now, depth: depth, now: now) {
            offsets[slot] = next
        }
        next += 1
    }

    mutating func poll() -> [DeliveryAction] {
        var actions: [DeliveryAction] = []
        machine.poll(now: now, random: &random, actions: &actions)
        return note(actions)
    }

    mutating func complete(_ batch: UInt32, _ outcomes: [DeliveryOutcome]) -> [DeliveryAction] {
        var actions: [DeliveryAction] = []
        machine.completed(batch, outcomes: outcomes, now: now, random: &random, actions: &actions)
        return note(actions)
    }

    mutating func note(_ actions: [DeliveryAction]) -> [DeliveryAction] {
        for case .settled(let slot) in actions { settled.append(offsets[slot]!) }
        return actions
    }
}

extension [DeliveryAction] {
    var batches: [(batch: UInt32, slots: [UInt32])] {
        compactMap { if case .deliver(let batch, let slots, _) = $0 { (batch, slots) } else { nil } }
    }
    var letters: [(slot: UInt32, attempts: Int, reason: DeadLetterReason)] {
        compactMap {
            if case .deadLetter(let slot, let attempts, let reason) = $0 { (slot, attempts, reason) } else { nil }
        }
    }
}

@Suite struct DeliveryMachineTests {
    @Test func retriesWithinTheJitterAndThenBuries() {
        var bench = Bench {
            $0.attempts = 3
            $0.backoff = 100
        }
        bench.offer()
        for attempt in 1...3 {
            let sent = bench.poll().batches
            #expect(sent.count == 1)
            let answer = bench.complete(sent[0].batch, [.retry("no")])
            if attempt < 3 {
                let wake = bench.machine.nextWake(now: bench.now)!
                #expect((bench.now...(bench.now + 100 << (attempt - 1))).contains(wake))
                bench.now = wake
            } else {
                #expect(answer.letters.map(\.reason) == [.attemptsExhausted("no")])
                #expect(answer.letters.map(\.attempts) == [3])
            }
        }
        #expect(bench.machine.progress(ofPartition: 0)?.floor == 0)
        var actions: [DeliveryAction] = []
        bench.machine.deadLettered(0, isDurable: true, now: bench.now, random: &bench.random, actions: &actions)
        _ = bench.note(actions)
        #expect(bench.settled == [0])
        #expect(bench.machine.progress(ofPartition: 0) == Progress(floor: 1))
    }

    @Test func keepsToTheTimeThatTheSinkAskedFor() {
        var bench = Bench()
        bench.offer()
        let sent = bench.poll().batches
        _ = bench.complete(sent[0].batch, [.retry("busy", after: 7_000)])
        #expect(bench.machine.nextWake(now: bench.now) == bench.now + 7_000)
    }

    @Test func withoutJitterTheWaitDoublesToTheMaximum() {
        var bench = Bench {
            $0.jitter = false
            $0.attempts = 10
            $0.backoff = 100
            $0.maximumBackoff = 500
        }
        bench.offer()
        var waits: [Int64] = []
        for _ in 0..<5 {
            let sent = bench.poll().batches
            _ = bench.complete(sent[0].batch, [.retry("no")])
            let wake = bench.machine.nextWake(now: bench.now)!
            waits.append(wake - bench.now)
            bench.now = wake
        }
        #expect(waits == [100, 200, 400, 500, 500])
    }

    @Test func anAttemptThatTakesTooLongIsCancelledAndItsLateAnswerIgnored() {
        var bench = Bench { $0.timeout = 50 }
        bench.offer()
        let sent = bench.poll().batches
        #expect(bench.machine.nextWake(now: bench.now) == bench.now + 50)
        bench.now += 50
        let actions = bench.poll()
        #expect(actions.contains { if case .cancel(sent[0].batch) = $0 { true } else { false } })
        #expect(bench.complete(sent[0].batch, [.delivered]).isEmpty)
        #expect(bench.machine.pending == 1)
        #expect(bench.machine.counts.retried == 1)
    }

    @Test func ofOneKeyNothingOvertakesAFailingEvent() {
        var bench = Bench { $0.order = .key }
        bench.offer(key: 1)
        bench.offer(key: 1)
        bench.offer(key: 2)
        let first = bench.poll().batches
        #expect(first.map { bench.offsets[$0.slots[0]]! } == [0, 2])
        _ = bench.complete(first[0].batch, [.retry("no", after: 10)])
        #expect(bench.poll().batches.isEmpty)
        bench.now += 10
        let again = bench.poll().batches
        #expect(again.map { bench.offsets[$0.slots[0]]! } == [0])
        let answer = bench.complete(again[0].batch, [.rejected("bad")])
        #expect(bench.poll().batches.isEmpty)
        var actions: [DeliveryAction] = []
        bench.machine.deadLettered(
            answer.letters[0].slot, isDurable: true, now: bench.now, random: &bench.random, actions: &actions)
        #expect(bench.poll().batches.map { bench.offsets[$0.slots[0]]! } == [1])
    }

    @Test func aBatchWaitsForItsSizeOrItsLinger() {
        var bench = Bench {
            $0.batchSize = 3
            $0.linger = 20
        }
        bench.offer()
        bench.offer()
        #expect(bench.poll().batches.isEmpty)
        #expect(bench.machine.nextWake(now: bench.now) == bench.now + 20)
        bench.offer()
        #expect(bench.poll().batches.map(\.slots.count) == [3])
        bench.offer()
        bench.now += 20
        #expect(bench.poll().batches.isEmpty == false)
    }

    @Test func noMoreBatchesThanAllowedAreUnderWay() {
        var bench = Bench { $0.concurrency = 2 }
        for _ in 0..<5 { bench.offer() }
        let sent = bench.poll().batches
        #expect(sent.count == 2)
        #expect(bench.poll().isEmpty)
        _ = bench.complete(sent[1].batch, [.delivered])
        #expect(bench.poll().batches.count == 1)
        #expect(bench.machine.progress(ofPartition: 0) == Progress(floor: 0, settled: [1..<2]))
    }

    @Test func oldEventsAndLoopsAreBuriedUntried() {
        var bench = Bench { $0.expiry = 100 }
        bench.offer()
        bench.offer(depth: 17)
        bench.now += 101
        let letters = bench.poll().letters
        #expect(letters.map(\.reason) == [.expired, .loop])
        #expect(letters.map(\.attempts) == [0, 0])
    }

    @Test func pausedItSendsNothingAndTakesNothing() {
        var bench = Bench { $0.maximumPending = 3 }
        bench.offer()
        bench.machine.pause()
        #expect(bench.poll().isEmpty)
        #expect(bench.machine.room == 0)
        #expect(bench.machine.nextWake(now: bench.now) == nil)
        bench.machine.resume()
        #expect(bench.poll().batches.count == 1)
        #expect(bench.machine.room == 2)
    }

    @Test func afterARestartSettledEventsAreSkippedAndProgressKeepsThem() {
        let progress = Progress(floor: 5, settled: [6..<8, 10..<11])
        var machine = DeliveryMachine(policy: DeliveryPolicy(), progress: [0: progress])
        #expect(machine.progress(ofPartition: 0) == progress)
        let taken = (UInt64(3)...11).filter {
            machine.offer(partition: 0, offset: $0, key: 0, appended: 0, depth: 0, now: 0) != nil
        }
        #expect(taken == [5, 8, 9, 11])
        #expect(machine.progress(ofPartition: 0) == progress)
    }

    @Test func progressSurvivesItsEncoding() {
        var random = SeededGenerator()
        for _ in 0..<200 {
            var progress = Progress(floor: UInt64.random(in: 0...(1 << 40), using: &random))
            var last = progress.floor
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                let start = last + UInt64.random(in: 1...300, using: &random)
                last = start + UInt64.random(in: 1...300, using: &random)
                progress.settled.append(start..<last)
            }
            #expect(Progress(progress.encoded()) == progress, "seed \(random.seed)")
        }
        #expect(Progress([]) == nil)
        #expect(Progress([1, 0x80]) == nil)
        #expect(Progress([2, 0]) == nil)
    }

    /// Whatever the sink answers, each event settles once, and those of one key in their order, none while an earlier
    /// one is unsettled.
    @Test(arguments: [DeliveryPolicy.Order.none, .key])
    func eachEventSettlesOnceWhateverHappens(order: DeliveryPolicy.Order) {
        var random = SeededGenerator()
        let seed = random.seed
        for _ in 0..<20 {
            var bench = Bench {
                $0.order = order
                $0.attempts = 3
                $0.backoff = 50
                $0.timeout = 200
                $0.batchSize = Int.random(in: 1...5, using: &random)
                $0.linger = Int64.random(in: 0...1, using: &random) * 30
                $0.maximumPending = 40
            }
            var keys: [UInt64: UInt64] = [:]
            var flying: [UInt32: [UInt32]] = [:]
            var letters: [UInt32] = []
            var rounds = 0
            while bench.settled.count < 300, rounds < 20_000 {
                rounds += 1
                for _ in 0..<min(Int.random(in: 0...5, using: &random), bench.machine.room) where bench.next < 300 {
                    let key = UInt64.random(in: 0..<6, using: &random)
                    keys[bench.next] = key
                    bench.offer(key: key)
                }
                var actions = bench.poll()
                if let batch = flying.keys.sorted().randomElement(using: &random),
                    Int.random(in: 0..<9, using: &random) > 0
                {
                    let outcomes = flying[batch]!.map { _ -> DeliveryOutcome in
                        switch Int.random(in: 0..<10, using: &random) {
                        case 0: .rejected("no")
                        case 1, 2: .retry("later")
                        case 3: .retry("later", after: 5)
                        default: .delivered
                        }
                    }
                    flying[batch] = nil
                    actions += bench.complete(batch, outcomes)
                }
                if let slot = letters.popLast() {
                    var more: [DeliveryAction] = []
                    bench.machine.deadLettered(
                        slot, isDurable: Bool.random(using: &random), now: bench.now, random: &bench.random,
                        actions: &more)
                    actions += bench.note(more)
                }
                for action in actions {
                    switch action {
                    case .deliver(let batch, let slots, _):
                        flying[batch] = slots
                        guard order == .key else { continue }
                        for slot in slots {
                            let offset = bench.offsets[slot]!
                            let open = keys.keys.filter {
                                $0 < offset && keys[$0] == keys[offset] && !bench.settled.contains($0)
                            }
                            #expect(open.isEmpty, "seed \(seed)")
                        }
                    case .cancel(let batch): flying[batch] = nil
                    case .deadLetter(let slot, _, _): letters.append(slot)
                    case .settled: break
                    }
                }
                bench.now += Int64.random(in: 0...20, using: &random)
            }
            #expect(bench.settled.sorted() == Array(0..<300), "seed \(seed)")
            #expect(bench.machine.progress(ofPartition: 0) == Progress(floor: 300), "seed \(seed)")
            #expect(bench.machine.pending == 0)
        }
    }
}
