/// A 128-bit hash that is the same on every machine and in every release, for event ids.
///
/// Two independent lanes of 64-bit multiply and mix (the finaliser is D. Stafford's "Mix13"). It is not cryptographic:
/// someone who can write records can also make two of one id. Ids are made from what the storage system itself wrote,
/// where that gains nothing: whoever forges a record need not collide with another. Chance collisions of 128 bits do not
/// matter at 10^12 events.
struct StableHash {
    private var a: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var b: UInt64 = 0xC2B2_AE3D_27D4_EB4F

    @inline(__always)
    private mutating func mix(_ word: UInt64) {
        a = (a ^ word) &* 0xFF51_AFD7_ED55_8CCD
        a ^= a >> 29
        b = (b &+ word) &* 0x9FB2_1C65_1E98_DF25
        b ^= b >> 32
    }

    /// Takes a run in, with its length, so that ("ab", "c") and ("a", "bc") differ.
    @inline(__always)
    mutating func add(_ bytes: Run) {
        mix(UInt64(bytes.count) ^ 0x5151_0000_0000_0000)
        var index = 0
        while index &+ 8 <= bytes.count {
            mix(bytes.word(index))
            index &+= 8
        }
        if index < bytes.count {
            let rest = bytes.count &- index
            var tail: UInt64 = 0
            if index > 0 {
                // The last eight bytes, of which the first were taken in before.
                tail = bytes.word(bytes.count &- 8).byteSwapped & ((1 << UInt64(rest &* 8)) &- 1)
            } else {
                while index < bytes.count {
                    tail = tail << 8 | UInt64(bytes[index])
                    index &+= 1
                }
            }
            mix(tail)
        }
    }

    /// Takes a run in, or that there is none.
    @inline(__always)
    mutating func add(_ bytes: Run?) {
        if let bytes { add(bytes) } else { mix(0xFFFF_0000_0000_0001) }
    }

    @inline(__always)
    mutating func add(_ value: Int64?) {
        if let value { mix(UInt64(bitPattern: value)) } else { mix(0xFFFF_0000_0000_0002) }
    }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add(Run($0)) }
    }

    /// The two halves of the result.
    var value: (UInt64, UInt64) { (Self.finish(a ^ (b >> 7)), Self.finish(b &+ a &* 3)) }

    /// The result as 32 hexadecimal digits.
    var hex: String {
        let (high, low) = value
        var out: [UInt8] = []
        for word in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                out.append(hexDigit(UInt8(word >> UInt64(shift) & 15)))
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func finish(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@inline(__always)
func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? value &+ 48 : value &+ 87 }
