/// The first bytes of a segment file.
package struct SegmentHeader: Sendable, Hashable {
    /// The bytes it takes; the first record follows.
    package static let length = 48

    /// What record checksums begin with; the same in all segments of a channel.
    package var salt: UInt32
    /// The offset of the first record.
    package var base: UInt64
    /// Not before the last record of the segment before, not after the first of this one; milliseconds since 1970.
    package var created: Int64

    package init(salt: UInt32, base: UInt64, created: Int64) {
        self.salt = salt
        self.base = base
        self.created = created
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.put("WEIRSEG1")
        writer.put(salt)
        writer.put(base)
        writer.put(created)
        writer.put([UInt8](repeating: 0, count: Self.length - 4 - writer.bytes.count))
        writer.seal()
        return writer.bytes
    }

    /// Reads a header; `nil` when it is damaged or none.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length, var reader = ByteReader(sealed: bytes[..<Self.length], magic: "WEIRSEG1")
        else { return nil }
        salt = reader.take(UInt32.self)
        base = reader.take(UInt64.self)
        created = reader.take(Int64.self)
    }
}
