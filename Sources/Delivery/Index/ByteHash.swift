/// A fast hash of short byte runs with a secret, for tables whose keys people outside can choose.
///
/// Eight bytes a step, folded by a full 64 × 64 bit product with a random secret, so that nobody who does not know the
/// secret can aim at one slot.
struct ByteHash: Sendable {
    let secret: UInt64

    init(secret: UInt64 = .random(in: .min ... .max)) { self.secret = secret | 1 }

    @inline(__always)
    static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// The hash of some bytes below a parent, as a tag.
    @inline(__always)
    func tag(_ bytes: UnsafeRawBufferPointer, parent: UInt32, kind: UInt8) -> UInt32 {
        var state = Self.fold(secret ^ (UInt64(parent) << 8 | UInt64(kind)), 0x9E37_79B9_7F4A_7C15)
        var index = 0
        let count = bytes.count
        while index + 8 <= count {
            state = Self.fold(
                state ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self), 0xD6E8_FEB8_6659_FD93)
            index += 8
        }
        var last: UInt64 = UInt64(truncatingIfNeeded: count) << 56
        var shift: UInt64 = 0
        while index < count {
            last |= UInt64(bytes[index]) << shift
            shift += 8
            index += 1
        }
        state = Self.fold(state ^ last ^ secret, 0xA076_1D64_78BD_642F)
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }

    /// The hash of a node with up to three value ids, as a tag.
    @inline(__always)
    func tag(node: UInt32, values: UInt64) -> UInt32 {
        let state = Self.fold(secret ^ values, 0xD6E8_FEB8_6659_FD93 ^ UInt64(node) &* 0x9E37_79B9_7F4A_7C15)
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }
}
