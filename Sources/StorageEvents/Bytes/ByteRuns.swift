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
    /// How many `"` there are.
    var quotes = 0
    /// Some byte is a backslash.
    var hasBackslashes = false

    @inline(__always)
    init(_ bytes: Run) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        var high: UInt64 = 0
        var control: UInt64 = 0
        var backslash: UInt64 = 0
        var index = 0
        while index &+ 8 <= bytes.count {
            // At most 16 words, so that the lanes' sum fits a byte.
            let stop = min(index &+ 128, bytes.count &- 7)
            var lanes: UInt64 = 0
            while index < stop {
                let x = bytes.word(index)
                high |= x
                // Borrows and carries may only add false hits above a true one or a byte beyond ASCII, never hide one.
                control |= ((x &- (ones &* 0x20)) | (x &+ ones)) & ~x
                let slash = x ^ (ones &* 0x5C)
                backslash |= (slash &- ones) & ~slash
                // Quotes are counted, exactly, a lane a byte.
                let quote = x ^ (ones &* 0x22)
                lanes &+= (~(((quote & low) &+ low) | quote | low)) >> 7
                index &+= 8
            }
            quotes &+= Int((lanes &* ones) >> 56)
        }
        hasHighBytes = high & highs != 0
        hasControls = control & highs != 0
        hasBackslashes = backslash & highs != 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte >= 0x80 { hasHighBytes = true }
            if byte < 0x20 || byte == 0x7F { hasControls = true }
            if byte == 0x5C { hasBackslashes = true }
            if byte == 0x22 { quotes &+= 1 }
            index &+= 1
        }
    }
}
