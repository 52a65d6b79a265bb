import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.fewAtATime) struct ProgramTests {
    /// What tells one process from another: numbers begin anew in each sandbox.
    private static let me = "me=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')\n"

    static let ends: [(String, Activation.Status, JSONValue)] = [
        ("exit 0", .success, .null),
        ("printf '[1, 2]'", .success, [1, 2]),
        ("exit 7", .developerError, ["error": "the function's process ended with status 7 before it answered"]),
        ("echo '{\"error\": \"no\"}'", .applicationError, ["error": "no"]),
        ("kill -TERM $$", .developerError, ["error": "the function's process was killed by signal 15 (SIGTERM)"]),
    ]

    @Test func aProgramReadsALineAndAnswersWithALine() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program(
                "echo", "#!/bin/sh\nread line\necho \"log line\" >&2\necho \"$line\"\n", parameters: ["p": 1])
            let activation = await fixture.call(function, ["x": "y"])
            #expect(activation.status == .success)
            #expect(activation.json["args"] == ["p": 1, "x": "y"])
            #expect(activation.json["activationId"]?.string == activation.id)
            #expect((activation.json["deadline"]?.integer ?? 0) > activation.start)
            #expect(activation.logs.map(\.stream) == [.stderr])
            #expect(activation.logText == ["log line"])
        }
    }

    @Test func anEventComesInItsJSONFormat() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("echo", "#!/bin/sh\nread line\necho \"$line\"\n")
            let activations = await fixture.call(
                function,
                events: [event("a", data: .json(Array("{\n\"n\":1}".utf8))), event("b", data: .bytes([1, 2]))])
            #expect(activations.first?.json["event"]?["subject"] == "/data/a")
            #expect(activations.first?.json["event"]?["data"] == ["n": 1])
            #expect(activations.first?.json["idempotencyKey"] == "key-a")
            #expect(activations.last?.json["event"]?["data_base64"] == "AQI=")
        }
    }

    @Test func aProgramThatGoesOnReadingIsReused() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program(
                "loop", "#!/bin/sh\n\(Self.me)while read line; do echo \"\\\"$me\\\"\"; done\n")
            let first = await fixture.call(function)
            #expect(await fixture.call(function).json == first.json)
        }
    }

    @Test func aProgramThatEndsAfterOneLineIsStartedAnewEachTime() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("once", "#!/bin/sh\n\(Self.me)read line\necho \"\\\"$me\\\"\"\n") {
                $0.concurrency = 1
            }
            var pids: Set<JSONValue> = []
            for _ in 0..<5 {
                let activation = await fixture.call(function)
                #expect(activation.status == .success)
                pids.insert(activation.json)
            }
            #expect(pids.count == 5)
            let batch = await fixture.call(function, events: (0..<5).map { event("\($0)") })
            #expect(batch.allSatisfy { $0.status == .success })
            #expect(Set(batch.map(\.json)).count == 5)
        }
    }

    @Test(arguments: Self.ends)
    func howAProgramEndsIsItsOutcome(body: String, status: Activation.Status, result: JSONValue) async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("ends", "#!/bin/sh\nread line\n\(body)\n")
            let activation = await fixture.call(function)
            #expect(activation.status == status)
            #expect(activation.json == result)
        }
    }

    @Test func whatIsNoJSONIsAnError() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("noise", "#!/bin/sh\nread line\necho hello\nsleep 1000\n")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(activation.errorText.contains("its answer is not valid JSON at line 1, column 1"))
        }
    }

    @Test func anEndlessAnswerIsCut() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("endless", "#!/bin/sh\nread line\ncat /dev/zero\n")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(
                activation.errorText == "the function's process was stopped: its answer is longer than 1048576 bytes")
        }
    }

    @Test func aReturnedCloudEventIsPublished() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program(
                "publish",
                "#!/bin/sh\nread line\necho '{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"/s\",\"id\":\"1\",\"data\":{\"a\":1},\"n\":5}'\n"
            )
            let published = await fixture.call(function).published
            #expect(published.count == 1)
            #expect(published.first?.type == "t")
            #expect(published.first?.data == .json(Array("{\"a\":1}".utf8)))
            #expect(published.first?.extensions == [.init(name: "n", value: .integer(5))])
        }
    }

    @Test func aProgramThatCannotRunIsNamed() async throws {
        try await withInvoker { fixture in
            let function = try fixture.program("broken", "#!/nowhere/interpreter\n")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(activation.errorText.hasSuffix("broken cannot be started: No such file or directory"))
        }
    }
}
