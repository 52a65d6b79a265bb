/// FNV-1a of 128 bits (draft-eastlake-fnv §2): the same everywhere and for ever, for identifiers, not for security.
package struct StableHash: Sendable {
    private var value: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
    private static let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013b

    package init() {}

    package mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            value ^= UInt128(byte)
            value &*= Self.prime
        }
    }

    /// Adds a text and a boundary, so that ("ab", "c") differs from ("a", "bc").
    package mutating func add(_ text: String) {
        add(text.utf8)
        add(CollectionOfOne(0))
    }

    package mutating func add(_ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { add($0) }
    }

    /// 32 hexadecimal digits.
    package var hex: String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 32 - text.count) + text
    }
}
