import CloudEvents
import TestSupport
import Testing

@Suite struct JSONTests {
    static func fault(_ bytes: [UInt8]) -> String? {
        let value = Samples.error { () throws(JSONError) in _ = try JSONValue(parsing: bytes) }?.reason
        let skipped = bytes.withUnsafeBytes { JSONScanner.fault(in: $0) }?.reason
        // Passing over checks what reading checks, but for members named twice and numbers too large.
        if value != nil, skipped == nil { return value }
        return value == skipped ? value : "read: \(value ?? "fine"), passed over: \(skipped ?? "fine")"
    }

    @Test(arguments: [
        ("\"\\ud83d\\ude00\"", "😀"), ("\"\\u00e9\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "é/\u{8}\u{c}\n\r\t\\\""),
        ("\"\u{10FFFF}\u{800}\u{7FF}\"", "\u{10FFFF}\u{800}\u{7FF}"),
        ("\"12345678901234567890\\u0041234567890\"", "12345678901234567890A234567890"),
    ])
    func readsStrings(_ text: String, _ expected: String) throws {
        #expect(try JSONValue(parsing: text) == .string(expected))
    }

    @Test(arguments: [
        (#""\ud800""#, "half of a surrogate pair stands alone"),
        (#""\udc00""#, "half of a surrogate pair stands alone"),
        (#""\ud800\u0041""#, "half of a surrogate pair stands alone"),
        (#""\ud800x""#, "half of a surrogate pair stands alone"),
        (#""\u12g4""#, "four hexadecimal digits were expected"),
        (#""\u12"#, "four hexadecimal digits were expected"),
        (#""\x""#, "this escape is unknown"),
        (#""abc"#, "the string is not closed"),
        (#""abcdefgh\"#, "the string is not closed"),
        ("\"12345678\u{1}\"", "a control character must be escaped in a string"),
        ("01", "a number must not begin with 0"), ("-", "a value was expected"),
        ("1.", "a digit was expected after the point"),
        ("1e", "a digit was expected in the exponent"), ("1e999", "the number is too large"),
        ("+1", "a value was expected"),
        ("tru", "a value was expected"), ("[1,]", "a value was expected"), ("{\"a\":1,}", "a member name was expected"),
        ("[1 2]", "a comma or ] was expected"), ("", "a value was expected, but the text ends"),
        ("{\"a\":1,\"a\":2}", "the member \"a\" stands here twice"),
        ("1 1", "nothing more was expected after the value"),
    ])
    func refuses(_ text: String, _ reason: String) {
        #expect(Self.fault(Samples.bytes(text)) == reason)
    }

    @Test(
        arguments: [
            [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xFF],
            [0x80], [0xC3], [0xC3, 0x28], [0xE2, 0x82], [0xE2, 0x82, 0x28], [0xF0, 0x9F, 0x98],
            [0xF0, 0x9F, 0x98, 0x28],
        ] as [[UInt8]])
    func refusesWhatIsNotUTF8(_ sequence: [UInt8]) {
        for padding in [0, 1, 7, 8, 9] {
            let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + sequence + [0x22]
            #expect(Self.fault(text) == "this is not UTF-8")
            #expect(!sequence.withUnsafeBytes { AttributeText.isUTF8($0) })
            #expect((text.dropFirst().dropLast().map { $0 }).withUnsafeBytes { AttributeText.check($0) } == .notUTF8)
        }
    }

    @Test func tellsNamesApartThatLookAlike() throws {
        #expect(try JSONValue(parsing: "{\"\u{e9}\":1,\"e\u{301}\":2}").object?.count == 2)
        let many = (0..<40).map { "\"k\($0)\":1" }.joined(separator: ",")
        #expect(Self.fault(Samples.bytes("{\(many),\"k33\":1}")) == "the member \"k33\" stands here twice")
        #expect(Self.fault(Samples.bytes("{\(many)}")) == nil)
    }

    @Test func findsForbiddenCharactersAtEveryPlace() {
        for (scalar, isForbidden) in [
            (0x1F, true), (0x20, false), (0x7E, false), (0x7F, true), (0x80, true), (0x9F, true), (0xA0, false),
            (0xFDCF, false), (0xFDD0, true), (0xFDEF, true), (0xFDF0, false), (0xFFFD, false), (0xFFFE, true),
            (0x1FFFF, true), (0x10FFFD, false), (0x10FFFE, true),
        ] as [(UInt32, Bool)] {
            for before in 0..<18 {
                var text = String(repeating: "a", count: before)
                if let one = Unicode.Scalar(scalar) { text.unicodeScalars.append(one) }
                text += String(repeating: "b", count: 17 - before)
                let verdict = Array(text.utf8).withUnsafeBytes { AttributeText.check($0) }
                #expect(verdict == (isForbidden ? .forbidden(scalar) : .allowed))
            }
        }
    }

    @Test func namesLineAndColumn() {
        let error = Samples.error { () throws(JSONError) in _ = try JSONValue(parsing: "{\n  \"a\": x}") }
        #expect(error?.description == "not valid JSON at line 2, column 8: a value was expected")
    }

    @Test func writesWhatItReads() throws {
        let text = #"{"a":[1,-2.5,1e+300,true,null,"\u0001\n\"é"],"b":{},"c":9223372036854775807}"#
        #expect(try JSONValue(parsing: text).text == text)
    }
}
