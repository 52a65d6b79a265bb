import DequeModule
import HeapModule

extension DeliveryMachine {
    /// Does what is due: ends overdue attempts, takes waiting events back, fills batches. Call after anything happened
    /// and when ``nextWake(now:)`` says.
    package mutating func poll(
        now: Int64, random: inout some RandomNumberGenerator, actions: inout [DeliveryAction]
    ) {
        endOverdue(now, &random, &actions)
        guard !isPaused else { return }
        while let due = retries.min, due.time <= now {
            retries.removeMin()
            makeReady(due.slot, now)
        }
        while let batch = nextFill(now) { send(batch, now, &actions) }
    }

    /// When ``poll(now:random:actions:)`` has something to do next by itself; `nil`: not before something happens.
    package func nextWake(now: Int64) -> Int64? {
        var wake: Int64?
        func consider(_ time: Int64) { wake = min(wake ?? time, time) }
        for flight in flights.values where flight.isLive { consider(flight.deadline) }
        guard !isPaused else { return wake }
        if let due = retries.min { consider(due.time) }
        if !ready.isEmpty, inFlight < policy.concurrency, let readySince { consider(readySince + policy.linger) }
        return wake
    }

    /// The sink's answer: one outcome an event of the batch, in its order; missing ones count as `retry`.
    package mutating func completed(
        _ batch: UInt32, outcomes: [DeliveryOutcome], now: Int64, random: inout some RandomNumberGenerator,
        actions: inout [DeliveryAction]
    ) {
        guard let flight = flights.removeValue(forKey: batch), flight.isLive else { return }
        inFlight -= 1
        for (index, slot) in flight.slots.enumerated() {
            let outcome = index < outcomes.count ? outcomes[index] : .retry("the sink gave no answer for this event")
            land(slot, outcome, now, &random, &actions)
        }
    }

    /// Whether the sink's answer to a batch still counts.
    package func awaits(_ batch: UInt32) -> Bool { flights[batch]?.isLive ?? false }

    /// Whether the dead letter is kept: then the event is settled, else it is tried again after the backoff.
    package mutating func deadLettered(
        _ slot: UInt32, isDurable: Bool, now: Int64, random: inout some RandomNumberGenerator,
        actions: inout [DeliveryAction]
    ) {
        let state = items[Int(slot)].state
        guard state == .dying || state == .orphaned else { return }
        dying -= 1
        guard state == .dying else { return bringHome(slot, now) }
        partitions[Int(items[Int(slot)].partition)]?.busy -= 1
        if isDurable {
            counts.deadLettered += 1
            settle(slot, now, &actions)
        } else {
            wait(slot, nil, now, &random, &actions)
        }
    }

    // MARK: Attempts

    private mutating func endOverdue(
        _ now: Int64, _ random: inout some RandomNumberGenerator, _ actions: inout [DeliveryAction]
    ) {
        for (batch, flight) in flights where flight.isLive && flight.deadline <= now {
            flights[batch] = nil
            inFlight -= 1
            actions.append(.cancel(batch: batch))
            for slot in flight.slots {
                land(slot, .retry("no answer within \(policy.timeout) ms"), now, &random, &actions)
            }
        }
    }

    /// An event is back from the sink.
    private mutating func land(
        _ slot: UInt32, _ outcome: DeliveryOutcome, _ now: Int64, _ random: inout some RandomNumberGenerator,
        _ actions: inout [DeliveryAction]
    ) {
        if items[Int(slot)].state == .orphaned { return bringHome(slot, now) }
        partitions[Int(items[Int(slot)].partition)]?.busy -= 1
        finish(slot, outcome, now, &random, &actions)
    }

    private mutating func finish(
        _ slot: UInt32, _ outcome: DeliveryOutcome, _ now: Int64, _ random: inout some RandomNumberGenerator,
        _ actions: inout [DeliveryAction]
    ) {
        switch outcome {
        case .delivered:
            counts.delivered += 1
            settle(slot, now, &actions)
        case .rejected(let why):
            counts.lastError = why
            bury(slot, .rejected(why), &actions)
        case .retry(let why, let after):
            counts.lastError = why
            if Int(items[Int(slot)].attempts) >= policy.attempts {
                bury(slot, .attemptsExhausted(why), &actions)
            } else {
                counts.retried += 1
                wait(slot, after, now, &random, &actions)
            }
        }
    }

    private mutating func bury(_ slot: UInt32, _ reason: DeadLetterReason, _ actions: inout [DeliveryAction]) {
        items[Int(slot)].state = .dying
        partitions[Int(items[Int(slot)].partition)]?.busy += 1
        dying += 1
        actions.append(.deadLetter(slot: slot, attempts: Int(items[Int(slot)].attempts), reason))
    }

    /// Exponential backoff with full jitter; what the sink asked for is kept to (as the least) when it is longer.
    private mutating func wait(
        _ slot: UInt32, _ after: Int64?, _ now: Int64, _ random: inout some RandomNumberGenerator,
        _ actions: inout [DeliveryAction]
    ) {
        if partitions[Int(items[Int(slot)].partition)]?.isClosing == true { return drop(slot, now, &actions) }
        let doublings = min(max(0, Int(items[Int(slot)].attempts) - 1), 40)
        let (product, overflow) = policy.backoff.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let limit = overflow ? policy.maximumBackoff : min(product, policy.maximumBackoff)
        var delay = policy.jitter && limit > 0 ? Int64.random(in: 0...limit, using: &random) : limit
        if let after { delay = max(after, 0) }
        items[Int(slot)].state = .waiting
        retries.insert(Due(time: now + delay, slot: slot))
    }

    // MARK: Batches

    /// How many ready events go together now; `nil` when none should go.
    private func nextFill(_ now: Int64) -> Int? {
        guard !ready.isEmpty, inFlight < policy.concurrency else { return nil }
        if ready.count >= policy.batchSize { return policy.batchSize }
        if policy.linger > 0, let readySince, now < readySince + policy.linger { return nil }
        // Few are ready: share them among the free places rather than queue them behind each other.
        let places = policy.concurrency - inFlight
        return policy.linger > 0 ? ready.count : max(1, (ready.count + places - 1) / places)
    }

    private mutating func send(_ count: Int, _ now: Int64, _ actions: inout [DeliveryAction]) {
        var slots: [UInt32] = []
        slots.reserveCapacity(count)
        while slots.count < count, let slot = ready.popFirst() {
            let item = items[Int(slot)]
            if item.isLoop {
                bury(slot, .loop, &actions)
            } else if let expiry = policy.expiry, item.appended + expiry < now {
                bury(slot, .expired, &actions)
            } else {
                items[Int(slot)].attempts &+= 1
                items[Int(slot)].state = .inFlight
                partitions[Int(item.partition)]?.busy += 1
                slots.append(slot)
            }
        }
        readySince = ready.isEmpty ? nil : now
        guard !slots.isEmpty else { return }
        let batch = nextBatch
        nextBatch &+= 1
        let deadline = now + policy.timeout * Int64(slots.count)
        flights[batch] = Flight(slots: slots, deadline: deadline, isLive: true)
        inFlight += 1
        actions.append(.deliver(batch: batch, slots: slots, deadline: deadline))
    }

    /// Which attempt of the event is under way, from 1.
    package func attempt(of slot: UInt32) -> Int { Int(items[Int(slot)].attempts) }
}

extension DeliveryMachine {
    /// When the oldest unsettled event of a partition was appended.
    package func oldestAppended(partition: Int) -> Int64? {
        guard let head = partitions[partition]?.head, head != Self.none else { return nil }
        return items[Int(head)].appended
    }
}
