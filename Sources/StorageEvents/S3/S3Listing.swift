public import CloudEvents

/// An object as a listing of its bucket shows it; where a bucket cannot notify, what changed between two listings is
/// told in the words of a notification.
public struct S3Listing: Sendable, Hashable {
    public var bucket: String
    public var key: String
    public var size: Int64?
    public var etag: String
    /// When it was written, as the store says.
    public var modified: String

    public init(bucket: String, key: String, size: Int64?, etag: String, modified: String) {
        self.bucket = bucket
        self.key = key
        self.size = size
        self.etag = etag
        self.modified = modified
    }

    /// It is new, or another than before.
    public func written(host: String) -> CloudEvent { facts("ObjectCreated:Listed", host, time: modified).event() }

    /// It is not there any more; when it went, nobody knows.
    public func deleted(host: String) -> CloudEvent {
        var facts = facts("ObjectRemoved:Listed", host, time: nil)
        // One that came again and went again is another happening.
        facts.sequencer = modified
        facts.size = nil
        return facts.event()
    }

    private func facts(_ name: String, _ host: String, time: String?) -> S3Facts {
        S3Facts(
            dialect: .listing, name: name, type: S3Facts.type(of: name), how: S3Record.how(name), bucket: bucket,
            key: key, size: size, etag: etag, versionID: nil, sequencer: nil, time: time, host: host,
            requestID: etag,
            native: [
                "Key": .string(key), "ETag": .string(etag), "LastModified": .string(modified),
                "Size": size.map { .integer($0) } ?? .null,
            ])
    }
}
