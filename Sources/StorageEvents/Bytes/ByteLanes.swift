/// Eight bytes of a word looked at together: results have the high bit of each byte that fits.
enum ByteLanes {
    static let highs: UInt64 = 0x8080_8080_8080_8080
    static let lows: UInt64 = 0x7F7F_7F7F_7F7F_7F7F

    @inline(__always)
    static func all(_ byte: UInt64) -> UInt64 { byte &* 0x0101_0101_0101_0101 }

    /// Which bytes are `first...last`, ASCII both; exact. Bits other than the high ones mean nothing.
    @inline(__always)
    static func inRange(_ x: UInt64, _ first: UInt64, _ last: UInt64) -> UInt64 {
        let low = x & lows
        return (low &+ all(0x80 &- first)) & ~(low &+ all(0x7F &- last)) & ~x
    }

    /// Which bytes are hexadecimal digits, of either case.
    @inline(__always)
    static func hexDigits(_ x: UInt64) -> UInt64 {
        (inRange(x, 0x30, 0x39) | inRange(x | all(0x20), 0x61, 0x66)) & highs
    }

    /// Which bytes are `byte`; only the lowest hit is sure.
    @inline(__always)
    static func firstEqual(_ x: UInt64, _ byte: UInt64) -> UInt64 {
        let y = x ^ all(byte)
        return (y &- all(1)) & ~y & highs
    }
}
