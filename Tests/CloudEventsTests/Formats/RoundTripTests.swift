import CloudEvents
import TestSupport
import Testing

/// Random valid events through every format and back.
@Suite struct RoundTripTests {
    private struct EventMaker {
        var generator: SeededGenerator

        mutating func text(_ atLeast: Int = 0) -> String {
            let pieces = ["a", "Z", "0", " ", "\"", "\\", "%", "/", "é", "€", "😀", "\u{10FFFD}", "'", ":", "\u{a0}"]
            let count = Int.random(in: atLeast...12, using: &generator)
            return (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "a" }.joined()
        }

        mutating func bytes() -> [UInt8] {
            (0..<Int.random(in: 0...40, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }

        mutating func value() -> AttributeValue {
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: .boolean(Bool.random(using: &generator))
            case 1: .integer(Int32.random(in: .min ... .max, using: &generator))
            case 2: .binary(bytes())
            case 3: .uriReference("/x%20y")
            case 4: .timestamp(EventTime(nanoseconds: Int64.random(in: .min / 2 ... .max / 2, using: &generator)))
            default: .string(text())
            }
        }

        mutating func json(_ depth: Int = 0) -> JSONValue {
            switch Int.random(in: 0..<(depth < 3 ? 7 : 5), using: &generator) {
            case 0: .null
            case 1: .bool(Bool.random(using: &generator))
            case 2: .integer(Int64.random(in: .min ... .max, using: &generator))
            case 3: .number(Double.random(in: -1e9...1e9, using: &generator))
            case 4: .string(text() + (Bool.random(using: &generator) ? "\n\u{0}" : ""))
            case 5: .array((0..<Int.random(in: 0...3, using: &generator)).map { _ in json(depth + 1) })
            default: .object(JSONObject(members: (0..<3).map { .init(name: "m\($0)", value: json(depth + 1)) }))
            }
        }

        mutating func event() -> CloudEvent {
            var event = CloudEvent(id: text(1), source: "dcache://cell@domain/\(generator.next())", type: text(1))
            if Bool.random(using: &generator) { event.subject = text(1) }
            if Bool.random(using: &generator) { event.time = EventTime(nanoseconds: 1_500_000_000_123_456_789) }
            if Bool.random(using: &generator) { event.dataschema = "https://example.org/s#1" }
            for index in 0..<Int.random(in: 0...4, using: &generator) { event["ext\(index)"] = value() }
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: event.data = .json(json().encoded())
            case 1:
                event.data = .json(json().encoded())
                event.datacontenttype = "application/x+json; charset=utf-8"
            case 2:
                event.data = .bytes(bytes() + [0xFF])
                event.datacontenttype = ["text/plain", "image/png", nil].randomElement(using: &generator) ?? nil
            default:
                event.data = .bytes(Array(("x" + text()).utf8))
                event.datacontenttype = "text/csv"
            }
            return event
        }
    }

    /// What a format without types keeps of a value: its canonical text.
    private static func untyped(_ event: CloudEvent, keepingPlainTypes: Bool) -> CloudEvent {
        var event = event
        for index in event.extensions.indices {
            switch event.extensions[index].value {
            case .boolean, .integer: if keepingPlainTypes { continue }
            default: break
            }
            event.extensions[index].value = .string(event.extensions[index].value.canonicalText)
        }
        return event
    }

    @Test func everyFormatGivesBackWhatItTook() throws {
        var maker = EventMaker(generator: SeededGenerator())
        print("round trips, seed \(maker.generator.seed)")
        var batch: [EventRecord] = []
        for _ in 0..<2_000 {
            let event = maker.event()
            try event.validate()
            let record = EventRecord(event)
            #expect(record.event == event)
            #expect(EventRecord(validating: record.bytes) == record)

            var out: [UInt8] = []
            JSONEventFormat.encode(record, into: &out)
            #expect(try JSONEventFormat.decodeEvent(out) == Self.untyped(event, keepingPlainTypes: true))

            let message = HTTPBinding.encode(record)
            var expected = Self.untyped(event, keepingPlainTypes: false)
            if event.datacontenttype == nil, case .json = event.data { expected.datacontenttype = "application/json" }
            let decoded = try HTTPBinding.decode(headers: message.headers, body: message.body)
            #expect(decoded.map(\.event) == [expected])
            batch.append(record)
        }
        var out: [UInt8] = []
        JSONEventFormat.encodeBatch(batch, into: &out)
        #expect(
            try JSONEventFormat.decodeBatch(out).map(\.event)
                == batch.map { Self.untyped($0.event, keepingPlainTypes: true) })
    }
}
