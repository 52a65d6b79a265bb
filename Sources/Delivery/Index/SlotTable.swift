/// A flat open-addressing table from a hash to ids that the owner keeps elsewhere.
///
/// A slot is 8 bytes: the upper half the hash's tag, the lower half the id plus one; 0 is free. The tag alone gives the
/// home slot, so that growing and removing need no look at the entries, and it spares most looks at wrong ones.
struct SlotTable: Sendable {
    private var slots: PagedArray<UInt64>
    private var mask: UInt32
    private(set) var count = 0

    init() {
        mask = 63
        slots = PagedArray(shift: 9, filler: 0, count: 64)
    }

    var byteCount: Int { slots.byteCount }

    /// The first id with this tag for which `isMatch` holds.
    @inline(__always)
    func find(_ tag: UInt32, _ isMatch: (UInt32) -> Bool) -> UInt32? {
        var position = tag & mask
        while true {
            let slot = slots[Int(position)]
            if slot == 0 { return nil }
            if UInt32(truncatingIfNeeded: slot >> 32) == tag {
                let id = UInt32(truncatingIfNeeded: slot) &- 1
                if isMatch(id) { return id }
            }
            position = (position &+ 1) & mask
        }
    }

    /// Adds an id that is not in the table.
    mutating func insert(_ tag: UInt32, _ id: UInt32) {
        if (count + 1) * 4 > Int(mask + 1) * 3 { double() }
        place(UInt64(tag) << 32 | UInt64(id + 1))
        count += 1
    }

    /// Removes an id that is in the table, closing the gap by moving followers back (Knuth 6.4, algorithm R).
    mutating func remove(_ tag: UInt32, _ id: UInt32) {
        let wanted = UInt64(tag) << 32 | UInt64(id + 1)
        var hole = tag & mask
        while slots[Int(hole)] != wanted {
            if slots[Int(hole)] == 0 { return }
            hole = (hole &+ 1) & mask
        }
        var next = (hole &+ 1) & mask
        while true {
            let slot = slots[Int(next)]
            if slot == 0 { break }
            let home = UInt32(truncatingIfNeeded: slot >> 32) & mask
            if ((next &- home) & mask) >= ((next &- hole) & mask) {
                slots[Int(hole)] = slot
                hole = next
            }
            next = (next &+ 1) & mask
        }
        slots[Int(hole)] = 0
        count -= 1
    }

    private mutating func place(_ slot: UInt64) {
        var position = UInt32(truncatingIfNeeded: slot >> 32) & mask
        while slots[Int(position)] != 0 { position = (position &+ 1) & mask }
        slots[Int(position)] = slot
    }

    private mutating func double() {
        let old = slots
        let oldCount = Int(mask) + 1
        mask = mask << 1 | 1
        slots = PagedArray(shift: 9, filler: 0, count: oldCount * 2)
        for index in 0..<oldCount where old[index] != 0 { place(old[index]) }
    }
}
