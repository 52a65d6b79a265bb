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

    /// Looks at sixteen bytes at a time, as if all were ASCII; when one is not, again and slowly.
    ///
    /// Of an ASCII byte, `(byte ^ c) + 0x7F` has the high bit unless the byte is `c`. Only sums and logic are used: they
    /// become vector instructions, comparisons of SIMD values become calls.
    @inline(__always)
    init(_ bytes: Run) {
        typealias Lanes = SIMD16<UInt8>
        var odd = Lanes(repeating: 0)
        var plain = Lanes(repeating: 0x80)
        var index = 0
        while index &+ 16 <= bytes.count {
            // At most 255 times, so that the count of a lane fits a byte.
            let start = index
            let stop = min(index &+ 255 &* 16, bytes.count &- 15)
            var others = Lanes(repeating: 0)
            while index < stop {
                let x = bytes.loadUnaligned(fromByteOffset: index, as: Lanes.self)
                odd |= x | (x &+ Lanes(repeating: 1))
                plain &= (x &+ Lanes(repeating: 0x60)) & ((x ^ Lanes(repeating: 0x5C)) &+ Lanes(repeating: 0x7F))
                others &+= ((x ^ Lanes(repeating: 0x22)) &+ Lanes(repeating: 0x7F)) &>> Lanes(repeating: 7)
                index &+= 16
            }
            let sums = unsafeBitCast(others, to: SIMD2<UInt64>.self)
            quotes &+= (index &- start) &- Self.sum(sums[0]) &- Self.sum(sums[1])
        }
        let odds = unsafeBitCast(odd, to: SIMD2<UInt64>.self)
        let plains = unsafeBitCast(plain, to: SIMD2<UInt64>.self)
        var hits = (odds[0] | odds[1]) & Self.highs
        var misses = ~(plains[0] & plains[1]) & Self.highs
        while index < bytes.count {
            let length = min(bytes.count &- index, 8)
            var x: UInt64 = 0
            if length == 8 {
                x = bytes.word(index)
            } else if bytes.count >= 8 {
                x = bytes.word(bytes.count &- 8) >> UInt64(64 &- 8 &* length)
            } else {
                for at in 0..<length { x |= UInt64(bytes[index &+ at]) << UInt64(8 &* at) }
            }
            // Blanks where the line is over.
            if length < 8 { x |= (Self.ones &* 0x20) << UInt64(8 &* length) }
            hits |= (x | (x &+ Self.ones)) & Self.highs
            misses |= ~((x &+ Self.ones &* 0x60) & ((x ^ Self.ones &* 0x5C) &+ Self.lows)) & Self.highs
            quotes &+= (~((x ^ Self.ones &* 0x22) &+ Self.lows) & Self.highs).nonzeroBitCount
            index &+= length
        }
        if hits | misses != 0 { lookSlowly(bytes) }
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let lows: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The sum of eight bytes.
    @inline(__always)
    private static func sum(_ word: UInt64) -> Int {
        let pairs = (word & 0x00FF_00FF_00FF_00FF) &+ ((word >> 8) & 0x00FF_00FF_00FF_00FF)
        return Int(truncatingIfNeeded: (pairs &* 0x0001_0001_0001_0001) >> 48)
    }

    @inline(never)
    private mutating func lookSlowly(_ bytes: Run) {
        quotes = 0
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if byte >= 0x80 { hasHighBytes = true }
            if byte < 0x20 || byte == 0x7F { hasControls = true }
            if byte == 0x5C { hasBackslashes = true }
            if byte == 0x22 { quotes &+= 1 }
        }
    }
}
