/// Writes a zip file whose files are not packed (PKWARE's APPNOTE, 4.3): for code that travels once over a socket of this
/// machine.
package struct ZipWriter {
    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var count = 0

    package init() {}

    /// - Parameter path: relative, `/` between its parts.
    package mutating func add(_ path: String, _ content: [UInt8], isExecutable: Bool) {
        var checksum = CRC32()
        checksum.add(content[...])
        let name = Array(path.utf8)
        let place = bytes.count
        // What a local header and an entry of the directory have in common: version, flags (names are UTF-8), method,
        // time (1980), checksum, sizes, length of the name, no extra field.
        let shared =
            Self.number(20, 2) + Self.number(0x0800, 2) + Self.number(0, 2) + Self.number(0, 2) + Self.number(0x21, 2)
            + Self.number(Int(checksum.value), 4) + Self.number(content.count, 4) + Self.number(content.count, 4)
            + Self.number(name.count, 2) + Self.number(0, 2)
        bytes += [0x50, 0x4B, 0x03, 0x04] + shared + name + content
        let mode = isExecutable ? 0o100755 : 0o100644
        directory += [0x50, 0x4B, 0x01, 0x02] + Self.number(0x0314, 2) + shared
        directory += Self.number(0, 2) + Self.number(0, 2) + Self.number(0, 2) + Self.number(mode << 16, 4)
        directory += Self.number(place, 4) + name
        count += 1
    }

    package consuming func finish() -> [UInt8] {
        let end =
            [0x50, 0x4B, 0x05, 0x06] + Self.number(0, 4) + Self.number(count, 2) + Self.number(count, 2)
            + Self.number(directory.count, 4) + Self.number(bytes.count, 4) + Self.number(0, 2)
        return bytes + directory + end
    }

    private static func number(_ value: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
