import CloudEvents
import Manifest
import Testing

@Suite struct DocumentReaderTests {
    private func message(_ value: JSONValue, _ read: (inout DocumentReader) throws(DocumentError) -> Void) -> String? {
        do throws(DocumentError) {
            var reader = try DocumentReader(value, path: "channels.a")
            try read(&reader)
            try reader.finish()
            return nil
        } catch {
            return error.description
        }
    }

    @Test func eachKindIsReadAsItIs() throws {
        var reader = try DocumentReader([
            "s": "x", "b": true, "i": 7, "d": "1h30m", "z": "64kB", "n": 12, "w": "key", "a": [1], "o": ["in": 1],
            "f": ["free": nil], "null": nil, "whole": 3.0,
        ])
        #expect(try reader.string("s") == "x")
        #expect(try reader.bool("b") == true)
        #expect(try reader.integer("i", in: 0...10) == 7)
        #expect(try reader.integer("whole", in: 0...10) == 3)
        #expect(try reader.duration("d") == 5_400_000)
        #expect(try reader.size("z") == 64_000)
        #expect(try reader.size("n") == 12)
        #expect(try reader.word("w", of: ["none", "key"]) == "key")
        #expect(try reader.array("a") == [1])
        var nested = try #require(try reader.object("o"))
        #expect(nested.path == "o" && nested.path(of: "in") == "o.in")
        #expect(try nested.integer("in", in: 0...1) == 1)
        try nested.finish()
        #expect(try reader.freeObject("f") == ["free": nil])
        #expect(try reader.string("null") == nil)
        #expect(try reader.string("absent") == nil)
        try reader.finish()
    }

    @Test func nullIsAnEmptyObject() {
        #expect(message(nil) { reader throws(DocumentError) in _ = try reader.string("x") } == nil)
    }

    @Test func whatIsWrongIsSaid() {
        #expect(message([1]) { _ in } == "channels.a: an object was expected, not an array")
        func check(
            _ value: JSONValue, _ expected: String, _ read: (inout DocumentReader) throws(DocumentError) -> Void
        ) {
            #expect(message(["k": value], read) == "channels.a.k: " + expected)
        }
        check(1, "a string was expected, not an integer") { r throws(DocumentError) in _ = try r.string("k") }
        check("", "this must not be empty") { r throws(DocumentError) in _ = try r.requiredString("k") }
        check(nil, "this is required") { r throws(DocumentError) in _ = try r.requiredString("k") }
        check("yes", "true or false was expected, not a string") { r throws(DocumentError) in _ = try r.bool("k") }
        check(1.5, "a whole number was expected, not a number") { r throws(DocumentError) in
            _ = try r.integer("k", in: 0...1)
        }
        check(7, "7 is out of range: 1 to 5 is allowed") { r throws(DocumentError) in
            _ = try r.integer("k", in: 1...5)
        }
        check(5, "a length of time such as 30s, 5m or 7d was expected, not an integer") { r throws(DocumentError) in
            _ = try r.duration("k")
        }
        check("soon", "\"soon\" is no length of time: write 300ms, 30s, 5m, 1h30m or 7d") { r throws(DocumentError) in
            _ = try r.duration("k")
        }
        check("big", "\"big\" is no size: write 512, 64kB, 256MB or 10GiB") { r throws(DocumentError) in
            _ = try r.size("k")
        }
        check(-1, "a size such as 64kB, 256MB or 10GiB was expected, not an integer") { r throws(DocumentError) in
            _ = try r.size("k")
        }
        check("kye", "\"kye\" is not one of none, key: did you mean \"key\"?") { r throws(DocumentError) in
            _ = try r.word("k", of: ["none", "key"])
        }
        check("order", "\"order\" is not one of none, key") { r throws(DocumentError) in
            _ = try r.word("k", of: ["none", "key"])
        }
        check("x", "a list was expected, not a string") { r throws(DocumentError) in _ = try r.array("k") }
        check("x", "an object was expected, not a string") { r throws(DocumentError) in _ = try r.object("k") }
        check("x", "an object was expected, not a string") { r throws(DocumentError) in _ = try r.freeObject("k") }
    }

    @Test func aKeyThatNobodyAskedForIsAnError() {
        #expect(
            message(["retenton": "1d"]) { r throws(DocumentError) in _ = try r.duration("retention") }
                == "channels.a.retenton: this key is unknown: did you mean \"retention\"?")
        #expect(
            message(["zzz": nil]) { r throws(DocumentError) in
                _ = try r.string("b")
                _ = try r.string("a")
            } == "channels.a.zzz: this key is unknown: known here are a, b")
    }
}
