import CZlib

/// zlib's inflate over bytes in memory.
package final class Inflater {
    package enum Wrapping: Int32 {
        case raw = -15
        case gzip = 31
    }

    package struct Step {
        package var consumed: Int
        package var isEnd: Bool
    }

    /// zlib keeps a pointer to it inside its own state, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>

    package init(_ wrapping: Wrapping) throws(ArchiveError) {
        stream = .allocate(capacity: 1)
        guard weir_inflate_init(stream, wrapping.rawValue) == Z_OK else {
            stream.deallocate()
            throw ArchiveError(.storage, "there is not enough memory to unpack the archive")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Unpacks from `input` until `output` is full or the data end; `nil`: these are no such data.
    ///
    /// `output` keeps the bytes that came out, at most `capacity`.
    package func step(_ input: ArraySlice<UInt8>, into output: inout [UInt8], capacity: Int = 64 << 10) -> Step? {
        var result = Z_OK
        var consumed = 0
        output = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            input.withUnsafeBufferPointer { bytes in
                // zlib's type is not const, but it only reads.
                stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
                stream.pointee.avail_in = UInt32(clamping: bytes.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = UInt32(capacity)
                result = inflate(stream, Z_NO_FLUSH)
                consumed = min(bytes.count, Int(UInt32.max)) - Int(stream.pointee.avail_in)
                count = capacity - Int(stream.pointee.avail_out)
            }
        }
        switch result {
        case Z_STREAM_END: return Step(consumed: consumed, isEnd: true)
        case Z_OK where consumed > 0 || !output.isEmpty: return Step(consumed: consumed, isEnd: false)
        // Z_BUF_ERROR is no progress: the data are cut off.
        default: return nil
        }
    }

    /// Begins anew, as for the next member of a gzip file.
    package func reset() { inflateReset(stream) }
}

/// The CRC-32 of zip, chunk by chunk.
package struct CRC32 {
    package private(set) var value: UInt32 = 0

    package init() {}

    package mutating func add(_ bytes: ArraySlice<UInt8>) {
        // crc32 without bytes begins anew.
        guard !bytes.isEmpty else { return }
        value = bytes.withUnsafeBufferPointer {
            UInt32(truncatingIfNeeded: crc32(UInt(value), $0.baseAddress, UInt32(clamping: $0.count)))
        }
    }
}
