import CloudEvents
import TestSupport
import Testing

@Suite("JSON Pointer (RFC 6901)")
struct JSONPointerTests {
    /// The document of RFC 6901 §5.
    private static let document = """
        {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\\\j": 5, "k\\"l": 6, " ": 7, "m~n": 8}
        """

    @Test(
        "the examples of the standard",
        arguments: [
            ("/foo/0", "\"bar\""), ("/", "0"), ("/a~1b", "1"), ("/c%d", "2"), ("/e^f", "3"), ("/g|h", "4"),
            ("/i\\j", "5"), ("/k\"l", "6"), ("/ ", "7"), ("/m~0n", "8"),
        ])
    func examples(_ pointer: String, _ value: String) throws {
        let document = try JSONValue(parsing: Self.document)
        #expect(try JSONPointer(pointer).value(in: document)?.text == value)
        #expect(try JSONPointer("").value(in: document) == document)
    }

    @Test(
        "what points at nothing",
        arguments: [
            "/x", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/bar", "/foo/0/x", "/foo/+1", "/foo/99999999999",
        ])
    func nothing(_ pointer: String) throws {
        #expect(try JSONPointer(pointer).value(in: JSONValue(parsing: Self.document)) == nil)
    }

    @Test("what is no pointer", arguments: ["a", "foo/0", "/~", "/a~", "/a~2", "#/a"])
    func malformed(_ text: String) {
        #expect(throws: JSONPointerError.self) { try JSONPointer(text) }
    }

    @Test("names of any kind come back from the text that is made of them")
    func roundTrip() throws {
        var random = SeededGenerator()
        print("pointers with seed \(random.seed)")
        let letters = Array("~/01a\"\\ é{}[]-~/")
        for _ in 0..<2_000 {
            let tokens = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                String(
                    (0..<Int.random(in: 0...6, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a"
                    })
            }
            let pointer = JSONPointer(tokens: tokens)
            #expect(try JSONPointer(pointer.text).tokens == tokens)
            var value: JSONValue = "there"
            for token in tokens.reversed() { value = .object([token: value]) }
            #expect(pointer.value(in: value) == "there")
        }
    }
}
