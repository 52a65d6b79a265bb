import CloudEvents
import Manifest
import Testing

@Suite struct ManifestDocumentTests {
    private let example = """
        # everything of one project
        channels:
          storage: { retention: 30d, partitions: 4 }
          failed: {}
          empty:
        sources:
          billing: { kind: dcache-billing, directory: /var/lib/dcache/billing, timezone: Europe/Berlin, channel: storage }
        functions:
          checksum: { file: checksum.py, timeout: 5m, memory: 256MB, input: file }
        subscriptions:
          new-raw-files:
            channel: storage
            filters:
              - exact: { type: dev.weir.file.written }
              - sql: "filesize > 0 AND NOT (subject LIKE '%.tmp')"
            sink: function:checksum
            delivery: { order: key, retry: { attempts: 5, backoff: 2s }, deadLetter: failed }
        """

    private func error(_ text: String) -> String? {
        do {
            _ = try ManifestDocument(parsing: text)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func theExampleIsReadInTheOrderOfApplication() throws {
        let manifest = try ManifestDocument(parsing: example, file: "project/weir.yaml")
        #expect(manifest.namespace == nil)
        #expect(
            manifest.resources.map(\.path) == [
                "channels.storage", "channels.failed", "channels.empty", "functions.checksum", "sources.billing",
                "subscriptions.new-raw-files",
            ])
        #expect(manifest.resources[0].document == ["retention": "30d", "partitions": 4])
        #expect(manifest.resources[1].document == [:])
        #expect(manifest.resources[2].document == [:])
        #expect(manifest.resources[5].document["filters"]?.array?.count == 2)
        #expect(manifest.codePath(of: manifest.resources[3]) == "project/checksum.py")
        #expect(manifest.codePath(of: manifest.resources[0]) == nil)
        #expect(manifest.warnings(server: [:]).isEmpty)
    }

    @Test func codeIsSoughtBesideTheManifest() throws {
        func path(_ file: String, _ code: String) throws -> String? {
            let manifest = try ManifestDocument(parsing: "functions: { f: { file: \(code) } }", file: file)
            return manifest.codePath(of: manifest.resources[0])
        }
        #expect(try path("weir.yaml", "a/b.py") == "a/b.py")
        #expect(try path("/srv/x/weir.yaml", "../b.py") == "/srv/x/../b.py")
        #expect(try path("/srv/weir.yaml", "/opt/b.py") == "/opt/b.py")
    }

    @Test func jsonIsReadToo() throws {
        let manifest = try ManifestDocument(parsing: #"{"namespace": "atlas", "channels": {"a": {"partitions": 2}}}"#)
        #expect(manifest.namespace == "atlas")
        #expect(manifest.resources.map(\.document) == [["partitions": 2]])
    }

    @Test(arguments: [
        (
            "channels:\n  storage:\n   - a\n", "weir.yaml:2:3: channels.storage: an object was expected, not an array"
        ),
        ("chanels: {}\n", "weir.yaml:1:1: chanels: this key is unknown: did you mean \"channels\"?"),
        (
            "channels: {}\nfoo: {}\n",
            "weir.yaml:2:1: foo: this key is unknown: known here are channels, functions, namespace, packages, "
                + "sources, subscriptions"
        ),
        ("channels:\n  a: {}\n  a: {}\n", "weir.yaml:2:3: the key \"a\" stands here twice"),
        ("channels:\n  a: {}\n  \"a\": {}\n", "weir.yaml:2:3: the key \"a\" stands here twice"),
        ("channels:\n  1: {}\n  \"1\": {}\n", "weir.yaml:2:3: the key \"1\" stands here twice"),
        (
            "channels: {}\n---\nchannels: {}\n",
            "weir.yaml: the file holds more than one document (---): put each into a file of its own"
        ),
        ("", "weir.yaml: the file is empty"),
        ("# nothing\n", "weir.yaml: the file is empty"),
        ("- a\n", "weir.yaml:1:1: an object was expected, not an array"),
        (
            "channels: [a\n",
            "weir.yaml:2:1: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence that begins in line 1)"
        ),
        (
            "channels:\n\ta: {}\n",
            "weir.yaml:2:1: not valid YAML: found character that cannot start any token (while scanning for the next token that begins in line 2)"
        ),
        (
            "channels: { a/b: {} }\n",
            "weir.yaml:1:1: channels: \"a/b\" is no name: \"/\" is allowed in the names of functions only"
        ),
        (
            "functions: { a/b/c: {} }\n",
            "weir.yaml:1:1: functions: \"a/b/c\" is no name: one \"/\" may stand between package and name"
        ),
        ("channels: { .a: {} }\n", "weir.yaml:1:1: channels: \".a\" is no name: a letter or digit comes first"),
        (
            "channels: { \"a\\nb\": {} }\n",
            "weir.yaml:1:1: channels: \"a\\u{a}b\" is no name: letters, digits, \"-\", \"_\" and \".\" are allowed"
        ),
        (
            "functions: { x/..: {} }\n",
            "weir.yaml:1:1: functions: \"x/..\" is no name: a letter or digit comes first"
        ),
        (
            "namespace: Atlas\n",
            "weir.yaml:1:1: namespace: \"Atlas\" is no namespace: at most 63 lower-case letters, digits and, inside, \"-\""
        ),
        ("namespace: 12\n", "weir.yaml:1:1: namespace: a string was expected, not an integer"),
        ("channels: { a: *b }\n", "weir.yaml:1:16: not valid YAML: found undefined alias"),
        (
            "x: &x { a: 1 }\nchannels: { a: { <<: *x } }\n",
            "weir.yaml:2:18: channels.a: merge keys (<<) are not read: write the members out"
        ),
        (
            "channels: { a: { mode: 0755 } }\n",
            "weir.yaml:1:24: channels.a.mode: 0755 is read as octal by some and as decimal by others: "
                + "put it in quotes or leave out the leading zero"
        ),
        (
            "channels: { a: { x: .inf } }\n",
            "weir.yaml:1:21: channels.a.x: .inf has no place in JSON: put it in quotes if a text is meant"
        ),
        (
            "channels: { a: { x: !!binary aGk= } }\n",
            "weir.yaml:1:21: channels.a.x: tags (!…) are not read, except !!str"
        ),
        ("channels: { a: !x {} }\n", "weir.yaml:1:16: channels.a: tags (!…) are not read, except !!str"),
        ("channels: { [a]: {} }\n", "weir.yaml:1:11: channels: a key must be a text"),
    ])
    func whatIsWrongIsNamedWithItsPlace(_ text: String, _ message: String) {
        #expect(error(text) == message)
    }

    @Test func anErrorOfAPartFindsItsLine() throws {
        let manifest = try ManifestDocument(parsing: example)
        let deep = DocumentError(path: "subscriptions.new-raw-files.delivery.retry.attempts", message: "too many")
        #expect(
            manifest.located(deep).description
                == "weir.yaml:17:38: subscriptions.new-raw-files.delivery.retry.attempts: too many")
        let missing = DocumentError(path: "functions.checksum.runtime", message: "this is required")
        #expect(
            manifest.located(missing).description
                == "weir.yaml:9:3: functions.checksum.runtime: this is required")
        let second = DocumentError(path: "subscriptions.new-raw-files.filters[1].sql", message: "x")
        #expect(manifest.located(second).line == 15)
    }

    @Test func plainValuesFollowYAML12() throws {
        let manifest = try ManifestDocument(
            parsing: """
                functions:
                  f:
                    parameters:
                      [ no, on, True, 12:30, 1_000, 0x1F, 0o17, -7, +7, 1.10, 1e3, .5, 0, "7", '', ~, 2026-01-01,
                        9223372036854775807, 9223372036854775808, -0, 1.2.3, 0xZZ, !!str 7, "a\\tb" ]
                """)
        let expected: [JSONValue] = [
            "no", "on", true, "12:30", "1_000", 31, 15, -7, 7, 1.1, 1000.0, 0.5, 0, "7", "", nil, "2026-01-01",
            .integer(.max), .number(9223372036854775808), 0, "1.2.3", "0xZZ", "7", "a\tb",
        ]
        #expect(manifest.resources[0].document["parameters"]?.array == expected)
    }

    @Test func anchorsMayBeUsedWithMeasure() throws {
        let manifest = try ManifestDocument(
            parsing: """
                channels:
                  a: &usual { retention: 7d }
                  b: *usual
                """)
        #expect(manifest.resources[1].document == ["retention": "7d"])
    }

    @Test(.timeLimit(.minutes(1))) func aBillionLaughsAreRefusedQuickly() {
        var text = "a0: &a0 lol\n"
        for level in 1...30 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
        }
        let refusal = "weir.yaml: too many anchors (&) and aliases (*): write the values out"
        #expect(error(text) == refusal)
        // As a key, where composing alone would hash it out.
        #expect(error(text + "? *a30\n: x\n") == refusal)
        #expect(error("{" + text.replacing(": &", with: " : &").replacing("\n", with: ",") + "}") == refusal)
    }

    @Test(.timeLimit(.minutes(1))) func deepNestingIsRefused() {
        let some =
            "channels: { a: { x: " + String(repeating: "[", count: 70) + String(repeating: "]", count: 70) + " } }"
        #expect(error(some)?.hasSuffix("nesting is deeper than 64") == true)
        for open in ["[", "{a: ", "- ", "? "] {
            #expect(error(String(repeating: open, count: 100_000))?.hasPrefix("weir.yaml") == true)
        }
    }

    @Test func unknownReferencesAreWarnings() throws {
        let manifest = try ManifestDocument(
            parsing: """
                channels: { storage: {}, failed: {} }
                sources: { s: { channel: storge } }
                subscriptions:
                  a: { channel: storage, sink: "function:checksum", delivery: { deadLetter: faled } }
                  b: { channel: elsewhere, sink: "channel:failed" }
                  c: { channel: storage, sink: "http://127.0.0.1:1/" }
                """)
        #expect(
            manifest.warnings(server: [.functions: ["check-sum"], .channels: ["elsewhere"]]) == [
                "sources.s.channel: there is no channel \"storge\", neither in the manifest nor on the server: "
                    + "did you mean \"storage\"?",
                "subscriptions.a.delivery.deadLetter: there is no channel \"faled\", neither in the manifest nor on the "
                    + "server: did you mean \"failed\"?",
                "subscriptions.a.sink: there is no function \"checksum\", neither in the manifest nor on the server: "
                    + "did you mean \"check-sum\"?",
            ])
    }

    @Test func bytesThatAreNoTextAreRefused() {
        #expect(throws: ManifestError(.syntax, file: "m.yaml", message: "the file is not UTF-8 text")) {
            try ManifestDocument(parsing: [0x61, 0xFF], file: "m.yaml")
        }
    }
}
