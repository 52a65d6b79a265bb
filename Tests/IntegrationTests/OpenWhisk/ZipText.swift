/// Writes zip archives of texts, stored as they are, with names in UTF-8 (APPNOTE 4.3, 4.4.4).
enum ZipText {
    static func archive(_ files: [(name: String, text: String)], mode: Int = 0o100644) -> [UInt8] {
        var out: [UInt8] = []
        var directory: [UInt8] = []
        for (name, text) in files {
            let (name, bytes) = (Array(name.utf8), Array(text.utf8))
            let sizes = number(UInt32(bytes.count), 4) + number(UInt32(bytes.count), 4)
            let common: [UInt8] = [20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0x58] + number(crc(bytes), 4) + sizes
            let start = out.count
            out += [0x50, 0x4B, 3, 4] + common + number(UInt32(name.count), 2) + [0, 0] + name + bytes
            directory +=
                [0x50, 0x4B, 1, 2, 20, 3] + common + number(UInt32(name.count), 2) + [0, 0, 0, 0, 0, 0, 0, 0]
                + number(UInt32(mode) << 16, 4) + number(UInt32(start), 4) + name
        }
        let count = number(UInt32(files.count), 2)
        return out + directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + count + count
            + number(UInt32(directory.count), 4) + number(UInt32(out.count), 4) + [0, 0]
    }

    private static func number(_ value: UInt32, _ bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var value: UInt32 = .max
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
        return ~value
    }
}
