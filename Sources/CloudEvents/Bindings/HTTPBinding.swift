/// The HTTP protocol binding of CloudEvents 1.0.2: headers and body to events and back, for requests and responses alike.
///
/// Knows no HTTP library: headers are pairs of name and value.
public enum HTTPBinding {
    /// How an event stands in a message (§1.3).
    public enum ContentMode: String, Sendable, CaseIterable {
        /// Attributes as `ce-` headers, data as body.
        case binary
        /// One event in an event format as body.
        case structured
        /// Many events in a batch format as body.
        case batched
    }

    /// A message's headers, in their order, and body.
    public struct Message: Sendable {
        public var headers: [(name: String, value: String)]
        public var body: [UInt8]

        public init(headers: [(name: String, value: String)], body: [UInt8]) {
            self.headers = headers
            self.body = body
        }
    }

    /// The mode that a message's `content-type` announces, and checks that its format is one that is read here.
    ///
    /// - Throws: ``CloudEventError`` with ``CloudEventError/Code/unsupportedFormat`` for another format or character set.
    public static func contentMode(ofContentType value: String?) throws(CloudEventError) -> ContentMode {
        guard let value, isCloudEvents(value) else { return .binary }
        guard let type = MediaType(value) else {
            throw CloudEventError(.unsupportedFormat, nil, "the content-type \"\(value)\" is not a media type")
        }
        let mode: ContentMode
        switch type.essence {
        case JSONEventFormat.mediaType: mode = .structured
        case JSONEventFormat.batchMediaType: mode = .batched
        default:
            throw CloudEventError(
                .unsupportedFormat, nil,
                "the event format \(type.essence) is not supported; send \(JSONEventFormat.mediaType), "
                    + "\(JSONEventFormat.batchMediaType), or the attributes as ce- headers")
        }
        if let charset = type.parameter("charset"), !["utf-8", "utf8", "us-ascii"].contains(charset.lowercased()) {
            throw CloudEventError(
                .unsupportedFormat, nil, "the character set \(charset) is not supported; send events as UTF-8")
        }
        return mode
    }

    /// Reads the events of a message.
    ///
    /// - Parameters:
    ///   - headers: all headers of the message; names in any case, those not of CloudEvents are passed over.
    ///   - body: the whole body.
    /// - Throws: ``CloudEventError`` naming the attribute at fault, and its index in a batch.
    public static func decode(
        headers: some Collection<(name: String, value: String)>, body: [UInt8]
    ) throws(CloudEventError) -> [EventRecord] {
        var contentType: String?
        for (name, value) in headers where matches(name, "content-type") && name.utf8.count == 12 {
            guard contentType == nil else {
                throw CloudEventError(.duplicateAttribute, "datacontenttype", "the header content-type stands twice")
            }
            contentType = value
        }
        switch try contentMode(ofContentType: contentType) {
        case .structured: return [try JSONEventFormat.decode(body)]
        case .batched: return try JSONEventFormat.decodeBatch(body)
        case .binary:
            var decoder = HTTPBinaryDecoder()
            for (name, value) in headers where matches(name, "ce-") { try decoder.take(name, value) }
            return [try decoder.finish(contentType: contentType, body: body)]
        }
    }

    /// Writes one event as a message; `batched` makes a batch of one.
    public static func encode(_ record: EventRecord, mode: ContentMode = .binary) -> Message {
        switch mode {
        case .binary:
            return record.withView { encodeBinary($0) }
        case .structured:
            var body: [UInt8] = []
            JSONEventFormat.encode(record, into: &body)
            return Message(
                headers: [(name: "content-type", value: JSONEventFormat.mediaType + "; charset=UTF-8")], body: body)
        case .batched:
            return encodeBatch([record])
        }
    }

    /// Writes events as one message in batched mode, which only a receiver that asked for it may be sent (§1.3).
    public static func encodeBatch(_ records: some Sequence<EventRecord>) -> Message {
        var body: [UInt8] = []
        JSONEventFormat.encodeBatch(records, into: &body)
        return Message(
            headers: [(name: "content-type", value: JSONEventFormat.batchMediaType + "; charset=UTF-8")], body: body)
    }

    /// §1.3: whatever begins with `application/cloudevents` is an event format, known or not.
    private static func isCloudEvents(_ contentType: String) -> Bool {
        matches(contentType.drop { $0 == " " || $0 == "\t" }, "application/cloudevents")
    }

    /// Whether `text` begins with `prefix`, which is in lower case, in any case.
    private static func matches(_ text: some StringProtocol, _ prefix: StaticString) -> Bool {
        guard text.utf8.count >= prefix.utf8CodeUnitCount else { return false }
        var position = prefix.utf8Start
        for byte in text.utf8.prefix(prefix.utf8CodeUnitCount) {
            guard ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) == position.pointee else { return false }
            position += 1
        }
        return true
    }
}
