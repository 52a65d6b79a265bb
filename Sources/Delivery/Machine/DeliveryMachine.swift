import DequeModule
import HeapModule

/// Decides what of a subscription is delivered when: order, batches, attempts, waits, dead letters, progress.
///
/// Time (milliseconds, any origin that does not run backwards) and randomness come in; what is to be done is appended
/// to `actions`. Events themselves stay with the owner, under the slot that ``offer(partition:offset:key:appended:depth:now:)``
/// gives: slots are small numbers that are used again once settled. An event settles exactly once.
package struct DeliveryMachine: Sendable {
    static let none = UInt32.max

    enum State: UInt8 {
        case free, blocked, ready, inFlight, waiting, dying
        /// Of a partition that is going: no longer delivered, not settled.
        case dropped
        /// Its partition has gone while it was with the sink, or its dead letter on the way.
        case orphaned
        /// Its partition has gone before its turn came among the events of its key.
        case ghost
    }

    struct Item: BitwiseCopyable {
        var offset: UInt64 = 0
        var appended: Int64 = 0
        var key: UInt64 = 0
        var batch = none
        var attempts: UInt16 = 0
        var partition: UInt16 = 0
        var state = State.free
        var isLoop = false
        /// The unsettled events of the partition in the order of their offsets.
        var previous = none
        var next = none
        /// The next event of the same key.
        var follower = none
        /// The next event of the key need not wait for it any more.
        var hasPassed = false
    }

    struct Partition {
        /// Everything below has been offered or passed over.
        var scanned: UInt64
        var head = none
        var tail = none
        /// Settled before a restart, above `scanned` then.
        var restored: [Range<UInt64>]
        /// Failed attempts before a restart, of events that were not offered again yet.
        var failures: [UInt64: UInt16] = [:]
        /// Events that are with the sink, or whose dead letter is on the way.
        var busy = 0
        var isClosing = false
    }

    struct Due: Comparable {
        var time: Int64
        var slot: UInt32
        static func < (a: Due, b: Due) -> Bool { (a.time, a.slot) < (b.time, b.slot) }
    }

    struct Flight {
        var slots: [UInt32]
        var deadline: Int64
        var isLive: Bool
    }

    package let policy: DeliveryPolicy
    package internal(set) var counts = DeliveryCounts()
    package internal(set) var isPaused = false
    /// Events that are not settled.
    package internal(set) var pending = 0
    /// Batches with the sink.
    package internal(set) var inFlight = 0
    /// Events whose dead letter is being written.
    package internal(set) var dying = 0
    /// Events that wait for another attempt.
    package var waiting: Int { retries.count }

    var items: ContiguousArray<Item> = []
    var free: [UInt32] = []
    var ready: Deque<UInt32> = []
    /// When the oldest ready event became so, for the linger.
    var readySince: Int64?
    var retries = Heap<Due>()
    /// The last event of each key that has unsettled ones.
    var keyTails: [UInt64: UInt32] = [:]
    var partitions: [Int: Partition] = [:]
    var flights: [UInt32: Flight] = [:]
    var nextBatch: UInt32 = 0

    package init(policy: DeliveryPolicy, states: [Int: DeliveryState] = [:]) {
        self.policy = policy
        for (partition, state) in states { open(partition, state) }
    }

    package init(policy: DeliveryPolicy, progress: [Int: Progress]) {
        self.init(policy: policy, states: progress.mapValues { DeliveryState(progress: $0) })
    }

    /// How many more events it takes now; 0 while paused.
    package var room: Int { isPaused ? 0 : max(0, policy.maximumPending - pending) }

    /// Where the partition is to be read on.
    package func position(ofPartition partition: Int) -> UInt64 { partitions[partition]?.scanned ?? 0 }

    /// Takes one event; offsets of a partition come in ascending order.
    ///
    /// - Parameters:
    ///   - key: of order `key`; ignored otherwise.
    ///   - depth: how many causes it has behind it (`weirdepth`).
    /// - Returns: its slot; `nil` when it was settled before a restart or passed already.
    package mutating func offer(
        partition: Int, offset: UInt64, key: UInt64, appended: Int64, depth: Int, now: Int64
    ) -> UInt32? {
        guard var part = partitions[partition], !part.isClosing, offset >= part.scanned else { return nil }
        part.scanned = offset + 1
        if !part.restored.isEmpty {
            part.restored.removeAll { $0.upperBound <= offset }
            if part.restored.first?.contains(offset) == true {
                partitions[partition] = part
                return nil
            }
        }
        let slot = takeSlot()
        var item = Item(offset: offset, appended: appended, key: key)
        item.partition = UInt16(partition)
        if !part.failures.isEmpty { item.attempts = part.failures.removeValue(forKey: offset) ?? 0 }
        item.isLoop = depth > policy.maximumDepth
        item.previous = part.tail
        if part.tail == Self.none { part.head = slot } else { items[Int(part.tail)].next = slot }
        part.tail = slot
        partitions[partition] = part
        pending += 1
        item.state = .ready
        if policy.order == .key, let before = keyTails.updateValue(slot, forKey: key) {
            items[Int(before)].follower = slot
            item.state = .blocked
        }
        items[Int(slot)] = item
        if item.state == .ready { makeReady(slot, now) }
        return slot
    }

    /// Says that everything of the partition below `offset` has been offered or does not match.
    package mutating func advance(partition: Int, to offset: UInt64) {
        guard let part = partitions[partition], !part.isClosing, offset > part.scanned else { return }
        partitions[partition]?.scanned = offset
        if !part.restored.isEmpty { partitions[partition]?.restored.removeAll { $0.upperBound <= offset } }
    }

    package mutating func pause() { isPaused = true }
    package mutating func resume() { isPaused = false }

    /// The progress of a partition, to be kept.
    package func progress(ofPartition partition: Int) -> Progress? {
        guard let part = partitions[partition] else { return nil }
        var settled: [Range<UInt64>] = []
        var slot = part.head
        let floor = slot == Self.none ? part.scanned : items[Int(slot)].offset
        while slot != Self.none {
            let item = items[Int(slot)]
            let end = item.next == Self.none ? part.scanned : items[Int(item.next)].offset
            if item.offset + 1 < end { settled.append((item.offset + 1)..<end) }
            slot = item.next
        }
        for range in part.restored where range.upperBound > part.scanned {
            let start = max(range.lowerBound, part.scanned)
            if let last = settled.last, last.upperBound == start {
                settled[settled.count - 1] = last.lowerBound..<range.upperBound
            } else {
                settled.append(start..<range.upperBound)
            }
        }
        // Nothing unsettled and what follows was settled before a restart: the floor moves through it.
        if part.head == Self.none, let first = settled.first, first.lowerBound == floor {
            return Progress(floor: first.upperBound, settled: Array(settled.dropFirst()))
        }
        return Progress(floor: floor, settled: settled)
    }

    // MARK: Slots

    private mutating func takeSlot() -> UInt32 {
        if let slot = free.popLast() { return slot }
        items.append(Item())
        return UInt32(items.count - 1)
    }

    mutating func makeReady(_ slot: UInt32, _ now: Int64) {
        items[Int(slot)].state = .ready
        if ready.isEmpty { readySince = now }
        ready.append(slot)
    }

    /// Takes the event out of its partition and lets the next of its key go.
    mutating func settle(_ slot: UInt32, _ now: Int64, _ actions: inout [DeliveryAction]) {
        let item = items[Int(slot)]
        let partition = Int(item.partition)
        if item.previous == Self.none {
            partitions[partition]?.head = item.next
        } else {
            items[Int(item.previous)].next = item.next
        }
        if item.next == Self.none {
            partitions[partition]?.tail = item.previous
        } else {
            items[Int(item.next)].previous = item.previous
        }
        passOn(slot, now)
        release(slot)
        pending -= 1
        actions.append(.settled(slot: slot))
    }

    mutating func release(_ slot: UInt32) {
        items[Int(slot)].state = .free
        free.append(slot)
    }

    /// Lets the next event of the key go.
    mutating func passOn(_ slot: UInt32, _ now: Int64) {
        guard policy.order == .key else { return }
        var slot = slot
        while true {
            items[Int(slot)].hasPassed = true
            let item = items[Int(slot)]
            guard item.follower != Self.none else {
                keyTails[item.key] = nil
                return
            }
            switch items[Int(item.follower)].state {
            case .blocked: return makeReady(item.follower, now)
            // It waited for its turn when its partition went: the turn goes on to the next.
            case .dropped: slot = item.follower
            case .ghost:
                slot = item.follower
                release(slot)
            default: return
            }
        }
    }
}
