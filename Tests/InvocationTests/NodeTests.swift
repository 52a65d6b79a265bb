import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasNode, "node is not installed"))
struct NodeTests {
    @Test func mainGetsParametersWithArgumentsOverThem() async throws {
        try await withInvoker { fixture in
            // As it is written for OpenWhisk: nothing is exported.
            let function = try fixture.javaScript(
                "greet", "function main(args) { return { text: args.hello + ' ' + args.name } } // the end",
                parameters: ["hello": "Moin", "name": "nobody"])
            let activation = await fixture.call(function, ["name": "Ada"])
            #expect(activation.status == .success)
            #expect(activation.json == ["text": "Moin Ada"])
            #expect(activation.initMilliseconds != nil)
        }
    }

    @Test func handleSeesAttributesDataAndContext() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "look",
                """
                exports.handle = async (event, context) => ({
                  id: event.id, subject: event["subject"], size: event.filesize, n: event.data.n, none: event.nosuch,
                  input: context.input, key: context.idempotencyKey, function: context.function, params: context.params,
                  remaining: context.remaining > 0 && context.remaining <= 30000, deadline: context.deadline > 1.6e12,
                  whole: JSON.parse(JSON.stringify(event)).data, activation: context.activationId,
                });
                """, parameters: ["depth": 2])
            let activation = try #require(
                await fixture.call(function, events: [event("a", data: .json(Array(#"{"n": "ü"}"#.utf8)))]).first)
            #expect(
                activation.json == [
                    "id": "a", "subject": "/data/a", "size": 7, "n": "ü", "input": "/data/a", "key": "key-a",
                    "function": "look", "params": ["depth": 2], "remaining": true, "deadline": true,
                    "whole": ["n": "ü"], "activation": .string(activation.id),
                ])
        }
    }

    @Test func bytesAreABuffer() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "bytes",
                "exports.handle = (e, c) => [Buffer.isBuffer(e.data), e.data.length, e.toJSON().data_base64, c.hash(e.data, 'md5')]"
            )
            let data = CloudEvent.Payload.bytes(Array("hello".utf8))
            let activation = try #require(await fixture.call(function, events: [event("a", data: data)]).first)
            #expect(activation.json == [true, 5, "aGVsbG8=", "5d41402abc4b2a76b9719d911017c592"])
        }
    }

    @Test func hashesAreThoseOfTheFile() async throws {
        try await withInvoker { fixture in
            let path = fixture.directory.file("content")
            try write("hello", to: path)
            let function = try fixture.javaScript(
                "hash", "exports.handle = (e, c) => ['md5', 'adler32', 'crc32'].map((a) => c.hash(e.data, a))")
            let activation = try #require(
                await fixture.call(function, events: [event("a", data: .json(Array("\"\(path)\"".utf8)))]).first)
            #expect(activation.json == ["5d41402abc4b2a76b9719d911017c592", "062c0215", "3610a686"])
        }
    }

    @Test func modulesOfBothKindsAreLoaded() async throws {
        try await withInvoker { fixture in
            let module = try fixture.javaScript(
                "module",
                "import { basename } from 'node:path';\nimport { one } from './one.mjs';\n"
                    + "export async function handle(event) { return [basename(event.subject), one]; }",
                file: "module.mjs")
            try fixture.add("one.mjs", "export const one = 1;", to: module)
            #expect(await fixture.call(module, events: [event("a")]).first?.json == ["a", 1])

            let old = try fixture.javaScript("old", "const two = require('./two');\nmodule.exports = (e) => two;")
            try fixture.add("two.js", "module.exports = 2;", to: old)
            #expect(await fixture.call(old, events: [event("a")]).first?.json == 2)

            let typed = try fixture.javaScript("typed", "export default (event) => event.id;", file: "main.js")
            try fixture.add("package.json", #"{"type": "module"}"#, to: typed)
            #expect(await fixture.call(typed, events: [event("a")]).first?.json == "a")
        }
    }

    @Test func vendoredPackagesAreFound() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "vendored", "exports.main = () => require('tiny').answer;", file: "index.js")
            try fixture.add("node_modules/tiny/package.json", #"{"name": "tiny", "main": "lib.js"}"#, to: function)
            try fixture.add("node_modules/tiny/lib.js", "exports.answer = 42;", to: function)
            #expect(await fixture.call(function).json == 42)
        }
    }

    @Test func aBatchIsOneCall() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "batch", "exports.handleBatch = async (events, context) => events.map((event) => event.id)")
            let activations = await fixture.call(function, events: (0..<5).map { event("\($0)") })
            #expect(activations.count == 5)
            #expect(Set(activations.map(\.id)).count == 1)
            #expect(activations.first?.json == ["0", "1", "2", "3", "4"])
        }
    }

    @Test func logsBelongToTheirCall() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "logs",
                "exports.handle = async (e) => { console.log('out', e.id); await null; console.error('err', e.id); }")
            let activations = await fixture.call(function, events: (0..<20).map { event("\($0)") })
            for (index, activation) in activations.enumerated() {
                #expect(activation.logText.sorted() == ["err \(index)", "out \(index)"])
            }
        }
    }

    @Test func eventsArePublished() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "publish",
                """
                exports.handle = (event, context) => {
                  const data = { n: 1 };
                  context.publish({ type: "org.example.done", subject: event.subject, data, count: 3 });
                  data.n = 2;
                  context.publish({ type: "raw", data: Buffer.from([1, 2]) });
                  return { specversion: "1.0", type: "returned", source: "/s", id: "1" };
                };
                """)
            let published = try #require(await fixture.call(function, events: [event("a")]).first).published
            #expect(published.map(\.type) == ["org.example.done", "raw", "returned"])
            #expect(published.first?.data == .json(Array(#"{"n":1}"#.utf8)))
            #expect(published.first?.extensions == [.init(name: "count", value: .integer(3))])
            #expect(published[1].data == .bytes([1, 2]))
            #expect(published[2].source == "/s")
        }
    }

    static let failures: [(String, Activation.Status, String)] = [
        ("throw new TypeError('bad')", .applicationError, "TypeError: bad"),
        ("return Promise.reject(new Error('late'))", .applicationError, "Error: late"),
        ("throw 'text'", .applicationError, "text"),
        ("return { error: 'no' }", .applicationError, "no"),
        ("throw { error: 'thrown' }", .applicationError, "thrown"),
        ("process.exit(3)", .applicationError, "the handler called process.exit(3)"),
        (
            "return new Promise(() => {})", .applicationError,
            "Error: the handler's promise never settles: nothing is left that could do it"
        ),
        ("return 10n", .developerError, "the result cannot be written as JSON: Do not know how to serialize a BigInt"),
        ("return () => 1", .developerError, "the result cannot be written as JSON: a function has no JSON form"),
        (
            "return 'x'.repeat(2 << 20)", .developerError,
            "the answer is 2097154 bytes long, more than the 1048576 that are allowed"
        ),
        (
            "context.publish({ type: 't', Bad: 1 })", .applicationError,
            "TypeError: 'Bad' is no name of an event attribute: lower-case letters and digits only"
        ),
    ]

    @Test func whatFailsIsSaidAndTheWorkerGoesOn() async throws {
        try await withInvoker { fixture in
            let cases = Self.failures.enumerated().map { index, one in "if (event.id === '\(index)') { \(one.0) }" }
            let function = try fixture.javaScript(
                "fails",
                "exports.handle = (event, context) => {\n\(cases.joined(separator: "\n"))\nreturn process.pid }")
            let events = (0...Self.failures.count).map { event("\($0)") }
            let before = await fixture.call(function, events: [event("before")]).first
            let activations = await fixture.call(function, events: events)
            for (activation, expected) in zip(activations, Self.failures) {
                #expect(activation.status == expected.1)
                let text = activation.errorText
                // The number of digits of the time taken is part of an answer's length.
                #expect(
                    text == expected.2 || text.hasPrefix("the answer is 20971") && expected.2.hasPrefix("the answer"))
            }
            #expect(activations.first?.logText.first == "TypeError: bad")
            #expect(activations.last?.json == before?.json)
        }
    }

    @Test func codeThatCannotBeLoadedSaysWhy() async throws {
        try await withInvoker { fixture in
            let broken = try fixture.javaScript("broken", "console.log('hello');\nrequire('nosuchmodule');")
            let activation = await fixture.call(broken)
            #expect(activation.status == .developerError)
            #expect(activation.errorText.hasPrefix("the code could not be loaded: Error: Cannot find module"))
            #expect(activation.logText.first == "hello")
            let empty = try fixture.javaScript("empty", "exports.x = 1")
            #expect(
                await fixture.call(empty).errorText
                    == "the code could not be loaded: empty.js defines none of handleBatch(events, context), "
                    + "handle(event, context), main(args)")
        }
    }

    @Test func aCrashKeepsWhatWasAnsweredBefore() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "crash",
                "exports.handle = (e) => { if (e.id === '3') process.kill(process.pid, 'SIGKILL'); return e.id; }"
            ) { $0.concurrency = 1 }
            let activations = await fixture.call(function, events: (0..<6).map { event("\($0)") })
            #expect(activations.map(\.status) == [.success, .success, .success, .developerError, .success, .success])
            #expect(activations.map(\.json)[..<3] == ["0", "1", "2"])
        }
    }

    @Test func theEnvironmentIsCleanButForWhatTheVersionSets() async throws {
        try await withInvoker { fixture in
            let function = try fixture.javaScript(
                "environment", "exports.main = () => ({ ...process.env })",
                environment: [.init(name: "MODE", value: "test"), .init(name: "PATH", value: "/bin")])
            let names = await fixture.call(function).json.object?.names.sorted()
            #expect(names == ["HOME", "LANG", "MODE", "PATH", "TMPDIR"])
        }
    }
}
