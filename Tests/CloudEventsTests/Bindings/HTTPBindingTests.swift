import CloudEvents
import TestSupport
import Testing

@Suite struct HTTPBindingTests {
    typealias Header = (name: String, value: String)

    static let required: [Header] = [
        ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t"),
    ]

    static func decode(_ headers: [Header], _ body: String = "") throws(CloudEventError) -> CloudEvent {
        let records = try HTTPBinding.decode(headers: headers, body: Samples.bytes(body))
        return records.count == 1 ? records[0].event : Samples.event(id: "not one event but \(records.count)")
    }

    // MARK: Binary mode

    @Test func readsBinaryModeWhateverTheCaseOfHeaders() throws {
        let event = try Self.decode(
            [
                ("Host", "example.com"), ("CE-SpecVersion", "1.0"), ("Ce-Type", "com.example.someevent"),
                ("ce-time", "2018-04-05T03:56:24Z"), ("ce-id", "1234"), ("ce-source", "/mycontext/subcontext"),
                ("ce-myext", "5"), ("Content-Type", "application/json; charset=utf-8"),
            ], #"{"a": 1}"#)
        #expect(event.type == "com.example.someevent")
        #expect(event.time == EventTime("2018-04-05T03:56:24Z"))
        #expect(event.id == "1234")
        #expect(event.source == "/mycontext/subcontext")
        #expect(event["myext"] == .string("5"))
        #expect(event.datacontenttype == "application/json; charset=utf-8")
        #expect(event.data == .json(Samples.bytes(#"{"a": 1}"#)))
        #expect(event.extensions.count == 1)
    }

    @Test func keepsDataOfOtherTypesAsBytes() throws {
        #expect(try Self.decode(Self.required + [("content-type", "text/plain")], "{").data == .bytes([0x7B]))
        #expect(try Self.decode(Self.required, "{").data == .bytes([0x7B]))
        #expect(try Self.decode(Self.required + [("content-type", "application/json")]).data == nil)
    }

    @Test(arguments: [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%e2%82%ac", "€"), ("%41%62", "Ab"), ("  plain\t", "plain"),
        (#""quoted \"text\" \\ %25""#, #"quoted "text" \ %"#), (#"in "the" middle"#, #"in "the" middle"#),
        ("a%2Fb", "a/b"),
    ])
    func decodesHeaderValues(_ value: String, _ text: String) throws {
        #expect(try Self.decode(Self.required + [("ce-subject", value)]).subject == text)
    }

    @Test func encodesWhatHeadersCannotHold() {
        let event = Samples.event(
            id: "1", source: "/s", type: "t", subject: "Euro € 😀 100% \"x\"",
            extensions: [.init(name: "n", value: .integer(-3)), .init(name: "b", value: .binary([255]))])
        let message = HTTPBinding.encode(EventRecord(event))
        #expect(
            message.headers.map { "\($0.name): \($0.value)" } == [
                "ce-specversion: 1.0", "ce-type: t", "ce-source: /s",
                "ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80%20100%25%20%22x%22", "ce-id: 1", "ce-n: -3", "ce-b: /w==",
            ])
        #expect(message.body.isEmpty)
    }

    @Test func saysTheTypeOfJSONDataInBinaryMode() {
        var event = Samples.event(data: .json([0x31]))
        #expect(HTTPBinding.encode(EventRecord(event)).headers.contains { $0 == ("content-type", "application/json") })
        event.datacontenttype = "application/x+json; charset=\"utf-8\""
        let headers = HTTPBinding.encode(EventRecord(event)).headers
        #expect(headers.filter { $0.name == "content-type" }.map(\.value) == ["application/x+json; charset=\"utf-8\""])
        event.data = .bytes([1])
        event.datacontenttype = nil
        #expect(!HTTPBinding.encode(EventRecord(event)).headers.contains { $0.name == "content-type" })
    }

    @Test func neverLetsALineEndIntoAHeader() {
        // Such an event is not valid; that it was not checked must not open the message to more headers.
        var event = Samples.event(id: "1\r\nx: y", extensions: [.init(name: "a\r\nb", value: .string("\n"))])
        event.datacontenttype = "text/plain\r\nx: y"
        for header in HTTPBinding.encode(EventRecord(event)).headers {
            #expect(!(header.name + header.value).utf8.contains { $0 < 0x20 })
        }
    }

    // MARK: Structured and batched mode

    @Test(arguments: [
        "application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8",
        " application/cloudevents+json;charset=\"utf-8\"", "application/cloudevents+json; charset=us-ascii; x=y",
    ])
    func readsStructuredMode(_ type: String) throws {
        let headers: [Header] = [("CONTENT-TYPE", type), ("ce-id", "not this")]
        let event = try Self.decode(headers, String(decoding: Samples.json(#""data":[1]"#), as: UTF8.self))
        #expect(event.id == "1")
        #expect(event.data == .json(Samples.bytes("[1]")))
    }

    @Test func readsBatchedMode() throws {
        let one = String(decoding: Samples.json(), as: UTF8.self)
        let headers: [Header] = [("content-type", "application/cloudevents-batch+json; charset=utf-8")]
        #expect(try HTTPBinding.decode(headers: headers, body: Samples.bytes("[\(one),\(one)]")).count == 2)
        #expect(try HTTPBinding.decode(headers: headers, body: Samples.bytes("[]")).isEmpty)
        let error = Samples.error { () throws(CloudEventError) in
            _ = try HTTPBinding.decode(headers: headers, body: Samples.bytes("[\(one),{}]"))
        }
        #expect(error?.message == "[1]: the required attribute \"type\" is missing")
    }

    @Test(arguments: HTTPBinding.ContentMode.allCases)
    func readsWhatItWrites(_ mode: HTTPBinding.ContentMode) throws {
        var event = Samples.event(
            subject: "/a b/ü%", extensions: [.init(name: "ext", value: .string("x y"))], data: .json([0x31]))
        event.time = EventTime("2018-04-05T17:31:00.5+02:00")
        event.datacontenttype = "application/json"
        event.dataschema = "https://example.org/s"
        let message = HTTPBinding.encode(EventRecord(event), mode: mode)
        #expect(try HTTPBinding.decode(headers: message.headers, body: message.body) == [EventRecord(event)])
        #expect(
            try HTTPBinding.contentMode(ofContentType: message.headers.last { $0.name == "content-type" }?.value)
                == mode)
    }

    // MARK: Refusals

    static let refusals: [([Header], String, CloudEventError.Code, String?, String)] = [
        (
            [("content-type", "text/plain")], "x", .notAnEvent, nil,
            "the message is no CloudEvent: it has no ce- headers, and its content-type is neither "
                + "application/cloudevents+json nor application/cloudevents-batch+json"
        ),
        (
            Array(required.dropFirst()), "", .missingAttribute, "specversion",
            "the required attribute \"specversion\" is missing: send it in the header ce-specversion"
        ),
        (
            Array(required.dropLast()), "", .missingAttribute, "type",
            "the required attribute \"type\" is missing: send it in the header ce-type"
        ),
        (
            [("ce-specversion", "0.3")], "", .unsupportedVersion, "specversion",
            "the attribute \"specversion\" must be \"1.0\", not \"0.3\""
        ),
        (required + [("CE-ID", "2")], "", .duplicateAttribute, "id", "the header ce-id stands twice"),
        (required + [("ce-x", "2"), ("ce-x", "2")], "", .duplicateAttribute, "x", "the header ce-x stands twice"),
        (
            required + [("content-type", "a/b"), ("Content-Type", "a/b")], "", .duplicateAttribute, "datacontenttype",
            "the header content-type stands twice"
        ),
        (
            required + [("ce-datacontenttype", "a/b")], "", .invalidName, "datacontenttype",
            "the header ce-datacontenttype must not be sent: the media type of the data is the header content-type"
        ),
        (required + [("ce-data", "x")], "", .invalidName, "data", "an attribute must not be named \"data\""),
        (
            required + [("ce-my-ext", "x")], "", .invalidName, "my-ext",
            "the attribute name \"my-ext\" may hold only the letters a to z in lower case and digits"
        ),
        (required + [("ce-", "x")], "", .invalidName, "", "an attribute name must not be empty"),
        (
            required + [("ce-subject", "")], "", .emptyAttribute, "subject",
            "the attribute \"subject\" must not be empty"
        ),
        (
            required + [("ce-x", "100%")], "", .invalidValue, "x",
            "the header ce-x holds a % that two hexadecimal digits do not follow; a percent sign is %25"
        ),
        (
            required + [("ce-x", "\"open")], "", .invalidValue, "x",
            "the header ce-x begins with a quote that is not closed at its end"
        ),
        (required + [("ce-x", "%C0%A0")], "", .invalidValue, "x", "the attribute \"x\" is not UTF-8"),
        (
            required + [("ce-x", "a%0Ab")], "", .invalidValue, "x",
            "the attribute \"x\" holds the character U+000A, which attributes must not hold"
        ),
        (
            required + [("ce-time", "noon")], "", .invalidValue, "time",
            "the attribute \"time\" must be an RFC 3339 time of the years 1678 to 2261 such as 2026-07-23T12:00:00Z, "
                + "not \"noon\""
        ),
        (
            required + [("content-type", "json")], "", .invalidValue, "datacontenttype",
            "the attribute \"datacontenttype\" must be a media type such as application/json, not \"json\""
        ),
        (
            required + [("content-type", "application/json")], "{", .invalidData, "data",
            "the data is not valid JSON at line 1, column 2: a member name was expected"
        ),
        (
            [("content-type", "application/cloudevents+xml")], "", .unsupportedFormat, nil,
            "the event format application/cloudevents+xml is not supported; send application/cloudevents+json, "
                + "application/cloudevents-batch+json, or the attributes as ce- headers"
        ),
        (
            [("content-type", "application/cloudevents+json; charset=latin1")], "", .unsupportedFormat, nil,
            "the character set latin1 is not supported; send events as UTF-8"
        ),
        (
            [("content-type", "application/cloudevents+json, x")], "", .unsupportedFormat, nil,
            "the content-type \"application/cloudevents+json, x\" is not a media type"
        ),
    ]

    @Test(arguments: refusals.indices)
    func refusesWithTheReason(_ index: Int) {
        let (headers, body, code, attribute, message) = Self.refusals[index]
        let error = Samples.error { () throws(CloudEventError) in _ = try Self.decode(headers, body) }
        #expect(error?.code == code, "\(headers)")
        #expect(error?.attribute == attribute, "\(headers)")
        #expect(error?.message == message, "\(headers)")
    }

    @Test func refusesMoreHeadersThanTheBound() {
        let many: [Header] = Self.required + (0..<1_000).map { ("ce-x\($0)", "1") }
        let error = Samples.error { () throws(CloudEventError) in _ = try Self.decode(many) }
        #expect(error?.code == .tooManyAttributes)
    }
}
