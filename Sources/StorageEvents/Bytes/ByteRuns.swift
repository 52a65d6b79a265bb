/// Borrowed runs of bytes: the decoders cut lines into them and copy nothing.
typealias Run = UnsafeRawBufferPointer

extension UnsafeRawBufferPointer {
    /// The bytes `from..<to`, which must lie within; no copy.
    @inline(__always)
    func run(_ from: Int, _ to: Int) -> Run {
        guard let baseAddress else { return self }
        return Run(start: baseAddress + from, count: to - from)
    }

    @inline(__always)
    func word(_ at: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    /// Where `byte` stands first at or after `from`; `nil` when nowhere.
    @inline(__always)
    func first(_ byte: UInt8, from: Int = 0) -> Int? {
        var index = from
        let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
        while index &+ 8 <= count {
            let x = word(index) ^ pattern
            let hit = (x &- 0x0101_0101_0101_0101) & ~x & 0x8080_8080_8080_8080
            if hit != 0 { return index &+ (hit.trailingZeroBitCount >> 3) }
            index &+= 8
        }
        while index < count {
            if self[index] == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// Where `byte` stands last before `end`; `nil` when nowhere.
    @inline(__always)
    func last(_ byte: UInt8, before end: Int) -> Int? {
        var index = end
        let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        while index >= 8 {
            let x = word(index &- 8) ^ pattern
            // Exact, for the highest hit is wanted.
            let hit = ~(((x & low) &+ low) | x | low)
            if hit != 0 { return index &- 1 &- (hit.leadingZeroBitCount >> 3) }
            index &-= 8
        }
        while index > 0 {
            index &-= 1
            if self[index] == byte { return index }
        }
        return nil
    }

    /// Whether `literal` stands at `at`.
    @inline(__always)
    func has(_ literal: Run, at: Int) -> Bool {
        guard at >= 0, at &+ literal.count <= count else { return false }
        var index = 0
        while index &+ 8 <= literal.count {
            if word(at &+ index) != literal.word(index) { return false }
            index &+= 8
        }
        while index < literal.count {
            if self[at &+ index] != literal[index] { return false }
            index &+= 1
        }
        return true
    }

    @inline(__always)
    func equals(_ other: Run) -> Bool { count == other.count && has(other, at: 0) }

    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        equals(Run(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    func hasPrefix(_ text: StaticString) -> Bool {
        has(Run(start: text.utf8Start, count: text.utf8CodeUnitCount), at: 0)
    }

    @inline(__always)
    func hasSuffix(_ other: Run) -> Bool { has(other, at: count - other.count) }

    /// The whole run as a decimal integer that fits 64 bits; `nil` otherwise.
    @inline(__always)
    var decimal: Int64? {
        // Up to 18 digits cannot overflow.
        guard count > 0, count <= 18 else { return longDecimal }
        var value: Int64 = 0
        var index = 0
        while index < count {
            let digit = self[index] &- 48
            guard digit < 10 else { return longDecimal }
            value = value &* 10 &+ Int64(digit)
            index &+= 1
        }
        return value
    }

    @inline(never)
    private var longDecimal: Int64? {
        guard count > 0, count <= 20 else { return nil }
        let negative = self[0] == 0x2D
        var index = negative ? 1 : 0
        guard index < count else { return nil }
        var value: Int64 = 0
        while index < count {
            let digit = self[index] &- 48
            guard digit < 10 else { return nil }
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, more) = product.subtractingReportingOverflow(Int64(digit))
            guard !over, !more else { return nil }
            value = sum
            index &+= 1
        }
        if negative { return value }
        let (positive, over) = (0 as Int64).subtractingReportingOverflow(value)
        return over ? nil : positive
    }

    var text: String { String(decoding: self, as: UTF8.self) }

    var isBlank: Bool { allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } }
}
