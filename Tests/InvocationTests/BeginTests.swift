import CloudEvents
import Foundation
import Functions
import Synchronization
import Testing
import TestSupport

@testable import Invocation

/// Calls that begin without waiting, and are told of when they have ended.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed")) struct BeginTests {
    private final class Ended: Sendable {
        let all = Mutex<[Activation]>([])
        var count: Int { all.withLock { $0.count } }
    }

    @Test func aCallThatWasBegunIsToldOfOnce() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("f", "def main(args):\n    return {'n': args['n'] + 1}\n")
            let ended = Ended()
            for number in Int64(0)..<3 {
                let call = FunctionCall(input: .arguments(["n": .integer(number)]))
                #expect(fixture.invoker.begin(function, call: call) { one in ended.all.withLock { $0.append(one) } })
            }
            await waitUntil { ended.count == 3 }
            let results = ended.all.withLock { $0.map { String(decoding: $0.result, as: UTF8.self) }.sorted() }
            #expect(results == [#"{"n":1}"#, #"{"n":2}"#, #"{"n":3}"#])
        }
    }

    /// What must wait for disks, or is not there, does not begin.
    @Test func whatCannotBeginAtOnceSaysSo() async throws {
        try await withInvoker { fixture in
            let staged = try fixture.python(
                "staged", "def main(args):\n    return {}\n",
                staging: FunctionStaging(input: .file))
            let unknown = FunctionReference(namespace: "default", name: "unknown")
            for function in [staged, unknown] {
                let call = FunctionCall(input: .arguments([:]))
                #expect(!fixture.invoker.begin(function, call: call) { _ in Issue.record("it has begun") })
            }
        }
    }

    @Test func callsOfOneKeyRunOneAfterTheOther() async throws {
        try await withInvoker { fixture in
            let record = try fixture.record("record")
            let function = try fixture.python(
                "keyed",
                """
                import time
                def main(args):
                    with open(args["file"], "a") as file:
                        file.write("begin\\n"), file.flush()
                        # Room for another call to begin, were it let: right code never fails for this being short.
                        time.sleep(0.1)
                        file.write("end\\n")
                """
            ) {
                $0.concurrency = 4
                $0.scaling.runsPerKey = 1
                $0.scaling.key = "k"
            }
            let ended = Ended()
            for _ in 0..<4 {
                let call = FunctionCall(input: .arguments(["k": "a", "file": .string(record)]))
                #expect(fixture.invoker.begin(function, call: call) { one in ended.all.withLock { $0.append(one) } })
            }
            await waitUntil { ended.count == 4 }
            let lines = try String(contentsOfFile: record, encoding: .utf8).split(separator: "\n")
            #expect(lines == (0..<8).map { $0 % 2 == 0 ? "begin" : "end" })
        }
    }
}
