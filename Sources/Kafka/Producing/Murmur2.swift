/// The partition that Kafka's Java clients choose for a key: murmur2 with the sign cut off, modulo the partitions.
package enum Murmur2 {
    package static func partition(of key: UnsafeRawBufferPointer, among count: Int) -> Int {
        Int(hash(key) & 0x7FFF_FFFF) % count
    }

    /// 32-bit MurmurHash2 with the seed that Kafka uses (`org.apache.kafka.common.utils.Utils.murmur2`).
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let factor: UInt32 = 0x5BD1_E995
        var state: UInt32 = 0x9747_B28C ^ UInt32(truncatingIfNeeded: bytes.count)
        var position = 0
        while position + 4 <= bytes.count {
            var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            word = word &* factor
            word ^= word >> 24
            state = (state &* factor) ^ (word &* factor)
            position += 4
        }
        if position < bytes.count {
            for index in (position..<bytes.count).reversed() {
                state ^= UInt32(bytes[index]) << UInt32(8 * (index - position))
            }
            state = state &* factor
        }
        state ^= state >> 13
        state = state &* factor
        return state ^ (state >> 15)
    }
}
