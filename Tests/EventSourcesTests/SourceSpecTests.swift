import CloudEvents
import EventSources
import Manifest
import Testing

@Suite struct SourceSpecTests {
    private func spec(_ value: JSONValue) throws -> SourceSpec { try SourceSpec(value, path: "sources.x") }

    private func message(_ value: JSONValue) -> String {
        do throws(DocumentError) {
            _ = try SourceSpec(value, path: "sources.x")
            return "accepted"
        } catch {
            return error.description
        }
    }

    @Test func defaultsAreWrittenOutAndReadBackTheSame() throws {
        let billing = try spec([
            "kind": "dcache-billing", "directory": "/var/lib/dcache/billing/", "channel": "storage",
        ])
        #expect(
            billing.document
                == [
                    "kind": "dcache-billing", "directory": "/var/lib/dcache/billing", "timezone": "UTC",
                    "start": "earliest", "layout": "auto", "channel": "storage",
                ])
        let folder = try spec([
            "kind": "folder", "directory": "/data", "channel": "storage", "exclude": ["*.tmp"], "publish": ["IN_OPEN"],
            "deadLetter": "bad",
        ])
        #expect(
            folder.document
                == [
                    "kind": "folder", "directory": "/data", "recursive": true, "include": [], "exclude": ["*.tmp"],
                    "existing": "announce", "publish": ["IN_OPEN"], "channel": "storage", "deadLetter": "bad",
                ])
        for one in [
            billing, folder, try spec(["kind": "stdin", "format": "s3", "channel": "c"]),
            try spec(["kind": "http", "channel": "c"]),
        ] {
            #expect(try SourceSpec(one.document) == one)
        }
    }

    @Test func mistakesAreNamedWithTheNearestRightWord() {
        #expect(message(["kind": "foldre", "channel": "c"]).contains("did you mean \"folder\"?"))
        #expect(message(["kind": "folder", "channel": "c"]) == "sources.x.directory: this is required")
        #expect(
            message(["kind": "folder", "directory": "data", "channel": "c"])
                == "sources.x.directory: \"data\" is not an absolute path: it must begin with /")
        #expect(
            message(["kind": "folder", "directory": "/d", "channel": "c", "recursiv": true])
                == "sources.x.recursiv: this key is unknown: did you mean \"recursive\"?")
        #expect(
            message(["kind": "folder", "directory": "/d", "channel": "c", "publish": ["IN_OPN"]])
                .contains("sources.x.publish[0]: \"IN_OPN\" is not one of"))
        #expect(message(["kind": "http", "channel": "c", "deadLetter": "c"]).contains("must not go to the channel"))
        #expect(
            message(["channel": "c"]).contains(
                "dcache-billing, dcache-sse, folder, kafka, lines, s3-listing, timer, webhook, stdin, http"))
        #expect(message(["kind": "http", "channel": "c", "directory": "/d"]).contains("unknown"))
    }

    @Test(arguments: [
        ("*.tmp", "a/b/x.tmp", true), ("*.tmp", "x.tmpx", false), (".*", "d/.hidden", true), (".*", "d.x/y", false),
        ("raw/*.h5", "raw/a.h5", true), ("raw/*.h5", "raw/b/a.h5", false), ("raw/**/*.h5", "raw/b/c/a.h5", true),
        ("raw/**/*.h5", "raw/a.h5", true), ("**", "x/y", true), ("r[0-9][!a]", "x/r1b", true),
        ("r[0-9][!a]", "r1a", false),
        ("a?c", "abc", true), ("a?c", "ac", false), ("\\*", "*", true), ("\\*", "x", false), ("[", "[", true),
        ("*a*b*c", "xxaxxbxxc", true), ("*a*b*c", "xxaxxcxxb", false),
    ])
    func globs(_ pattern: String, _ path: String, _ matches: Bool) {
        #expect(Glob(pattern).matches(path) == matches, "\(pattern) on \(path)")
    }
}
