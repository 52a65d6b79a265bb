public import CloudEvents
public import Manifest

/// What a person wants a channel to be.
///
///     storage: { retention: 30d, partitions: 4 }
///     archive: { retention: { age: 365d, bytes: 2TB }, segment: 256MiB, duplicateWindow: 1000000 }
public struct ChannelSpec: Sendable, Hashable {
    /// Events older than this are removed, a segment at a time; milliseconds, `nil`: none for its age.
    public var retentionAge: Int64?
    /// The oldest segments are removed while the channel takes more than this; `nil`: none for its size.
    public var retentionBytes: Int64?
    public var partitions: Int
    /// How large a segment file grows, in bytes.
    public var segmentBytes: Int64
    /// How many of the last events are remembered to drop repeated ones; 0: none.
    public var duplicateWindow: Int
    /// Where the events are.
    public var storage: Storage

    public init(
        retentionAge: Int64? = nil, retentionBytes: Int64? = nil, partitions: Int = 1,
        segmentBytes: Int64 = 128 << 20, duplicateWindow: Int = 262_144, storage: Storage = .standard
    ) {
        self.storage = storage
        self.retentionAge = retentionAge
        self.retentionBytes = retentionBytes
        self.partitions = partitions
        self.segmentBytes = segmentBytes
        self.duplicateWindow = duplicateWindow
    }

    /// Reads `retention` (an age, or an object of `age` and `bytes`), `partitions`, `segment`, `duplicateWindow` and
    /// `kafka`.
    ///
    /// The caller finishes the reader, so that a resource may have keys beside these.
    public init(_ reader: inout DocumentReader) throws(DocumentError) {
        self.init()
        if let retention = reader.value("retention") {
            if case .string = retention {
                retentionAge = try reader.duration("retention")
            } else if var inner = try reader.object("retention") {
                retentionAge = try inner.duration("age")
                retentionBytes = try inner.size("bytes")
                try inner.finish()
            }
        }
        if let age = retentionAge, age < 1_000 {
            throw DocumentError(path: reader.path(of: "retention"), message: "an age of at least 1s is needed")
        }
        if let bytes = retentionBytes, bytes < 1 << 20 {
            throw DocumentError(path: reader.path(of: "retention.bytes"), message: "at least 1MiB is needed")
        }
        if let count = try reader.integer("partitions", in: 1...1024) { partitions = count }
        if let bytes = try reader.size("segment") {
            guard (1 << 20...1 << 30).contains(bytes) else {
                throw DocumentError(
                    path: reader.path(of: "segment"),
                    message: "\(Quantity.text(bytes: bytes)) is out of range: 1MiB to 1GiB is allowed")
            }
            segmentBytes = bytes
        }
        if let window = try reader.integer("duplicateWindow", in: 0...100_000_000) { duplicateWindow = window }
        storage = try Self.storage(&reader)
    }

    /// The same as a document, every key written out.
    public var document: JSONValue {
        var object = JSONObject()
        if retentionAge != nil || retentionBytes != nil {
            var retention = JSONObject()
            if let retentionAge { retention["age"] = .string(Quantity.text(milliseconds: retentionAge)) }
            if let retentionBytes { retention["bytes"] = .string(Quantity.text(bytes: retentionBytes)) }
            object["retention"] = .object(retention)
        }
        object["partitions"] = .integer(Int64(partitions))
        object["segment"] = .string(Quantity.text(bytes: segmentBytes))
        object["duplicateWindow"] = .integer(Int64(duplicateWindow))
        switch storage {
        case .standard: break
        case .embedded: object["kafka"] = false
        case .kafka(let topic): object["kafka"] = topic.document
        }
        return .object(object)
    }
}
