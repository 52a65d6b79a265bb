/// The JSON event format and the JSON batch format of CloudEvents 1.0.2.
public enum JSONEventFormat {
    /// The media type of one event.
    public static var mediaType: String { "application/cloudevents+json" }
    /// The media type of a batch.
    public static var batchMediaType: String { "application/cloudevents-batch+json" }

    /// Reads one event into a record, its attributes checked.
    ///
    /// - Throws: ``CloudEventError`` naming the attribute, or line and column where the text is not JSON.
    public static func decode(_ bytes: [UInt8]) throws(CloudEventError) -> EventRecord {
        try reading(bytes) { decoder, buffer throws(CloudEventError) in try decoder.event(buffer) }
    }

    /// Reads a batch into records; the error of one event carries its index.
    public static func decodeBatch(_ bytes: [UInt8]) throws(CloudEventError) -> [EventRecord] {
        try reading(bytes) { decoder, buffer throws(CloudEventError) in try decoder.batch(buffer) }
    }

    /// Reads one event into the form for people.
    public static func decodeEvent(_ bytes: [UInt8]) throws(CloudEventError) -> CloudEvent {
        try decode(bytes).event
    }

    /// Appends a record as one compact JSON object, without a line end.
    public static func encode(_ record: EventRecord, into out: inout [UInt8]) {
        record.withView { JSONEventEncoder.write($0, into: &out) }
    }

    /// Appends the event behind a view as one compact JSON object, without a line end.
    public static func encode(_ view: EventView, into out: inout [UInt8]) {
        JSONEventEncoder.write(view, into: &out)
    }

    /// Checks an event and appends it as one compact JSON object.
    public static func encode(_ event: CloudEvent, into out: inout [UInt8]) throws(CloudEventError) {
        encode(try EventRecord(validating: event), into: &out)
    }

    /// Appends records as one JSON array.
    public static func encodeBatch(_ records: some Sequence<EventRecord>, into out: inout [UInt8]) {
        JSONEventEncoder.writeBatch(records, into: &out)
    }

    /// Runs `body` with a decoder of its own on the bytes.
    static func reading<Result>(
        _ bytes: [UInt8],
        _ body: (inout JSONEventDecoder, UnsafeRawBufferPointer) throws(CloudEventError) -> Result
    ) throws(CloudEventError) -> Result {
        var outcome: Swift.Result<Result, CloudEventError>?
        var decoder = JSONEventDecoder()
        bytes.withUnsafeBytes { buffer in
            do throws(CloudEventError) {
                outcome = .success(try body(&decoder, buffer))
            } catch {
                outcome = .failure(error)
            }
        }
        // `withUnsafeBytes` has run the closure, which always sets it.
        return try outcome.unsafelyUnwrapped.get()
    }
}
