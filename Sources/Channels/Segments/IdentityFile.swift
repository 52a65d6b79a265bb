/// One appended event as the duplicate window wants it back after a restart.
struct IdentityEntry: Sendable, Hashable {
    var identity: EventIdentity
    var appended: Int64

    static let size = 24
}

/// The file of identities beside a segment.
///
/// A header with the key's fingerprint, the entries, and, once the segment is sealed, a footer with their checksum.
/// Nobody waits for it to be on disk: it can be made again from the segment, which costs a scan.
struct IdentityFile {
    static let headerLength = 32
    static let footerLength = 20

    static func header(base: UInt64, key: IdentityKey) -> [UInt8] {
        var writer = ByteWriter()
        writer.put("WEIRIDS1")
        writer.put(base)
        writer.put(key.fingerprint)
        writer.put(UInt32(0))
        writer.seal()
        return writer.bytes
    }

    private static func footer(count: Int, checksum: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(UInt64(count))
        writer.put(UInt64(checksum))
        writer.seal()
        return writer.bytes
    }

    /// Reads the entries; `nil` when the file is damaged, of another key or another segment.
    ///
    /// - Parameters:
    ///   - count: how many there must be.
    ///   - sealed: whether the file must have its footer.
    static func entries(
        _ file: any LogFile, base: UInt64, key: IdentityKey, count: Int, sealed: Bool
    ) throws(SystemError) -> [IdentityEntry]? {
        let bytes = try file.bytes(at: 0, count: try file.size())
        guard bytes.count >= headerLength, Array(bytes[..<headerLength]) == header(base: base, key: key) else {
            return nil
        }
        var body = bytes[headerLength...]
        guard body.count >= count * IdentityEntry.size else { return nil }
        let end = Array(body.dropFirst(count * IdentityEntry.size))
        body = body.prefix(count * IdentityEntry.size)
        if sealed {
            let checksum = body.withUnsafeBytes { CRC32C.checksum($0) }
            guard end == footer(count: count, checksum: checksum) else { return nil }
        }
        return body.withUnsafeBytes { buffer in
            (0..<(buffer.count / IdentityEntry.size)).map { index in
                func word<Number: FixedWidthInteger>(_ at: Int) -> Number {
                    Number(
                        littleEndian: buffer.loadUnaligned(
                            fromByteOffset: index * IdentityEntry.size + at, as: Number.self))
                }
                return IdentityEntry(identity: EventIdentity(low: word(0), high: word(8)), appended: word(16))
            }
        }
    }

    /// Writes the file of one segment, a few entries at a time, as records are appended.
    struct Writer {
        private static let buffered = 256

        let path: String
        let key: IdentityKey
        let base: UInt64
        private(set) var count = 0
        private var written = 0
        private var checksum: UInt32 = 0
        private var pending: [UInt8] = []
        /// The file is there and right so far; once not, it is left to be made again.
        private(set) var isWhole = true

        init(path: String, base: UInt64, key: IdentityKey) {
            self.path = path
            self.base = base
            self.key = key
        }

        mutating func add(_ identity: EventIdentity, appended: Int64) {
            count += 1
            withUnsafeBytes(of: identity.low.littleEndian) { pending.append(contentsOf: $0) }
            withUnsafeBytes(of: identity.high.littleEndian) { pending.append(contentsOf: $0) }
            withUnsafeBytes(of: appended.littleEndian) { pending.append(contentsOf: $0) }
        }

        var wantsFlush: Bool { pending.count >= Self.buffered * IdentityEntry.size }

        /// Writes what is pending.
        mutating func flush(_ fileSystem: any LogFileSystem, _ files: OpenFiles) {
            guard isWhole, !pending.isEmpty || written == 0 else {
                pending = []
                return
            }
            do throws(SystemError) {
                if written == 0 {
                    let file = try fileSystem.open(path, create: true, truncate: true)
                    files.keep(file, path)
                    let header = IdentityFile.header(base: base, key: key)
                    try file.writeAll(header, at: 0)
                    written = header.count
                }
                try files.file(path).writeAll(pending, at: written)
                checksum = pending.withUnsafeBytes { CRC32C.checksum($0, from: checksum) }
                written += pending.count
            } catch {
                isWhole = false
                files.forget(path)
            }
            pending = []
        }

        /// Ends the file: its segment is sealed.
        mutating func seal(_ fileSystem: any LogFileSystem, _ files: OpenFiles) {
            flush(fileSystem, files)
            guard isWhole else {
                try? fileSystem.unlinkIfPresent(path)
                return
            }
            do throws(SystemError) {
                try files.file(path).writeAll(IdentityFile.footer(count: count, checksum: checksum), at: written)
            } catch {
                isWhole = false
                try? fileSystem.unlinkIfPresent(path)
            }
            files.forget(path)
        }
    }
}
