import CLinux

/// CRC-32C (Castagnoli), the checksum of everything that the log writes.
package enum CRC32C {
    /// Whether the processor computes it; asked once.
    package static let hasInstruction = weir_crc32c_available() != 0

    /// The checksum of `bytes`, continued from `crc`.
    @inline(__always)
    package static func checksum(_ bytes: UnsafeRawBufferPointer, from crc: UInt32 = 0) -> UInt32 {
        hasInstruction ? weir_crc32c_hardware(crc, bytes.baseAddress, bytes.count) : portable(bytes, from: crc)
    }

    /// The same in plain Swift, eight bytes a step ("slicing-by-8", Intel 2006): for processors without the
    /// instruction, and as the tests' second opinion.
    package static func portable(_ bytes: UnsafeRawBufferPointer, from crc: UInt32 = 0) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var state = ~crc
            var index = 0
            while index + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                let mixed = word ^ UInt64(state)
                state = 0
                for step in 0..<8 {
                    state ^= table[(7 - step) * 256 + Int(truncatingIfNeeded: (mixed >> (8 * UInt64(step))) & 0xFF)]
                }
                index += 8
            }
            while index < bytes.count {
                state = table[Int((state ^ UInt32(bytes[index])) & 0xFF)] ^ (state >> 8)
                index += 1
            }
            return ~state
        }
    }

    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
            tables[byte] = value
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xFF)] ^ (previous >> 8)
        }
        return tables
    }()
}
