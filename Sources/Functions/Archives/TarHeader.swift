/// One block of 512 bytes that announces an entry of a tar file (POSIX.1-2017 pax, "ustar Interchange Format", and
/// GNU tar's manual, "Basic Tar Format").
package struct TarHeader {
    package static let blockSize = 512

    var name: [UInt8]
    var mode: Int64
    var size: Int64
    var kind: UInt8

    init(_ block: [UInt8]) throws(ArchiveError) {
        func field(_ range: Range<Int>) -> ArraySlice<UInt8> {
            block[range].prefix { $0 != 0 }
        }
        guard block.count == Self.blockSize else {
            throw ArchiveError(.corrupt, "the tar file is cut off in the middle of a header")
        }
        // The sum counts its own field as blanks.
        var sum: Int64 = 0
        for (index, byte) in block.enumerated() { sum += (148..<156).contains(index) ? 0x20 : Int64(byte) }
        guard let stored = Self.number(block[148..<156]), stored == sum else {
            throw ArchiveError(.corrupt, "the file is no tar archive, or it is damaged: a header's checksum is wrong")
        }
        guard let size = Self.number(block[124..<136]), size >= 0, let mode = Self.number(block[100..<108]) else {
            throw ArchiveError(.corrupt, entry: field(0..<100), "has a damaged header")
        }
        self.size = size
        self.mode = mode
        kind = block[156]
        name = Array(field(0..<100))
        let isPOSIX = block[257..<263].elementsEqual("ustar\0".utf8)
        let prefix = field(345..<500)
        if isPOSIX, !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
    }

    /// Octal text, or GNU's binary form when the first bit is set; `nil`: neither.
    package static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            // Negative ones (0xFF) have no meaning for what is read here.
            guard first == 0x80 else { return nil }
            var value: Int64 = 0
            for byte in field.dropFirst() {
                guard value < 1 << 55 else { return nil }
                value = value << 8 | Int64(byte)
            }
            return value
        }
        var value: Int64 = 0
        var hasEnded = false
        for byte in field.drop(while: { $0 == 0x20 }) {
            switch byte {
            case 0x30...0x37 where !hasEnded: value = value << 3 | Int64(byte - 0x30)
            case 0, 0x20: hasEnded = true
            default: return nil
            }
        }
        return value
    }
}
