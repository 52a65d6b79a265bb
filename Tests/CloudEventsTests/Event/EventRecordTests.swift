import CloudEvents
import TestSupport
import Testing

@Suite struct EventRecordTests {
    static func sample() -> CloudEvent {
        var event = Samples.event(subject: "/a", data: .bytes([1, 2, 3]))
        event.time = EventTime("2018-04-05T17:31:00.25+02:00")
        event.datacontenttype = "text/plain"
        event.dataschema = "a:b"
        event.extensions = [
            .init(name: "flag", value: .boolean(true)), .init(name: "n", value: .integer(.min)),
            .init(name: "blob", value: .binary([0, 255])), .init(name: "u", value: .uri("x:y")),
            .init(name: "r", value: .uriReference("/z")), .init(name: "s", value: .string("")),
        ]
        if let time = EventTime("1999-01-01T00:00:00Z") { event["t"] = .timestamp(time) }
        return event
    }

    @Test func keepsEveryTypeOfAttribute() {
        #expect(EventRecord(Self.sample()).event == Self.sample())
    }

    @Test func refusesEveryTruncationAndEveryForeignLength() {
        let bytes = EventRecord(Self.sample()).bytes
        #expect(EventRecord(validating: bytes) != nil)
        for length in 0..<bytes.count { #expect(EventRecord(validating: Array(bytes[..<length])) == nil) }
        #expect(EventRecord(validating: bytes + [0]) == nil)
    }

    @Test func survivesEveryByteChanged() {
        let bytes = EventRecord(Self.sample()).bytes
        for index in bytes.indices {
            for value in [0, 1, 3, 7, 0x7F, 0x80, 0xFF] as [UInt8] {
                var broken = bytes
                broken[index] = value
                guard let record = EventRecord(validating: broken) else { continue }
                _ = record.event
                _ = Samples.encoded(record)
                _ = HTTPBinding.encode(record)
            }
        }
    }

    @Test func refusesDataOfNoKindAndNamesOfNoLength() {
        var bytes = EventRecord(Samples.event(data: .bytes([1]))).bytes
        bytes[1] = 0
        #expect(EventRecord(validating: bytes) == nil)
        var nameless = EventRecordWriter(capacity: 64)
        nameless.attribute(name: UnsafeRawBufferPointer(start: nil, count: 0), .init(start: nil, count: 0), .string)
        #expect(EventRecord(validating: nameless.finish().bytes) == nil)
    }

    @Test func dataOfNoKindIsNotWritten() {
        var writer = EventRecordWriter(capacity: 64)
        writer.attribute("type", "t")
        [1, 2, 3].withUnsafeBytes { writer.data($0, kind: .none) }
        let record = writer.finish()
        #expect(EventRecord(validating: record.bytes) != nil)
        #expect(record.withView { $0.data.count } == 0)
    }

    @Test func writesTimesAtTheEndsOfTheRange() {
        #expect(EventTime(nanoseconds: .max, offsetMinutes: 60, fractionDigits: 0).text.hasSuffix("+01:00"))
        #expect(EventTime(nanoseconds: .min, offsetMinutes: -60, fractionDigits: 0).text.hasSuffix("-01:00"))
    }

    @Test(arguments: [
        "1678-01-01T00:00:00Z", "2261-12-31T23:59:60-23:59", "2024-02-29t00:00:00z",
        "2018-04-05T17:31:00.1234567891234Z",
    ])
    func readsTimes(_ text: String) {
        #expect(EventTime(text)?.text == text)
    }

    @Test(arguments: [
        "", "2018-04-05", "2018-04-05T17:31Z", "2018-04-05T17:31:00", "2018-04-05 17:31:00Z", "2023-02-29T00:00:00Z",
        "2018-13-05T17:31:00Z", "2018-04-05T24:00:00Z", "2018-04-05T17:31:61Z", "2018-04-05T17:31:00.Z",
        "2018-04-05T17:31:00+2:00", "2018-04-05T17:31:00+24:00", "2018-04-05T17:31:00Zx", "1677-01-01T00:00:00Z",
    ])
    func refusesWhatIsNoTime(_ text: String) {
        #expect(EventTime(text) == nil)
    }
}
