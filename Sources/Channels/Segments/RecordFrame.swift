/// How one record lies in a segment. All numbers are little-endian.
///
///     0   u32  CRC-32C of all that follows, begun with the channel's salt
///     4   u32  length of the payload
///     8   u64  offset
///     16  i64  when it was appended, milliseconds since 1970
///     24  the payload: one `EventRecord`
///
/// Each record stands for itself, so that damage costs the records it hits and no others. The salt is random, so that
/// nobody can hide bytes in an event that would pass for a record when the log resynchronises behind damage.
package enum RecordFrame {
    package static var headerLength: Int { 24 }

    /// No payload is larger, whatever a channel allows now: a greater length is damage. In bytes.
    package static var largestPayload: Int { 64 << 20 }

    /// The fields in front of a payload, not yet checked.
    package struct Header: Sendable, Hashable {
        package var checksum: UInt32
        package var length: Int
        package var offset: UInt64
        package var appended: Int64

        @inline(__always)
        package init(_ bytes: UnsafeRawBufferPointer, at position: Int) {
            checksum = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            offset = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
            appended = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 16, as: Int64.self))
        }

        /// The bytes from this record to the next.
        package var span: Int { RecordFrame.headerLength + length }
    }

    /// Whether the record at `position`, which must lie within `bytes`, is what was written.
    @inline(__always)
    package static func isIntact(
        _ header: Header, in bytes: UnsafeRawBufferPointer, at position: Int, salt: UInt32
    ) -> Bool {
        let covered = UnsafeRawBufferPointer(rebasing: bytes[(position + 4)..<(position + header.span)])
        return CRC32C.checksum(covered, from: salt) == header.checksum
    }

    /// Writes one record.
    ///
    /// - Returns: the bytes written.
    package static func write(
        _ payload: UnsafeRawBufferPointer, offset: UInt64, appended: Int64, salt: UInt32,
        into buffer: UnsafeMutableRawBufferPointer, at position: Int
    ) -> Int {
        let span = headerLength + payload.count
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[position..<(position + span)])
        target.storeBytes(of: UInt32(payload.count).littleEndian, toByteOffset: 4, as: UInt32.self)
        target.storeBytes(of: offset.littleEndian, toByteOffset: 8, as: UInt64.self)
        target.storeBytes(of: appended.littleEndian, toByteOffset: 16, as: Int64.self)
        UnsafeMutableRawBufferPointer(rebasing: target[headerLength...]).copyMemory(from: payload)
        let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: target[4...]), from: salt)
        target.storeBytes(of: checksum.littleEndian, toByteOffset: 0, as: UInt32.self)
        return span
    }
}
