import CloudEvents
import TestSupport
import Testing

@Suite struct JSONEventFormatTests {
    @Test func readsEveryAttribute() throws {
        let text = #"""
             {"specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext", "subject": null,
             "id" : "C234-1234-1234", "time" : "2018-04-05T17:31:00Z", "comexampleextension1" : "va\"lu\u00e9",
             "comexampleothervalue" : -5, "flag": true, "datacontenttype" : "application/json",
             "dataschema": "https://example.org/s", "data" : { "appinfoA" : "abc", "appinfoB" : [1, 2] } }
            """#
        let event = try JSONEventFormat.decodeEvent(Samples.bytes(text))
        #expect(event.type == "com.example.someevent")
        #expect(event.source == "/mycontext")
        #expect(event.subject == nil)
        #expect(event.id == "C234-1234-1234")
        #expect(event.time == EventTime("2018-04-05T17:31:00Z"))
        #expect(event.datacontenttype == "application/json")
        #expect(event.dataschema == "https://example.org/s")
        #expect(event["comexampleextension1"] == .string("va\"lué"))
        #expect(event["comexampleothervalue"] == .integer(-5))
        #expect(event["flag"] == .boolean(true))
        #expect(event.data == .json(Samples.bytes(#"{ "appinfoA" : "abc", "appinfoB" : [1, 2] }"#)))
    }

    @Test func storesTheAttributesThatRoutingAsksForFirst() throws {
        let record = try JSONEventFormat.decode(
            Samples.bytes(
                #"{"x":"1","time":"2018-04-05T17:31:00Z","id":"i","subject":"s","source":"/","type":"t","#
                    + #""specversion":"1.0"}"#))
        var names: [String] = []
        record.withView { $0.forEachAttribute { name, _, _ in names.append(String(decoding: name, as: UTF8.self)) } }
        #expect(names == ["type", "source", "subject", "id", "time", "x"])
        #expect(record.withView { $0.find(Array("time".utf8).withUnsafeBytes { $0 })?.kind } == .timestamp)
    }

    @Test func readsANameWrittenWithEscapes() throws {
        let event = try JSONEventFormat.decodeEvent(
            Samples.bytes(#"{"specversion":"1.0","\u0069d":"1","source":"/s","type":"t","d\u0061ta":[1]}"#))
        #expect(event.id == "1")
        #expect(event.data == .json(Samples.bytes("[1]")))

        let escaped = #"{"specversion":"1.0","\u0069d":"1","source":"/s","type":"t" }"#
        let plain = String(decoding: Samples.json(), as: UTF8.self)
        let batch = try JSONEventFormat.decodeBatch(Samples.bytes("[\(escaped) , \(plain),\(escaped)]"))
        #expect(batch.map(\.event.id) == ["1", "1", "1"])
        for text in [#"{"\u0041":1}"#, #"{"id":"1","\u0069d":"2"}"#, #"{"\u0069d":"1",}"#, #"{"\u0069d":"1""#] {
            #expect(throws: CloudEventError.self) { try JSONEventFormat.decode(Samples.bytes(text)) }
        }
    }

    @Test(arguments: [
        (#""data":{"a":1}"#, CloudEvent.Payload.json(Samples.bytes(#"{"a":1}"#)) as CloudEvent.Payload?),
        (#""data":"text""#, .json(Samples.bytes(#""text""#))),
        (#""data":null"#, .json(Samples.bytes("null"))),
        (#""data":"x","datacontenttype":"application/vnd.a+json; charset=utf-8""#, .json(Samples.bytes(#""x""#))),
        (#""data":"<a b=\"c\"/>","datacontenttype":"application/xml""#, .bytes(Samples.bytes(#"<a b="c"/>"#))),
        (#""data":"","datacontenttype":"text/plain""#, .bytes([])),
        (#""data":null,"datacontenttype":"text/plain""#, nil),
        (#""data_base64":"AAH/""#, .bytes([0, 1, 255])),
        (#""data_base64":"AAH\/""#, .bytes([0, 1, 255])),
        (#""data_base64":"","datacontenttype":"application/json""#, .bytes([])),
        (#""data_base64":null"#, nil),
        (#""subject":"s""#, nil),
    ])
    func readsTheDataAsItsTypeSays(_ members: String, _ data: CloudEvent.Payload?) throws {
        #expect(try JSONEventFormat.decodeEvent(Samples.json(members)).data == data)
    }

    @Test(arguments: [
        (nil as String?, CloudEvent.Payload.json(Samples.bytes("[1, 2]")), #","data":[1, 2]}"#),
        (nil, .bytes(Samples.bytes("[1, 2]")), #","data_base64":"WzEsIDJd"}"#),
        ("text/json", .json(Samples.bytes("1")), #","datacontenttype":"text/json","data":1}"#),
        ("application/json", .bytes([0x31]), #","datacontenttype":"application/json","data_base64":"MQ=="}"#),
        ("text/csv", .bytes(Samples.bytes("a,\"b\"\n")), #","datacontenttype":"text/csv","data":"a,\"b\"\n"}"#),
        ("text/csv", .bytes([0xFF]), #","datacontenttype":"text/csv","data_base64":"/w=="}"#),
        ("text/csv", .json(Samples.bytes("{}")), #","datacontenttype":"text/csv","data":"{}"}"#),
        ("image/png", .bytes([0x41]), #","datacontenttype":"image/png","data_base64":"QQ=="}"#),
        ("image/svg+xml", .bytes([0x41]), #","datacontenttype":"image/svg+xml","data":"A"}"#),
    ])
    func writesTheDataAsItsTypeSays(_ type: String?, _ data: CloudEvent.Payload, _ end: String) throws {
        var event = Samples.event(id: "1", source: "/s", type: "t", data: data)
        event.datacontenttype = type
        let text = Samples.encoded(EventRecord(event))
        #expect(text == #"{"specversion":"1.0","type":"t","source":"/s","id":"1""# + end)
        let json = try JSONValue(parsing: text)
        #expect(json["id"] == "1")
    }

    @Test func writesEveryTypeOfAttribute() throws {
        var event = Samples.event(id: "1", source: "/s", type: "t")
        event.extensions = [
            .init(name: "a", value: .boolean(false)), .init(name: "b", value: .integer(-7)),
            .init(name: "c", value: .binary([255])), .init(name: "d", value: .string("x\"y")),
            .init(name: "e", value: .uri("a:b")),
        ]
        var out = Samples.bytes("kept ")
        try JSONEventFormat.encode(event, into: &out)
        #expect(
            String(decoding: out, as: UTF8.self) == #"kept {"specversion":"1.0","type":"t","source":"/s","id":"1","a""#
                + #":false,"b":-7,"c":"/w==","d":"x\"y","e":"a:b"}"#)
    }

    @Test func readsAndWritesBatches() throws {
        let one = String(decoding: Samples.json(#""data":1"#), as: UTF8.self)
        let records = try JSONEventFormat.decodeBatch(Samples.bytes(" [ \(one) ,\(one)]\n"))
        #expect(records.count == 2)
        #expect(try JSONEventFormat.decodeBatch(Samples.bytes("[]")).isEmpty)
        var out: [UInt8] = []
        JSONEventFormat.encodeBatch(records, into: &out)
        #expect(try JSONEventFormat.decodeBatch(out) == records)
        out = []
        JSONEventFormat.encodeBatch([], into: &out)
        #expect(out == Samples.bytes("[]"))
    }

    static let refusals: [(String, CloudEventError.Code, String?, String)] = [
        ("", .invalidJSON, nil, "an event was expected, but the text ends"),
        ("[]", .notAnEvent, nil, "an event must be a JSON object"),
        ("7 7", .notAnEvent, nil, "an event must be a JSON object"),
        ("{", .invalidJSON, nil, "not valid JSON at line 1, column 2: a member name was expected"),
        ("{}", .missingAttribute, "type", "the required attribute \"type\" is missing"),
        (
            #"{"specversion":"1.0","id":"1","type":"t"}"#, .missingAttribute, "source",
            "the required attribute \"source\" is missing"
        ),
        (
            #"{"specversion":"1.0","id":null,"type":"t","source":"/"}"#, .missingAttribute, "id",
            "the required attribute \"id\" is missing"
        ),
        (
            #"{"id":"1","type":"t","source":"/"}"#, .missingAttribute, "specversion",
            "the required attribute \"specversion\" is missing"
        ),
        (
            #"{"specversion":"0.3"}"#, .unsupportedVersion, "specversion",
            "the attribute \"specversion\" must be \"1.0\", not \"0.3\""
        ),
        (#"{"id":""}"#, .emptyAttribute, "id", "the attribute \"id\" must not be empty"),
        (#"{"subject":""}"#, .emptyAttribute, "subject", "the attribute \"subject\" must not be empty"),
        (#"{"id":5}"#, .wrongType, "id", "the attribute \"id\" must be a string, not a number"),
        (#"{"type":true}"#, .wrongType, "type", "the attribute \"type\" must be a string, not a boolean"),
        (
            #"{"x":{}}"#, .wrongType, "x",
            "the attribute \"x\" must be a string, a boolean or an integer, not an object"
        ),
        (
            #"{"x":[1]}"#, .wrongType, "x",
            "the attribute \"x\" must be a string, a boolean or an integer, not an array"
        ),
        (
            #"{"x":1.5}"#, .wrongType, "x",
            "the attribute \"x\" must be a string, a boolean or an integer, not a number with a fraction or an exponent"
        ),
        (
            #"{"x":2147483648}"#, .invalidValue, "x",
            "the attribute \"x\" must be an integer from -2147483648 to 2147483647, not \"2147483648\""
        ),
        (
            #"{"Xy":"1"}"#, .invalidName, "Xy",
            "the attribute name \"Xy\" may hold only the letters a to z in lower case and digits"
        ),
        (
            #"{"a\n":"1"}"#, .invalidName, "a\n",
            "the attribute name \"a\n\" may hold only the letters a to z in lower case and digits"
        ),
        (#"{"":"1"}"#, .invalidName, "", "an attribute name must not be empty"),
        (#"{"x":"1","x":"2"}"#, .duplicateAttribute, "x", "the attribute \"x\" stands twice"),
        (#"{"id":"1","id":"2"}"#, .duplicateAttribute, "id", "the attribute \"id\" stands twice"),
        (
            #"{"x":"a\u0007b"}"#, .invalidValue, "x",
            "the attribute \"x\" holds the character U+0007, which attributes must not hold"
        ),
        (
            "{\"x\":\"a\u{9f}\"}", .invalidValue, "x",
            "the attribute \"x\" holds the character U+009F, which attributes must not hold"
        ),
        (
            #"{"subject":"\ufdd0"}"#, .invalidValue, "subject",
            "the attribute \"subject\" holds the character U+FDD0, which attributes must not hold"
        ),
        (
            #"{"x":"\udbff\udfff"}"#, .invalidValue, "x",
            "the attribute \"x\" holds the character U+10FFFF, which attributes must not hold"
        ),
        (
            #"{"x":"\udead"}"#, .invalidJSON, nil,
            "not valid JSON at line 1, column 7: half of a surrogate pair stands alone"
        ),
        (
            #"{"time":"yesterday"}"#, .invalidValue, "time",
            "the attribute \"time\" must be an RFC 3339 time of the years 1678 to 2261 such as 2026-07-23T12:00:00Z, "
                + "not \"yesterday\""
        ),
        (
            #"{"source":"a b"}"#, .invalidValue, "source",
            "the attribute \"source\" must be a URI reference, not \"a b\": it holds a space, which a URI writes as %20"
        ),
        (
            #"{"dataschema":"/x"}"#, .invalidValue, "dataschema",
            "the attribute \"dataschema\" must be a URI, not \"/x\": it has no scheme such as https:"
        ),
        (
            #"{"datacontenttype":"json"}"#, .invalidValue, "datacontenttype",
            "the attribute \"datacontenttype\" must be a media type such as application/json, not \"json\""
        ),
        (
            #"{"data":1,"data_base64":"AA=="}"#, .invalidData, "data_base64",
            "an event has either \"data\" or \"data_base64\", and it once"
        ),
        (
            #"{"data":1,"data":1}"#, .invalidData, "data",
            "an event has either \"data\" or \"data_base64\", and it once"
        ),
        (
            #"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"A"}"#, .invalidData, "data_base64",
            "the member \"data_base64\" is not Base64 of RFC 4648 with padding"
        ),
        (
            #"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":5}"#, .invalidData, "data_base64",
            "the member \"data_base64\" must be a string of Base64"
        ),
        (
            #"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","data":{}}"#,
            .invalidData, "data",
            "the member \"data\" must be a string, because the attribute \"datacontenttype\" names no JSON type"
        ),
        (
            "{\"id\":\"1\",\n\"x\" 5}", .invalidJSON, nil, "not valid JSON at line 2, column 5: a colon was expected"
        ),
        (
            #"{"specversion":"1.0","id":"1","source":"/s","type":"t"} x"#, .invalidJSON, nil,
            "not valid JSON at line 1, column 57: nothing more was expected after the value"
        ),
    ]

    @Test(arguments: refusals.indices)
    func refusesWithTheReason(_ index: Int) {
        let (text, code, attribute, message) = Self.refusals[index]
        let error = Samples.error { () throws(CloudEventError) in _ = try JSONEventFormat.decode(Samples.bytes(text)) }
        #expect(error?.code == code, "\(text)")
        #expect(error?.attribute == attribute, "\(text)")
        #expect(error?.message == message, "\(text)")
    }

    @Test func namesTheEventOfABatch() {
        let good = String(decoding: Samples.json(), as: UTF8.self)
        func error(_ text: String) -> CloudEventError? {
            Samples.error { () throws(CloudEventError) in _ = try JSONEventFormat.decodeBatch(Samples.bytes(text)) }
        }
        let second = error("[\(good),{\"id\":\"\"}]")
        #expect(second?.index == 1)
        #expect(second?.message == "[1]: the attribute \"id\" must not be empty")
        #expect(error("{}")?.message == "a batch must be a JSON array of events")
        #expect(error("[\(good)")?.message.hasSuffix("a comma or ] was expected, but the text ends") == true)
        #expect(error("[\(good)] 1")?.message.hasSuffix("nothing more was expected after the value") == true)
        #expect(error("")?.code == .invalidJSON)
        #expect(error("[1]")?.message == "[0]: an event must be a JSON object")
    }

    @Test func refusesMoreAttributesThanTheBound() throws {
        func text(_ count: Int) -> [UInt8] { Samples.json((0..<count).map { "\"x\($0)\":1" }.joined(separator: ",")) }
        #expect(try JSONEventFormat.decode(text(992)).withView { $0.attributeCount } == 995)
        let error = Samples.error { () throws(CloudEventError) in _ = try JSONEventFormat.decode(text(993)) }
        #expect(error?.message == "an event may have at most 1000 attributes")
    }

    @Test func refusesANameThatARecordCannotHold() throws {
        let name = String(repeating: "a", count: 256)
        let error = Samples.error { () throws(CloudEventError) in
            _ = try JSONEventFormat.decode(Samples.json("\"\(name)\":1"))
        }
        #expect(error?.code == .invalidName)
        #expect(error?.message == "the attribute name \"aaaaaaaaaaaaaaaaaaaa…\" is longer than 255 letters")
        #expect(
            try JSONEventFormat.decode(Samples.json("\"\(name.dropLast())\":1")).withView { $0.attributeCount } == 4)
    }

    @Test func limitsTheNestingOfData() {
        let deep = String(repeating: "[", count: 127) + String(repeating: "]", count: 127)
        #expect(throws: Never.self) { try JSONEventFormat.decode(Samples.json("\"data\":\(deep)")) }
        #expect(throws: CloudEventError.self) { try JSONEventFormat.decode(Samples.json("\"data\":[\(deep)]")) }
        // The same bound for every way in, so that what is taken can be written as JSON and read again.
        #expect(throws: Never.self) { try Samples.event(data: .json(Samples.bytes(deep))).validate() }
        #expect(throws: CloudEventError.self) { try Samples.event(data: .json(Samples.bytes("[\(deep)]"))).validate() }
    }
}
