/// The identities of the last events of a channel.
///
/// A ring in the order of arrival and an open-addressing table of places in the ring: 20 to 24 bytes an entry when
/// full, nothing when empty; both grow with use up to the capacity.
package struct DuplicateWindow: Sendable {
    private static let absent = UInt32.max

    package let capacity: Int
    private var ring: [EventIdentity] = []
    /// Places of the ring that were taken back.
    private var withdrawn: Set<UInt32> = []
    private var table: [UInt32] = []
    private var mask = 0
    /// The place that the next identity takes when the ring is full.
    private var oldest = 0
    private var live = 0

    package init(capacity: Int) {
        self.capacity = min(max(0, capacity), Int(UInt32.max) / 4)
    }

    package var count: Int { live }

    /// What it takes in memory, in bytes.
    package var footprint: Int { ring.capacity * 16 + table.capacity * 4 }

    /// Puts an identity in, pushing the oldest out when full.
    ///
    /// - Returns: the place it was put, or the place where the same identity is already.
    package mutating func insert(_ identity: EventIdentity) -> (place: Int, isNew: Bool) {
        guard capacity > 0 else { return (0, true) }
        if let place = find(identity) { return (place, false) }
        let place: Int
        if ring.count < capacity {
            place = ring.count
            if place == ring.capacity { ring.reserveCapacity(min(capacity, max(64, place * 2))) }
            ring.append(identity)
        } else {
            place = oldest
            oldest = oldest + 1 == capacity ? 0 : oldest + 1
            if withdrawn.isEmpty || withdrawn.remove(UInt32(place)) == nil { removeFromTable(ring[place]) }
            ring[place] = identity
        }
        if (live + 1) * 2 > table.count { grow() }
        put(UInt32(place))
        live += 1
        return (place, true)
    }

    /// Takes an identity back whose event did not become durable.
    package mutating func withdraw(_ identity: EventIdentity) {
        guard let place = find(identity) else { return }
        removeFromTable(identity)
        withdrawn.insert(UInt32(place))
    }

    package func contains(_ identity: EventIdentity) -> Bool { find(identity) != nil }

    private func home(_ identity: EventIdentity) -> Int { Int(truncatingIfNeeded: identity.low) & mask }

    private func find(_ identity: EventIdentity) -> Int? {
        guard !table.isEmpty else { return nil }
        var slot = home(identity)
        while table[slot] != Self.absent {
            let place = Int(table[slot])
            if ring[place] == identity { return place }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func put(_ place: UInt32) {
        var slot = home(ring[Int(place)])
        while table[slot] != Self.absent { slot = (slot + 1) & mask }
        table[slot] = place
    }

    private mutating func grow() {
        let old = table
        let size = max(128, table.count * 2)
        table = [UInt32](repeating: Self.absent, count: size)
        mask = size - 1
        for place in old where place != Self.absent { put(place) }
    }

    /// Removes by moving later entries of the run back (Knuth, TAOCP 6.4, algorithm R), so that no tombstones gather.
    private mutating func removeFromTable(_ identity: EventIdentity) {
        var slot = home(identity)
        while table[slot] != Self.absent, ring[Int(table[slot])] != identity { slot = (slot + 1) & mask }
        guard table[slot] != Self.absent else { return }
        live -= 1
        var hole = slot
        var next = (hole + 1) & mask
        while table[next] != Self.absent {
            let home = home(ring[Int(table[next])])
            // The entry may move into the hole unless its home lies behind the hole, cyclically.
            if (next - home) & mask >= (next - hole) & mask {
                table[hole] = table[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        table[hole] = Self.absent
    }
}
