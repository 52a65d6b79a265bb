import CloudEvents
import TestSupport
import Testing

@Suite struct ValidationTests {
    static func error(_ change: (inout CloudEvent) -> Void) -> CloudEventError? {
        var event = Samples.event()
        change(&event)
        return Samples.error { () throws(CloudEventError) in try event.validate() }
    }

    @Test func acceptsWhatTheSpecificationShows() {
        for source in [
            "https://github.com/cloudevents", "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "/cloudevents/spec/pull/123", "1-555-123-4567",
            "dcache://cell@domain", "http://[::1]/a?b=%20#c",
        ] {
            #expect(Self.error { $0.source = source } == nil, "\(source)")
        }
        #expect(Self.error { $0["a1"] = .string("") } == nil)
        #expect(Self.error { $0["b"] = .binary([0]) } == nil)
        #expect(Self.error { $0["u"] = .uri("a:b") } == nil)
        #expect(Self.error { $0.subject = "日本語 é \u{10FFFD}" } == nil)
        #expect(Self.error { $0.data = .json(Samples.bytes("[1]")) } == nil)
        #expect(Self.error { $0.data = .bytes([0xFF]) } == nil)
    }

    @Test func refusesEachFaultWithItsReason() {
        let cases: [(CloudEventError.Code, String?, String, (inout CloudEvent) -> Void)] = [
            (.emptyAttribute, "id", "the attribute \"id\" must not be empty", { $0.id = "" }),
            (.emptyAttribute, "source", "the attribute \"source\" must not be empty", { $0.source = "" }),
            (.emptyAttribute, "type", "the attribute \"type\" must not be empty", { $0.type = "" }),
            (.emptyAttribute, "subject", "the attribute \"subject\" must not be empty", { $0.subject = "" }),
            (
                .emptyAttribute, "datacontenttype", "the attribute \"datacontenttype\" must not be empty",
                { $0.datacontenttype = "" }
            ),
            (.emptyAttribute, "dataschema", "the attribute \"dataschema\" must not be empty", { $0.dataschema = "" }),
            (
                .invalidValue, "id", "the attribute \"id\" holds the character U+0000, which attributes must not hold",
                { $0.id = "\0" }
            ),
            (
                .invalidValue, "type",
                "the attribute \"type\" holds the character U+007F, which attributes must not hold",
                { $0.type = "a\u{7f}" }
            ),
            (
                .invalidValue, "source",
                "the attribute \"source\" must be a URI reference, not \"%4\": it holds a % that two hexadecimal digits "
                    + "do not follow", { $0.source = "%4" }
            ),
            (
                .invalidValue, "source",
                "the attribute \"source\" must be a URI reference, not \"/é\": it holds a character outside ASCII, which a "
                    + "URI writes percent-encoded", { $0.source = "/é" }
            ),
            (
                .invalidValue, "source",
                "the attribute \"source\" must be a URI reference, not \"<x>\": it holds <, which a URI writes "
                    + "percent-encoded", { $0.source = "<x>" }
            ),
            (
                .invalidName, "A", "the attribute name \"A\" may hold only the letters a to z in lower case and digits",
                { $0["A"] = .integer(1) }
            ),
            (.invalidName, "data", "an attribute must not be named \"data\"", { $0["data"] = .integer(1) }),
            (
                .invalidName, "id", "the attribute \"id\" cannot be set as an extension",
                { $0["id"] = .string("x") }
            ),
            (
                .duplicateAttribute, "a", "the attribute \"a\" stands twice",
                { $0.extensions = [.init(name: "a", value: .integer(1)), .init(name: "a", value: .integer(2))] }
            ),
            (
                .invalidValue, "a", "the attribute \"a\" must be a URI, not \"\": it has no scheme such as https:",
                { $0["a"] = .uri("") }
            ),
            (
                .tooManyAttributes, nil, "an event may have at most 1000 attributes",
                { event in
                    event.extensions = (0..<1_000).map { .init(name: "x\($0)", value: .integer(1)) }
                }
            ),
            (
                .invalidData, "data", "the data is not valid JSON at line 1, column 1: a value was expected",
                { $0.data = .json(Samples.bytes("x")) }
            ),
        ]
        for (code, attribute, message, change) in cases {
            let error = Self.error(change)
            #expect(error?.code == code, "\(message)")
            #expect(error?.attribute == attribute, "\(message)")
            #expect(error?.message == message)
        }
    }

    @Test func aRecordIsMadeOfAValidEventOnly() throws {
        #expect(try EventRecord(validating: Samples.event()) == EventRecord(Samples.event()))
        #expect(throws: CloudEventError.self) { try EventRecord(validating: Samples.event(id: "")) }
    }

    @Test(arguments: [
        ("application/json", "application/json", true), ("text/plain; charset=utf-8", "text/plain", false),
        ("Application/VND.a+JSON;x=\"a;b\"", "application/vnd.a+json", true), (" text/json ;", "text/json", true),
        ("application/jsonx", "application/jsonx", false),
    ])
    func readsMediaTypes(_ text: String, _ essence: String, _ isJSON: Bool) {
        let type = MediaType(text)
        #expect(type?.essence == essence)
        #expect(type?.isJSON == isJSON)
        #expect(Samples.bytes(text).withUnsafeBytes { MediaType.isJSON($0) } == isJSON)
    }

    @Test(arguments: ["", "json", "a/", "/b", "a/b/c", "a b/c", "a/b;x", "a/b;x=", "a/b;x=\"y", "a/b, c/d", "é/x"])
    func refusesWhatIsNoMediaType(_ text: String) {
        #expect(MediaType(text) == nil)
    }

    @Test func readsParametersOfMediaTypes() {
        #expect(MediaType("a/b; Charset=\"UTF\\-8\"; q=1")?.parameter("charset") == "UTF-8")
        #expect(MediaType("a/b; Charset=x")?.parameter("q") == nil)
    }
}
