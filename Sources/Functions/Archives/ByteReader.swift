/// Little-endian numbers out of bytes, as zip has them.
struct ByteReader {
    let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], at position: Int) {
        self.bytes = bytes
        self.position = position
    }

    /// Whether so many bytes follow before `end`.
    func has(_ count: Int, before end: Int) -> Bool {
        position >= 0 && count >= 0 && end <= bytes.count && position <= end && count <= end - position
    }

    mutating func skip(_ count: Int) { position += count }

    /// The caller has asked ``has(_:before:)`` for all of them.
    mutating func number(_ size: Int) -> Int {
        var value = 0
        for index in 0..<size { value |= Int(bytes[position + index]) << (8 * index) }
        position += size
        return value
    }

    mutating func slice(_ count: Int) -> ArraySlice<UInt8> {
        defer { position += count }
        return bytes[position..<(position + count)]
    }
}
