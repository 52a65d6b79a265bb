/// How far a subscription is in one partition: all below the floor is settled, and so are some ranges above it.
package struct Progress: Sendable, Hashable {
    package var floor: UInt64
    /// Settled offsets above the floor, ascending, neither empty nor touching.
    package var settled: [Range<UInt64>]

    package init(floor: UInt64, settled: [Range<UInt64>] = []) {
        self.floor = floor
        self.settled = settled
    }

    /// Whether this offset needs no delivery any more.
    package func isSettled(_ offset: UInt64) -> Bool {
        if offset < floor { return true }
        var low = 0
        var high = settled.count
        while low < high {
            let middle = (low + high) / 2
            if settled[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < settled.count && settled[low].contains(offset)
    }

    /// Version, floor, then gap and length of each range, as LEB128 numbers.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = [1]
        func put(_ number: UInt64) {
            var rest = number
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        put(floor)
        var last = floor
        for range in settled {
            put(range.lowerBound - last)
            put(range.upperBound - range.lowerBound)
            last = range.upperBound
        }
        return bytes
    }

    /// `nil` when the bytes are not of this form.
    package init?(_ bytes: [UInt8]) {
        guard bytes.first == 1 else { return nil }
        var numbers: [UInt64] = []
        var value: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes.dropFirst() {
            guard shift < 64 else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte & 0x80 == 0 {
                numbers.append(value)
                value = 0
                shift = 0
            }
        }
        guard shift == 0, numbers.count % 2 == 1 else { return nil }
        self.init(floor: numbers[0])
        var last = floor
        for index in stride(from: 1, to: numbers.count, by: 2) {
            let (start, first) = last.addingReportingOverflow(numbers[index])
            let (end, second) = start.addingReportingOverflow(numbers[index + 1])
            guard !first, !second, end > start else { return nil }
            settled.append(start..<end)
            last = end
        }
    }
}
