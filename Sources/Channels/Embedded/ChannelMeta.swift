/// The file that makes a folder a channel: how many partitions, and the secrets its checksums and identities use.
struct ChannelMeta: Sendable, Hashable {
    static let name = "channel"
    static let currentVersion: UInt32 = 1

    var version = Self.currentVersion
    var partitions: Int
    var salt: UInt32
    var key: IdentityKey

    init(partitions: Int, salt: UInt32, key: IdentityKey) {
        self.partitions = partitions
        self.salt = salt
        self.key = key
    }

    static func fresh(partitions: Int, salt: UInt32? = nil) -> ChannelMeta {
        ChannelMeta(partitions: partitions, salt: salt ?? UInt32.random(in: 1 ... .max), key: .random())
    }

    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.put("WEIRCHN1")
        writer.put(version)
        writer.put(UInt32(partitions))
        writer.put(salt)
        writer.put(key.bytes)
        writer.seal()
        return writer.bytes
    }

    /// Reads the file's bytes; `nil` when they are damaged. Whether the version is ours is the caller's to check.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 40, var reader = ByteReader(sealed: bytes[...], magic: "WEIRCHN1") else { return nil }
        version = reader.take(UInt32.self)
        partitions = Int(reader.take(UInt32.self))
        salt = reader.take(UInt32.self)
        key = IdentityKey(reader.take(count: 16))
    }
}
