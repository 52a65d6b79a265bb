import CLinux

/// The identities of the last events of a channel.
///
/// A ring in the order of arrival and an open-addressing table of places in the ring: at most 32 bytes an entry when
/// full at a capacity of a power of two, 40 at any other; nothing when empty. Both grow with use.
package struct DuplicateWindow: Sendable {
    /// A place in the ring beside 32 bits of the identity that is there, so that a look at the table is nearly always
    /// enough: the ring is megabytes, each look into it a cache miss.
    private struct Slot {
        var place: UInt32
        var tag: UInt32
        static let free = Slot(place: .max, tag: 0)
        var isFree: Bool { place == .max }
    }

    package let capacity: Int
    private var ring: [EventIdentity] = []
    /// Places of the ring that were taken back.
    private var withdrawn: Set<UInt32> = []
    private var table: [Slot] = []
    private var mask = 0
    /// The place that the next identity takes when the ring is full.
    private var oldest = 0
    private var live = 0

    package init(capacity: Int) {
        self.capacity = min(max(0, capacity), Int(UInt32.max) / 4)
    }

    package var count: Int { live }

    /// The place that the next new identity takes.
    package var nextPlace: Int { ring.count < capacity ? ring.count : oldest }

    /// What it takes in memory, in bytes.
    package var footprint: Int { ring.capacity * 16 + table.count * 8 }

    /// Puts an identity in, pushing the oldest out when full.
    ///
    /// - Returns: the place it was put, or the place where the same identity is already.
    package mutating func insert(_ identity: EventIdentity) -> (place: Int, isNew: Bool) {
        guard capacity > 0 else { return (0, true) }
        if live < capacity, (live + 1) * 2 > table.count { grow() }
        if let slot = find(identity) { return (Int(table[slot].place), false) }
        let place: Int
        if ring.count < capacity {
            place = ring.count
            if place == ring.capacity { ring.reserveCapacity(min(capacity, max(64, place * 2))) }
            ring.append(identity)
        } else {
            place = oldest
            oldest = oldest + 1 == capacity ? 0 : oldest + 1
            if withdrawn.isEmpty || withdrawn.remove(UInt32(place)) == nil { remove(place) }
            ring[place] = identity
        }
        put(Slot(place: UInt32(place), tag: Self.tag(identity)))
        live += 1
        return (place, true)
    }

    /// Takes an identity back whose event did not become durable.
    package mutating func withdraw(_ identity: EventIdentity) {
        guard let slot = find(identity) else { return }
        let place = table[slot].place
        remove(Int(place))
        withdrawn.insert(place)
    }

    /// Has the processor fetch what ``insert(_:)`` will look at, `ahead` insertions from now: the table is megabytes,
    /// and without this each insertion waits for memory.
    @inline(__always)
    package func prepare(_ identity: EventIdentity, ahead: Int) {
        guard !table.isEmpty else { return }
        table.withUnsafeBufferPointer { table in
            guard let base = table.baseAddress else { return }
            weir_prefetch(base + (Int(Self.tag(identity)) & mask))
            guard ring.count == capacity else { return }
            let place = oldest + ahead
            let leaving = ring[place < capacity ? place : place % capacity]
            weir_prefetch(base + (Int(Self.tag(leaving)) & mask))
        }
    }

    package func contains(_ identity: EventIdentity) -> Bool { find(identity) != nil }

    private static func tag(_ identity: EventIdentity) -> UInt32 { UInt32(truncatingIfNeeded: identity.low) }

    /// The slot of the table that names an identity.
    private func find(_ identity: EventIdentity) -> Int? {
        guard !table.isEmpty else { return nil }
        let tag = Self.tag(identity)
        var index = Int(tag) & mask
        while !table[index].isFree {
            if table[index].tag == tag, ring[Int(table[index].place)] == identity { return index }
            index = (index + 1) & mask
        }
        return nil
    }

    private mutating func put(_ slot: Slot) {
        var index = Int(slot.tag) & mask
        while !table[index].isFree { index = (index + 1) & mask }
        table[index] = slot
    }

    private mutating func grow() {
        let old = table
        let size = max(128, table.count * 2)
        table = [Slot](repeating: .free, count: size)
        mask = size - 1
        for slot in old where !slot.isFree { put(slot) }
    }

    /// Removes by moving later entries of the run back (Knuth, TAOCP 6.4, algorithm R), so that no tombstones gather.
    private mutating func remove(_ place: Int) {
        var hole = Int(Self.tag(ring[place])) & mask
        while !table[hole].isFree, table[hole].place != UInt32(place) { hole = (hole + 1) & mask }
        guard !table[hole].isFree else { return }
        live -= 1
        var next = (hole + 1) & mask
        while !table[next].isFree {
            let home = Int(table[next].tag) & mask
            // The entry may move into the hole unless its home lies behind the hole, cyclically.
            if (next - home) & mask >= (next - hole) & mask {
                table[hole] = table[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        table[hole] = .free
    }
}
