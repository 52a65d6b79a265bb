import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct PythonTests {
    @Test func mainGetsParametersWithArgumentsOverThem() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "greet", "def main(args): return {'text': args['hello'] + ' ' + args['name']}",
                parameters: ["hello": "Moin", "name": "nobody"])
            let activation = await fixture.call(function, ["name": "Ada"])
            #expect(activation.status == .success)
            #expect(activation.json == ["text": "Moin Ada"])
            #expect(activation.isolation == fixture.launcher.isolation?.level)
            #expect(activation.initMilliseconds != nil)
            #expect(activation.id.count == 32)
        }
    }

    @Test func mainGetsAnEventInItsJSONFormat() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("echo", "def main(args): return args", parameters: ["p": 1])
            let activations = await fixture.call(function, events: [event("a", data: .json(Array("[1]".utf8)))])
            let args = try #require(activations.first?.json)
            #expect(args["p"] == 1)
            #expect(args["subject"] == "/data/a")
            #expect(args["filesize"] == 7)
            #expect(args["data"] == [1])
        }
    }

    @Test func handleSeesAttributesDataAndContext() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "look",
                """
                def handle(event, context):
                    try:
                        event.nosuch
                        missing = "there"
                    except AttributeError as error:
                        missing = str(error)
                    return {"id": event.id, "subject": event["subject"], "size": event.filesize, "n": event.data["n"],
                            "time": event.time, "none": event.get("nosuch"), "output": context.output,
                            "key": context.idempotency_key, "function": context.function, "params": context.params,
                            "remaining": 0 < context.remaining <= 30000, "deadline": context.deadline > 1.6e12,
                            "activation": context.activation_id, "missing": missing}
                """, parameters: ["depth": 2])
            let activation = try #require(
                await fixture.call(function, events: [event("a", data: .json(Array(#"{"n": "ü"}"#.utf8)))]).first)
            let seen = activation.json
            #expect(seen["id"] == "a")
            #expect(seen["subject"] == "/data/a")
            #expect(seen["size"] == 7)
            #expect(seen["n"] == "ü")
            #expect(seen["time"] == JSONValue.null)
            #expect(seen["none"] == JSONValue.null)
            #expect(seen["output"] == JSONValue.null)
            #expect(seen["key"] == "key-a")
            #expect(seen["function"] == "look")
            #expect(seen["params"] == ["depth": 2])
            #expect(seen["remaining"] == true)
            #expect(seen["deadline"] == true)
            #expect(seen["activation"]?.string == activation.id)
            #expect(seen["missing"]?.string?.hasPrefix("the event has no attribute 'nosuch'; it has: ") == true)
            #expect(activation.cause.eventID == "a")
        }
    }

    @Test func bytesDataComesAsBytes() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "bytes", "def handle(event, context): return [type(event.data).__name__, list(event.data)]")
            let activations = await fixture.call(
                function, events: [event("a", data: .bytes([0, 255, 10])), event("b", data: .bytes([]))])
            #expect(activations.map(\.json) == [["bytes", [0, 255, 10]], ["bytes", []]])
        }
    }

    @Test func aPersonsArgumentsReachHandleAsTheDataOfAnEvent() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("look", "def handle(event, context): return [event.type, event.data]")
            let plain = await fixture.call(function, ["x": 1])
            #expect(plain.json == ["dev.weir.invocation", ["x": 1]])
            let whole = await fixture.call(
                function, ["specversion": "1.0", "type": "t", "id": "1", "source": "/s", "data": 3])
            #expect(whole.json == ["t", 3])
        }
    }

    @Test func aBatchHandlerIsCalledOnceAndSharesItsOutcome() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "sum",
                """
                def handle_batch(events, context):
                    print("called with", len(events))
                    context.publish(type="sum", data=sum(e.data for e in events))
                    return len(events)
                """)
            let activations = await fixture.call(
                function, events: (0..<5).map { event("\($0)", data: .json(Array("\($0)".utf8))) })
            #expect(activations.map(\.json) == [5, 5, 5, 5, 5])
            #expect(Set(activations.map(\.id)).count == 1)
            #expect(activations.map(\.cause.eventID) == ["0", "1", "2", "3", "4"])
            #expect(activations.map(\.published.count) == [1, 0, 0, 0, 0])
            #expect(activations[0].published[0].data == .json(Array("10".utf8)))
            #expect(activations.map(\.logText) == [["called with 5"], [], [], [], []])
        }
    }

    @Test func aNamedHandlerIsChosen() async throws {
        try await withInvoker { fixture in
            let source = "def main(args): return 'main'\ndef other(event, context): return 'other'"
            let function = try fixture.python("named", source, handler: "other")
            #expect(await fixture.call(function).json == "other")
            let missing = try fixture.python("missing", source, handler: "nothing")
            let activation = await fixture.call(missing)
            #expect(activation.status == .developerError)
            #expect(
                activation.errorText
                    == "the code could not be loaded: LookupError: missing.py defines no function 'nothing'")
        }
    }

    @Test func publishedEventsComeBackWithTheirAttributes() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "publish",
                """
                def handle(event, context):
                    context.publish(type="a.b", subject=event.subject, data={"k": [1, "é"]}, id="fixed", flag=True, size=3)
                    context.publish(type="raw", data=b"\\x00\\x01", datacontenttype="application/x")
                    return {"specversion": "1.0", "type": "returned", "source": "/s", "data": None, "extra": "e"}
                """)
            let activation = try #require(await fixture.call(function, events: [event("a")]).first)
            #expect(activation.status == .success)
            var first = Activation.Published(type: "a.b", subject: "/data/a", id: "fixed")
            first.extensions = [.init(name: "flag", value: .boolean(true)), .init(name: "size", value: .integer(3))]
            first.data = .json(Array(#"{"k":[1,"é"]}"#.utf8))
            let second = Activation.Published(
                type: "raw", datacontenttype: "application/x", data: .bytes([0, 1]))
            var third = Activation.Published(type: "returned", source: "/s")
            third.extensions = [.init(name: "extra", value: .string("e"))]
            #expect(activation.published == [first, second, third])
        }
    }

    @Test func aFailedCallPublishesNothing() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "half", "def handle(e, c):\n    c.publish(type='x')\n    raise ValueError('late')")
            let activation = try #require(await fixture.call(function, events: [event("a")]).first)
            #expect(activation.status == .applicationError)
            #expect(activation.published.isEmpty)
        }
    }

    @Test func exceptionsAndErrorResultsAreTheFunctionsOwnFailures() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "fail",
                """
                import sys
                def inner(): raise KeyError("gone")
                def main(args):
                    if args["how"] == "raise": inner()
                    if args["how"] == "exit": sys.exit(4)
                    return {"error": {"code": 7}}
                """)
            let raised = await fixture.call(function, ["how": "raise"])
            #expect(raised.status == .applicationError)
            #expect(raised.errorText == "KeyError: 'gone'")
            #expect(raised.logs.allSatisfy { $0.stream == .stderr })
            #expect(raised.logText.first == "Traceback (most recent call last):")
            #expect(raised.logText.contains { $0.contains("line 2, in inner") })
            #expect(!raised.logText.contains { $0.contains("runtimes/python-") })
            let returned = await fixture.call(function, ["how": "return"])
            #expect(returned.status == .applicationError)
            #expect(returned.json == ["error": ["code": 7]])
            let left = await fixture.call(function, ["how": "exit"])
            #expect(left.status == .applicationError)
            #expect(left.errorText == "the handler called sys.exit(4)")
        }
    }

    @Test(arguments: [
        ("object()", "the result cannot be written as JSON: Object of type object is not JSON serializable"),
        ("float('nan')", "the result cannot be written as JSON: Out of range float values are not JSON compliant"),
        (#"'\ud800'"#, "the result holds text that is not Unicode (half of a surrogate pair)"),
        ("'x' * 2000000", "the answer is 2000002 bytes long, more than the 1048576 that are allowed"),
    ])
    func resultsThatCannotTravelAreClearErrors(expression: String, message: String) async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("bad", "import time\ndef main(args): return \(expression)")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            // The length holds the digits of a duration.
            let digits = { (text: String) in text.replacing(#/is 20000\d\d bytes/#, with: "is N bytes") }
            #expect(digits(activation.errorText).hasPrefix(digits(message)))
        }
    }

    @Test func aLargeResultWithinTheLimitArrives() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("large", "def handle(e, c): return 'ä' * 400000")
            let activations = await fixture.call(function, events: [event("a"), event("b"), event("c")])
            #expect(activations.map { $0.json.string?.count } == [400_000, 400_000, 400_000])
        }
    }

    @Test func codeThatDoesNotLoadSaysWhyWithItsTraceback() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("broken", "print('hello')\nimport nosuchmodule\ndef main(a): pass")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(
                activation.errorText
                    == "the code could not be loaded: ModuleNotFoundError: No module named 'nosuchmodule'")
            #expect(activation.logText.first == "hello")
            #expect(activation.logText.contains { $0.contains("line 2, in <module>") })
            let empty = try fixture.python("empty", "x = 1")
            #expect(await fixture.call(empty).errorText.contains("defines none of handle_batch"))
        }
    }

    @Test func theEnvironmentIsCleanButForWhatTheVersionSets() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "environment", "import os\ndef main(args): return dict(os.environ)",
                environment: [.init(name: "MODE", value: "test"), .init(name: "PATH", value: "/bin")])
            let names = await fixture.call(function).json.object?.names.sorted()
            #expect(names == ["HOME", "LANG", "MODE", "PATH", "TMPDIR"])
        }
    }

    @Test func codeMayImportItsNeighbours() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("neighbour", "import helper\ndef main(args): return helper.answer")
            let folder = try #require(fixture.version(namespace: "default", name: "neighbour", digest: nil))
                .codeDirectory
            try write("answer = 42", to: folder + "/helper.py")
            #expect(await fixture.call(function).json == 42)
        }
    }

    @Test func hashesAreThoseOfTheFile() async throws {
        try await withInvoker { fixture in
            let path = fixture.directory.file("content")
            try write("hello", to: path)
            let function = try fixture.python(
                "hash",
                "def handle(e, c): return [c.hash(e.data, 'md5'), c.hash(open(e.data, 'rb'), 'adler32'), c.hash(e.data, 'crc32')]"
            )
            let activation = try #require(
                await fixture.call(function, events: [event("a", data: .json(Array("\"\(path)\"".utf8)))]).first)
            #expect(activation.json == ["5d41402abc4b2a76b9719d911017c592", "062c0215", "3610a686"])
        }
    }

    @Test func coroutinesRunOnOneLoop() async throws {
        try await withInvoker { fixture in
            let source = """
                import asyncio
                async def {name}({arguments}):
                    await asyncio.sleep(0)
                    return id(asyncio.get_running_loop())
                """
            for (name, arguments) in [
                ("handle", "event, context"), ("main", "args"), ("handle_batch", "events, context"),
            ] {
                let function = try fixture.python(
                    name,
                    source.replacing("{name}", with: name).replacing("{arguments}", with: arguments))
                let events = (0..<3).map { event("\($0)") }
                let first = await fixture.call(function, events: events)
                let second = await fixture.call(function, events: events)
                #expect(first.allSatisfy { $0.status == .success })
                #expect(Set((first + second).map(\.json)).count == 1)
            }
        }
    }

    @Test func aModuleOfTheFunctionIsNotHiddenByOneOfTheRunner() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "own", "import mmap, events\ndef main(a): return [mmap.mine, events.mine]")
            let folder = try #require(fixture.version(namespace: "default", name: "own", digest: nil)).codeDirectory
            try write("mine = 1", to: folder + "/mmap.py")
            try write("mine = 2", to: folder + "/events.py")
            #expect(await fixture.call(function).json == [1, 2])
        }
    }

    @Test func aMissingFunctionIsNamed() async throws {
        try await withInvoker { fixture in
            let activation = await fixture.call(FunctionReference(namespace: "default", name: "nobody"))
            #expect(activation.status == .internalError)
            #expect(activation.errorText == "there is no function default/nobody")
        }
    }
}
