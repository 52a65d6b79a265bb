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
        while index < literal.count {
            if self[at &+ index] != literal[index] { return false }
            index &+= 1
        }
        return true
    }

    func equals(_ other: Run) -> Bool { count == other.count && has(other, at: 0) }

    func equals(_ text: StaticString) -> Bool {
        equals(Run(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func hasPrefix(_ text: StaticString) -> Bool {
        has(Run(start: text.utf8Start, count: text.utf8CodeUnitCount), at: 0)
    }

    func hasSuffix(_ other: Run) -> Bool { has(other, at: count - other.count) }

    /// The whole run as a decimal integer that fits 64 bits; `nil` otherwise.
    @inline(__always)
    var decimal: Int64? {
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

/// What a line's bytes are made of; decides which of the slower paths it needs.
struct LineTraits {
    /// Some byte is beyond ASCII: UTF-8 must be checked.
    var hasHighBytes = false
    /// Some byte is a control character, which CloudEvents forbids in an attribute (CloudEvents 1.0.2, "Type System").
    var hasControls = false

    init(_ bytes: Run) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var high: UInt64 = 0
        var control: UInt64 = 0
        var index = 0
        while index &+ 8 <= bytes.count {
            let x = bytes.word(index)
            high |= x
            // Borrows may only add false hits above a true one, never hide one.
            control |= (x &- (ones &* 0x20)) & ~x
            let del = x ^ (ones &* 0x7F)
            control |= (del &- ones) & ~del
            index &+= 8
        }
        var anyHigh = high & highs != 0
        var anyControl = control & highs != 0
        while index < bytes.count {
            let byte = bytes[index]
            anyHigh = anyHigh || byte >= 0x80
            anyControl = anyControl || byte < 0x20 || byte == 0x7F
            index &+= 1
        }
        hasHighBytes = anyHigh
        hasControls = anyControl
    }
}
