import CloudEvents

/// Decodes dCache's billing records in JSON: Kafka messages, lines of JSON billing files, and alarms.
///
/// One object is one event. Key order does not matter and unknown members are kept in the native record. An unknown
/// `msgType` gives an event of the producer's own type, `org.dcache.…`. What lacks one of the members that every record
/// has is a failure that names the member.
public struct BillingJSONDecoder: Sendable {
    private var scratch = RecordScratch()

    public init() {}

    /// Decodes one JSON object: a Kafka record's value or a line.
    public mutating func decode(
        line bytes: UnsafeRawBufferPointer, lineNumber: Int, into batch: inout DecodedBatch
    ) {
        do throws(JSONError) {
            try decodeObject(bytes, lineNumber: lineNumber, into: &batch)
        } catch {
            batch.failures.append(
                DecodeFailure(
                    .badJSON, line: lineNumber + error.line - 1, column: error.column, reason: error.reason, raw: bytes)
            )
        }
    }

    private mutating func decodeObject(
        _ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch
    ) throws(JSONError) {
        var scanner = JSONScanner(bytes)
        guard let first = scanner.peek() else {
            batch.failures.append(
                DecodeFailure(.badRecord, line: lineNumber, path: "$", reason: "the value is empty", raw: bytes))
            return
        }
        guard first == 0x7B else {
            let range = try scanner.skipValue()
            try scanner.expectEnd()
            _ = range
            batch.failures.append(
                DecodeFailure(.badRecord, line: lineNumber, path: "$", reason: "an object was expected", raw: bytes))
            return
        }
        // Escaped text is never longer than what it stands for was written with, so this holds all of it.
        var outcome: Result<Outcome, JSONError>?
        withUnsafeTemporaryAllocation(byteCount: bytes.count, alignment: 1) { arena in
            var reader = BillingJSONReader(bytes, arena: arena)
            do throws(JSONError) {
                outcome = .success(finish(&reader, native: try reader.readRecord()))
            } catch {
                outcome = .failure(error)
            }
        }
        switch try outcome.unsafelyUnwrapped.get() {
        case .record(let record):
            batch.records.append(record)
            batch.origins.append(.init(line: lineNumber, lines: 1))
        case .wrong(let path, let reason):
            batch.failures.append(
                DecodeFailure(.badRecord, line: lineNumber, path: path, reason: reason, raw: bytes))
        }
    }

    private enum Outcome {
        case record(EventRecord)
        case wrong(path: String, reason: String)
    }

    private mutating func finish(_ reader: inout BillingJSONReader, native: Range<Int>) -> Outcome {
        let native = reader.scanner.bytes.run(native.lowerBound, native.upperBound)
        if reader.hasMarker, !reader.hasType, let alarm = AlarmEvent.event(native) {
            return .record(EventRecord(alarm))
        }
        if let problem = reader.problem ?? reader.missing() { return .wrong(path: problem.0, reason: problem.1) }
        var view = reader.view
        let id = view.identity(native: native, isText: false).value
        let hasOddBytes = reader.hasEscapes || LineTraits(native).hasHighBytes
        let writer = BillingEventWriter(hasOddBytes: hasOddBytes)
        return .record(
            scratch.record { out in
                writer.write(&view, id: id, native: .json(native), extras: [], original: nil, into: &out)
            })
    }
}
