import CloudEvents
import DequeModule

/// How far a subscription has come in one partition: a floor below which all is settled, and what is settled above it.
package struct PartitionProgress: Sendable {
    /// An event that was taken on and is not yet behind the floor.
    private struct Outstanding {
        let offset: UInt64
        var isSettled: Bool
    }

    /// In the order of their offsets.
    private var outstanding: Deque<Outstanding> = []
    /// Settled before a restart, above the floor of then; offsets that must not be delivered again.
    private var settledBefore: [ClosedRange<UInt64>]
    /// Where reading goes on: everything below was taken on or does not match.
    package private(set) var position: UInt64
    /// Changes whenever what would be stored changes.
    package private(set) var revision: UInt64 = 0

    package init(position: UInt64) {
        self.position = position
        settledBefore = []
    }

    /// Goes on from a stored state.
    package init(restoring state: State) {
        position = state.floor
        settledBefore = state.settled
    }

    /// Everything below is settled.
    package var floor: UInt64 { outstanding.first?.offset ?? position }

    /// How many events are taken on and not settled.
    package var unsettled: Int { outstanding.count { !$0.isSettled } }

    /// Whether an offset was settled before the restart.
    package func wasSettled(_ offset: UInt64) -> Bool {
        guard let last = settledBefore.last, offset <= last.upperBound else { return false }
        return settledBefore.contains { $0.contains(offset) }
    }

    /// Takes an event on. Offsets must rise.
    package mutating func take(_ offset: UInt64) {
        outstanding.append(Outstanding(offset: offset, isSettled: false))
        position = max(position, offset + 1)
    }

    /// Says that everything below an offset was taken on or does not match.
    package mutating func pass(upTo offset: UInt64) {
        guard offset > position else { return }
        position = offset
        revision &+= 1
        forgetOld()
    }

    /// Settles an event that was taken on.
    package mutating func settle(_ offset: UInt64) {
        guard let index = index(of: offset), !outstanding[index].isSettled else { return }
        outstanding[index].isSettled = true
        while outstanding.first?.isSettled == true { outstanding.removeFirst() }
        revision &+= 1
        forgetOld()
    }

    private func index(of offset: UInt64) -> Int? {
        var low = 0
        var high = outstanding.count
        while low < high {
            let middle = (low + high) / 2
            if outstanding[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low < outstanding.count && outstanding[low].offset == offset ? low : nil
    }

    private mutating func forgetOld() {
        guard let first = settledBefore.first, first.upperBound < floor else { return }
        settledBefore.removeAll { $0.upperBound < floor }
    }

    /// What is stored.
    package struct State: Sendable, Hashable {
        package var floor: UInt64
        /// Settled offsets at or above the floor; what lies between two of a range does not match or is settled too.
        package var settled: [ClosedRange<UInt64>]

        package init(floor: UInt64, settled: [ClosedRange<UInt64>] = []) {
            self.floor = floor
            self.settled = settled
        }

        /// `{"floor":12,"settled":[[14,19],[25,25]]}`
        package var encoded: [UInt8] {
            let ranges = settled.map {
                JSONValue.array([.integer(Int64($0.lowerBound)), .integer(Int64($0.upperBound))])
            }
            return JSONValue.object(["floor": .integer(Int64(floor)), "settled": .array(ranges)]).encoded()
        }

        /// Reads ``encoded``; `nil` when it is none.
        package init?(_ bytes: [UInt8]) {
            guard let json = try? JSONValue(parsing: bytes), let floor = json["floor"]?.integer, floor >= 0,
                let ranges = json["settled"]?.array
            else { return nil }
            self.floor = UInt64(floor)
            settled = []
            for range in ranges {
                guard let ends = range.array, ends.count == 2, let low = ends[0].integer, let high = ends[1].integer,
                    low >= 0, low <= high
                else { return nil }
                settled.append(UInt64(low)...UInt64(high))
            }
        }
    }

    package var state: State {
        var ranges = settledBefore.filter { $0.upperBound >= floor }
        var open: ClosedRange<UInt64>?
        for one in outstanding {
            if one.isSettled {
                open = (open?.lowerBound ?? one.offset)...one.offset
            } else if let range = open {
                ranges.append(range)
                open = nil
            }
        }
        if let range = open { ranges.append(range) }
        return State(floor: floor, settled: ranges)
    }
}
