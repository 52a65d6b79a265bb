/// Puts and takes little-endian numbers; for the small headers of the log's files.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(_ more: [UInt8]) { bytes.append(contentsOf: more) }

    /// Ends with the checksum of everything before it.
    mutating func seal() { put(bytes.withUnsafeBytes { CRC32C.checksum($0) }) }
}

/// Reads what ``ByteWriter`` wrote; past the end it gives zeros, so the caller checks length and checksum first.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// A reader of sealed bytes: `nil` when the checksum at the end does not match or the magic word is another.
    init?(sealed bytes: ArraySlice<UInt8>, magic: StaticString) {
        let count = magic.utf8CodeUnitCount
        guard bytes.count >= count + 4 else { return nil }
        let body = bytes.dropLast(4)
        var tail = ByteReader(bytes.suffix(4))
        let matches = body.withUnsafeBytes { buffer in
            CRC32C.checksum(buffer) == tail.take(UInt32.self)
                && buffer.prefix(count).elementsEqual(UnsafeBufferPointer(start: magic.utf8Start, count: count))
        }
        guard matches else { return nil }
        self.init(body.dropFirst(count))
    }

    mutating func take<Number: FixedWidthInteger>(_ type: Number.Type) -> Number {
        let size = MemoryLayout<Number>.size
        defer { position += size }
        guard position + size <= bytes.endIndex else { return 0 }
        return bytes.withUnsafeBytes {
            Number(littleEndian: $0.loadUnaligned(fromByteOffset: position - bytes.startIndex, as: Number.self))
        }
    }

    mutating func take(count: Int) -> [UInt8] {
        defer { position += count }
        guard position + count <= bytes.endIndex else { return [] }
        return Array(bytes[position..<(position + count)])
    }
}
