/// Makes activation ids: 32 hexadecimal digits, the first twelve the start in milliseconds since 1970, the rest as in
/// a UUID of version 7 (RFC 9562 §5.7), so that ids sort by time.
struct ActivationIDs: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func random() -> UInt64 {
        // SplitMix64: ids must differ, not be secret.
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func next(milliseconds: Int64) -> String {
        let high = UInt64(bitPattern: milliseconds) << 16 | 0x7000 | (random() & 0xFFF)
        let low = 0x8000_0000_0000_0000 | (random() >> 2)
        return String(unsafeUninitializedCapacity: 32) { out in
            for index in 0..<16 {
                out[index] = Self.digit(high >> UInt64(60 - 4 * index))
                out[16 + index] = Self.digit(low >> UInt64(60 - 4 * index))
            }
            return 32
        }
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: value & 15)
        return nibble < 10 ? 48 + nibble : 87 + nibble
    }

    /// The start time that an id begins with; `nil` when it is no id.
    static func milliseconds(of id: some StringProtocol) -> Int64? {
        guard id.utf8.count == 32, id.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            return nil
        }
        return Int64(id.prefix(12), radix: 16)
    }
}
