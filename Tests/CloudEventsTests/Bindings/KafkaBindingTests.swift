import CloudEvents
import TestSupport
import Testing

@Suite struct KafkaBindingTests {
    typealias Header = (name: String, value: [UInt8]?)

    static func headers(_ pairs: (String, String)...) -> [Header] {
        pairs.map { (name: $0.0, value: Samples.bytes($0.1)) }
    }

    static let required = headers(("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/s"), ("ce_type", "t"))

    static func decode(
        _ headers: [Header], _ value: String? = nil, key: String? = nil
    ) throws(CloudEventError) -> CloudEvent {
        try KafkaBinding.decode(
            .init(key: key.map { Samples.bytes($0) }, value: value.map { Samples.bytes($0) }, headers: headers)
        ).event
    }

    static func text(_ message: KafkaBinding.Message) -> [String] {
        message.headers.map { "\($0.name): \($0.value.map { String(decoding: $0, as: UTF8.self) } ?? "null")" }
    }

    // MARK: Binary mode

    @Test func `the specification's example is read`() throws {
        let event = try Self.decode(
            Self.headers(
                ("ce_specversion", "1.0"), ("ce_type", "com.example.someevent"), ("ce_source", "/mycontext/subcontext"),
                ("ce_id", "1234-1234-1234"), ("ce_time", "2018-04-05T03:56:24Z"), ("content-type", "application/avro"),
                ("traceparent", "not an attribute")), "avro", key: "mykey")
        #expect(event.id == "1234-1234-1234" && event.time == EventTime("2018-04-05T03:56:24Z"))
        #expect(event.datacontenttype == "application/avro" && event.data == .bytes(Samples.bytes("avro")))
        #expect(event.extensions.isEmpty)
    }

    @Test func `an event is written with its key, nothing encoded`() {
        let event = Samples.event(
            id: "1", source: "/s", type: "t", subject: "Euro € 100% \"x\"",
            extensions: [
                .init(name: "partitionkey", value: .string("k")), .init(name: "n", value: .integer(-3)),
                .init(name: "b", value: .binary([255])),
            ], data: .json(Samples.bytes("[1]")))
        let message = KafkaBinding.encode(EventRecord(event))
        #expect(message.key == Samples.bytes("k") && message.value == Samples.bytes("[1]"))
        #expect(
            Self.text(message) == [
                "ce_specversion: 1.0", "ce_type: t", "ce_source: /s", "ce_subject: Euro € 100% \"x\"", "ce_id: 1",
                "ce_partitionkey: k", "ce_n: -3", "ce_b: /w==", "weir_types: n=integer b=binary data=json",
            ])
    }

    @Test(
        arguments: [
            nil, .json(Samples.bytes(#"{"a":1}"#)), .bytes([]), .bytes(Samples.bytes("[1]")),
        ] as [CloudEvent.Payload?], [nil, "application/json", "application/x+json; charset=utf-8", "text/plain"])
    func `an event comes back as it was`(_ data: CloudEvent.Payload?, _ type: String?) throws {
        // JSON under a media type that is not JSON's does not exist.
        if case .json = data, type == "text/plain" { return }
        var event = Samples.event(
            subject: "/a b/ä\u{1F600}",
            extensions: [
                .init(name: "s", value: .string("")), .init(name: "flag", value: .boolean(true)),
                .init(name: "n", value: .integer(7)), .init(name: "bin", value: .binary([0, 255, 1])),
                .init(name: "u", value: .uri("http://a/b")), .init(name: "r", value: .uriReference("../b")),
                .init(name: "when", value: .timestamp(EventTime("2020-01-01T00:00:00Z")!)),
            ], data: data)
        event.time = EventTime("2026-05-20T14:03:07.412+02:00")
        event.datacontenttype = type
        event.dataschema = "http://schema/1"
        let record = EventRecord(event)
        for mode in KafkaBinding.ContentMode.allCases {
            let back = try KafkaBinding.decode(KafkaBinding.encode(record, mode: mode))
            if mode == .binary {
                #expect(back == record)
            } else {
                #expect(back.event.data == data || type != nil || data == .bytes([]))
            }
        }
    }

    @Test func `types that another writer did not say are text, and lies about them too`() throws {
        let event = try Self.decode(
            Self.required
                + Self.headers(("ce_n", "x"), ("ce_m", "5"), ("weir_types", "n=integer data=json q m=nonsense")), "{")
        #expect(event["n"] == .string("x") && event["m"] == .string("5") && event.data == .bytes([0x7B]))
    }

    @Test func `data that is not the JSON it is said to be is kept as bytes`() throws {
        let headers = Self.required + Self.headers(("content-type", "application/json"))
        #expect(try Self.decode(headers, "{").data == .bytes([0x7B]))
        #expect(try Self.decode(headers, "{}").data == .json(Samples.bytes("{}")))
        #expect(try Self.decode(headers).data == nil)
    }

    // MARK: Structured mode

    @Test func `structured mode is known by its content type, in any case`() throws {
        for type in ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"] {
            let event = try Self.decode(
                Self.headers(("Content-Type", type), ("ce_id", "not this one")),
                String(decoding: Samples.json(#""n":5,"data":[1]"#), as: UTF8.self))
            #expect(event.id == "1" && event["n"] == .integer(5) && event.data == .json(Samples.bytes("[1]")))
        }
        let record = EventRecord(Samples.event())
        let message = KafkaBinding.encode(record, mode: .structured)
        #expect(Self.text(message) == ["content-type: application/cloudevents+json; charset=UTF-8"])
        #expect(try KafkaBinding.decode(message) == record)
    }

    // MARK: What is refused

    @Test func `what is no event says so`() {
        func code(_ headers: [Header], _ value: String? = "{}") -> CloudEventError.Code? {
            Samples.error { () throws(CloudEventError) in _ = try Self.decode(headers, value) }?.code
        }
        #expect(code([]) == .notAnEvent)
        #expect(code(Self.headers(("content-type", "application/json"))) == .notAnEvent)
        #expect(code(Self.headers(("content-type", "application/cloudevents+avro"))) == .unsupportedFormat)
        #expect(code(Self.headers(("content-type", "application/cloudevents-batch+json"))) == .unsupportedFormat)
        #expect(code(Self.headers(("content-type", "application/cloudevents+json")), nil) == .notAnEvent)
        #expect(code(Array(Self.required.dropLast())) == .missingAttribute)
        #expect(code(Self.required + Self.headers(("ce_id", "2"))) == .duplicateAttribute)
        #expect(code(Self.required + Self.headers(("ce_a", "2"), ("ce_a", "3"))) == .duplicateAttribute)
        #expect(code(Self.required + Self.headers(("ce_Big", "2"))) == .invalidName)
        #expect(code(Self.required + Self.headers(("ce_time", "yesterday"))) == .invalidValue)
        #expect(code(Self.required + [(name: "ce_a", value: [0xFF])]) == .invalidValue)
        #expect(code(Self.required + [(name: "ce_a", value: nil)]) == nil)
        #expect(
            code(Self.headers(("ce_specversion", "0.3"), ("ce_id", "1"), ("ce_source", "/s"), ("ce_type", "t")))
                == .unsupportedVersion)
    }
}
