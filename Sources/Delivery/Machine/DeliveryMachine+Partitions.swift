import DequeModule
import HeapModule

/// Partitions come and go where servers share them.
extension DeliveryMachine {
    /// Takes a partition on, where it was left.
    package mutating func open(_ partition: Int, _ state: DeliveryState) {
        var part = Partition(scanned: state.progress.floor, restored: state.progress.settled)
        for failure in state.failures { part.failures[failure.offset] = failure.attempts }
        partitions[partition] = part
    }

    /// The partitions that it delivers.
    package var openPartitions: [Int] { partitions.keys.sorted() }

    /// Begins no attempt of this partition any more; those under way may end, and what they bring counts.
    package mutating func close(_ partition: Int, now: Int64, actions: inout [DeliveryAction]) {
        guard partitions[partition]?.isClosing == false else { return }
        partitions[partition]?.isClosing = true
        let stays = { [items] (slot: UInt32) in items[Int(slot)].partition != UInt16(partition) }
        ready = Deque(ready.filter(stays))
        if ready.isEmpty { readySince = nil }
        retries = Heap(retries.unordered.filter { stays($0.slot) })
        for slot in slots(of: partition) {
            switch items[Int(slot)].state {
            case .blocked, .ready, .waiting: drop(slot, now, &actions)
            default: break
            }
        }
    }

    /// Whether events of the partition are with the sink, or dead letters of it on the way.
    package func isBusy(_ partition: Int) -> Bool { (partitions[partition]?.busy ?? 0) > 0 }

    /// Forgets a partition. What is still with the sink runs on, and its answer no longer counts.
    package mutating func remove(_ partition: Int, now: Int64, actions: inout [DeliveryAction]) {
        close(partition, now: now, actions: &actions)
        for slot in slots(of: partition) {
            items[Int(slot)].previous = Self.none
            items[Int(slot)].next = Self.none
            switch items[Int(slot)].state {
            case .inFlight, .dying:
                items[Int(slot)].state = .orphaned
                pending -= 1
                actions.append(.settled(slot: slot))
            case .dropped where items[Int(slot)].hasPassed || policy.order == .none: release(slot)
            case .dropped: items[Int(slot)].state = .ghost
            default: break
            }
        }
        partitions[partition] = nil
        for (batch, flight) in flights where flight.slots.allSatisfy({ items[Int($0)].state == .orphaned }) {
            actions.append(.cancel(batch: batch))
        }
    }

    /// What is to be kept of a partition.
    package func state(ofPartition partition: Int) -> DeliveryState? {
        guard let part = partitions[partition], let progress = progress(ofPartition: partition) else { return nil }
        var state = DeliveryState(progress: progress)
        for slot in slots(of: partition) {
            let item = items[Int(slot)]
            // The attempt that is under way has not failed yet.
            let failed = item.state == .inFlight ? item.attempts - 1 : item.attempts
            if failed > 0 { state.failures.append(.init(offset: item.offset, attempts: failed)) }
        }
        for (offset, attempts) in part.failures.sorted(by: { $0.key < $1.key }) where offset >= part.scanned {
            state.failures.append(.init(offset: offset, attempts: attempts))
        }
        return state
    }

    // MARK: Slots

    /// Unsettled events in the order of their offsets.
    private func slots(of partition: Int) -> [UInt32] {
        var slots: [UInt32] = []
        var slot = partitions[partition]?.head ?? Self.none
        while slot != Self.none {
            slots.append(slot)
            slot = items[Int(slot)].next
        }
        return slots
    }

    /// Delivers an event no more; it stays unsettled until its partition is removed.
    mutating func drop(_ slot: UInt32, _ now: Int64, _ actions: inout [DeliveryAction]) {
        let isItsTurn = items[Int(slot)].state != .blocked
        items[Int(slot)].state = .dropped
        pending -= 1
        actions.append(.settled(slot: slot))
        if isItsTurn { passOn(slot, now) }
    }

    /// An event whose partition has gone is back.
    mutating func bringHome(_ slot: UInt32, _ now: Int64) {
        passOn(slot, now)
        release(slot)
    }
}
