internal import Crypto
internal import Glibc

/// Reading and writing whole files by descriptor.
enum FileBytes {
    static func write(_ bytes: [UInt8], to descriptor: Int32, _ what: String) throws(StagingError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StagingError("\(what) cannot be written", errno: errno) }
            done += count
        }
    }

    /// All bytes; `nil` when it cannot be read or is longer than `limit`.
    static func read(_ descriptor: Int32, limit: Int) -> [UInt8]? {
        guard descriptor >= 0 else { return nil }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0, bytes.count + count <= limit else { return nil }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// What was copied.
    struct Copied {
        var size: Int64
        /// Hexadecimal.
        var sha256: String
    }

    /// Copies one file's bytes to another and takes their digest on the way: what was written, not what was read later.
    ///
    /// - Parameter limit: more bytes than this are an error.
    static func copy(
        from source: Int32, to target: Int32, limit: Int64, _ what: (source: String, target: String)
    ) throws(StagingError) -> Copied {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var hash = SHA256()
        var size: Int64 = 0
        while true {
            let count = Glibc.read(source, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StagingError("\(what.source) cannot be read", errno: errno) }
            if count == 0 { break }
            size += Int64(count)
            guard size <= limit else {
                throw StagingError(.tooLarge, "\(what.source) has more than the \(limit) bytes that are allowed")
            }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            var done = 0
            while done < count {
                let written = Glibc.write(target, buffer.baseAddress?.advanced(by: done), count - done)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw StagingError("\(what.target) cannot be written", errno: errno) }
                done += written
            }
        }
        return Copied(size: size, sha256: hexadecimal(hash.finalize()))
    }

    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var out: [UInt8] = []
        for byte in digest {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
        return String(decoding: out, as: UTF8.self)
    }
}
