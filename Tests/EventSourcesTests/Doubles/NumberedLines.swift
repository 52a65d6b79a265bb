import CloudEvents
import EventSources

/// A decoder for tests: one event a line, its id the line's text, its line number counted across restarts; a line that
/// begins with `bad` cannot be read.
struct NumberedLines: LineDecoding {
    private var line: Int64

    init(state: [UInt8]) { line = Int64(String(decoding: state, as: UTF8.self)) ?? 0 }

    mutating func decode(_ bytes: ArraySlice<UInt8>, into lines: inout DecodedLines) {
        for part in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
            line += 1
            let text = String(decoding: part, as: UTF8.self)
            if text.hasPrefix("bad") {
                lines.failures.append(.init(line: line, reason: "it is bad", bytes: Array(part)))
            } else {
                lines.events.append(
                    EventRecord(CloudEvent(id: text, source: "test", type: "line", subject: String(line))))
            }
        }
    }

    mutating func finish(into lines: inout DecodedLines) {}

    var state: [UInt8] { Array(String(line).utf8) }
}
