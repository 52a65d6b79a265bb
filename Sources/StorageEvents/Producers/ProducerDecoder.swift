import CloudEvents

/// A decoder of one of the further producers: one line, or one JSON text, is one record.
protocol ProducerDecoder: Sendable {
    /// Decodes one record; events and failures go into `batch`.
    mutating func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch)
    /// Whether something waits for records that come later; ``settle(into:)`` is due after a quiet time.
    var isWaiting: Bool { get }
    /// Gives up waiting.
    mutating func settle(into batch: inout DecodedBatch)
}

extension ProducerDecoder {
    var isWaiting: Bool { false }
    mutating func settle(into batch: inout DecodedBatch) {}
}

/// What is wrong with a record.
struct ProducerProblem: Error {
    let path: String?
    let reason: String

    init(_ path: String?, _ reason: String) {
        self.path = path
        self.reason = reason
    }
}

extension DecodedBatch {
    mutating func add(_ event: ProducerEvent, line: Int) {
        records.append(event.record)
        origins.append(.init(line: line, lines: 1))
    }

    mutating func fail(_ problem: ProducerProblem, _ bytes: Run, line: Int) {
        failures.append(DecodeFailure(.badRecord, line: line, path: problem.path, reason: problem.reason, raw: bytes))
    }

    /// Reads a JSON text; `nil`, with the failure noted, when it is none.
    mutating func json(_ bytes: Run, line: Int) -> JSONValue? {
        do throws(JSONError) {
            let value = try JSONValue(parsing: bytes)
            // The record stands two levels down in the event: in its data, under `native`.
            if let fault = JSONScanner.fault(in: bytes, depth: 2) { throw fault }
            return value
        } catch {
            failures.append(
                DecodeFailure(
                    .badJSON, line: line + error.line - 1, column: error.column, reason: error.reason, raw: bytes))
            return nil
        }
    }
}
