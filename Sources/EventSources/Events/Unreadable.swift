package import CloudEvents

/// What a source could not read, as the event that goes to its dead letters: whole, with the reason.
package struct Unreadable: Sendable {
    package static let type = "dev.weir.source.unreadable"
    /// Of something larger, the beginning is kept; dead letters are for people.
    private static let maximumBytes = 256 << 10

    /// The event, encoded.
    package let event: EventRecord

    /// - Parameters:
    ///   - source: the `source` of the events that were expected.
    ///   - subject: the file (or other place) it was found in.
    ///   - line: the line in that place, counted from 1.
    ///   - offset: the place of the first byte in the file.
    ///   - time: when it was found, in nanoseconds since 1970.
    package init(
        bytes: some Collection<UInt8>, reason: String, source: String, subject: String, line: Int64? = nil,
        offset: Int64? = nil, time: Int64
    ) {
        var hash = StableHash()
        hash.add(subject)
        hash.add(offset ?? line ?? -1)
        hash.add(bytes)
        var event = CloudEvent(
            id: "unreadable-\(hash.hex)", source: source, type: Self.type, subject: subject,
            time: EventTime(nanoseconds: time), datacontenttype: "application/octet-stream",
            data: .bytes(Array(bytes.prefix(Self.maximumBytes))))
        event["reason"] = .string(Self.attributeText(reason))
        if let line { event["line"] = .string(String(line)) }
        if let offset { event["offset"] = .string(String(offset)) }
        if bytes.count > Self.maximumBytes { event["truncatedfrom"] = .string(String(bytes.count)) }
        self.event = EventRecord(event)
    }

    /// An event that was read and is too large to keep.
    package init(tooLarge record: EventRecord, reason: String) {
        let event = record.event
        self.init(
            bytes: record.bytes, reason: reason, source: event.source, subject: event.subject ?? event.id,
            time: event.time?.nanoseconds ?? WallClock.nanoseconds())
    }

    /// Attribute strings hold no control characters (CloudEvents 1.0.2, "String").
    private static func attributeText(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }
}
