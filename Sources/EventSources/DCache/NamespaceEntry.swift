/// What is remembered of a file or folder in dCache's name space.
struct NamespaceEntry: Sendable, Hashable {
    var isDirectory: Bool
    /// Names the content: a file that is written anew has another.
    var pnfsid: String
    var size: Int64
    /// Milliseconds since 1970.
    var modified: Int64

    init(_ facts: NamespaceFacts) {
        isDirectory = facts.isDirectory
        pnfsid = facts.pnfsid ?? ""
        size = facts.isDirectory ? 0 : facts.size ?? -1
        modified = facts.isDirectory ? 0 : facts.modified ?? 0
    }

    /// Whether the content is the same version.
    func sameVersion(as other: NamespaceEntry) -> Bool {
        guard isDirectory == other.isDirectory else { return false }
        if !pnfsid.isEmpty, !other.pnfsid.isEmpty { return pnfsid == other.pnfsid && size == other.size }
        return isDirectory || size == other.size && modified == other.modified
    }

    /// `version, kind, size, mtime`, little-endian, then the pnfsid.
    var encoded: [UInt8] {
        var bytes: [UInt8] = [1, isDirectory ? 1 : 0]
        for number in [size, modified] { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }
        return bytes + Array(pnfsid.utf8)
    }

    init?(encoded bytes: [UInt8]) {
        guard bytes.count >= 18, bytes[0] == 1 else { return nil }
        func number(_ index: Int) -> Int64 {
            bytes.withUnsafeBytes {
                Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 2 + index * 8, as: Int64.self))
            }
        }
        isDirectory = bytes[1] == 1
        size = number(0)
        modified = number(1)
        pnfsid = String(decoding: bytes[18...], as: UTF8.self)
    }
}
