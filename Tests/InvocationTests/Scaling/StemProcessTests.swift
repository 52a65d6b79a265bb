import CloudEvents
import Foundation
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Real processes that wait for code and become workers.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct StemProcessTests {
    private static let usual = "python-256MiB"

    /// The isolation of the fixture, and none at all.
    @Test(arguments: [3, 0]) func aFirstCallIsServedByAStem(isolation: Int) async throws {
        try await withInvoker(isolation: isolation, stems: StemPolicy(floor: 1, maximum: 4)) { fixture in
            guard fixture.launcher.isolation?.canAttach ?? true || isolation == 0 else {
                print(
                    "skipped: this host gives isolation level \(fixture.invoker.isolationLevel), at which there are no stems"
                )
                return
            }
            fixture.invoker.prepareStems(for: [.python])
            await eventually("a stem waits") { fixture.waitingStems(Self.usual) == 1 }
            let function = try fixture.python(
                "probe",
                """
                import os
                def main(args):
                    return {"folder": os.getcwd() == os.path.dirname(os.path.abspath(__file__)), "mode": os.environ.get("MODE"),
                            "names": sorted(os.environ), "me": os.listdir(".") == ["probe.py"]}
                """, environment: [.init(name: "MODE", value: "fast")])
            let first = await fixture.call(function)
            #expect(first.status == .success, "\(first.errorText) \(first.logText)")
            #expect(first.coldStart?.way == .stem)
            #expect(first.coldStart?.reason == "no worker of this version was alive; a stem was ready")
            #expect(first.initMilliseconds != nil && first.isolation == fixture.invoker.isolationLevel)
            #expect(first.json["folder"] == true && first.json["me"] == true && first.json["mode"] == "fast")
            #expect(first.json["names"]?.array?.contains("MODE") == true)
            let second = await fixture.call(function)
            #expect(second.coldStart == nil && second.initMilliseconds == nil)
            await eventually("what was used is made again, and one more") { fixture.waitingStems(Self.usual) == 2 }
            #expect(fixture.invoker.workerCount == 1, "stems are no workers of a function")
        }
    }

    @Test func withNoneReadyAProcessIsStartedAndSaysWhy() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("f", "def main(args): return 1")
            let first = await fixture.call(function)
            #expect(first.coldStart?.way == .exec)
            #expect(
                first.coldStart?.reason
                    == "no worker of this version was alive; neither a stem nor a zygote was ready, so a new process was started"
            )
            let program = try fixture.program("p", "#!/bin/sh\nread line\necho 1\n")
            #expect(
                await fixture.call(program).coldStart?.reason
                    == "no worker of this version was alive; a new process was started, as this function has no stems")
        }
    }

    @Test func aStemOfOneMemoryLimitIsNotGivenToAnother() async throws {
        try await withInvoker(stems: StemPolicy(floor: 1, maximum: 4)) { fixture in
            guard fixture.launcher.isolation?.canAttach ?? true else {
                print("skipped: no stems at isolation level \(fixture.invoker.isolationLevel)")
                return
            }
            fixture.invoker.prepareStems(for: [.python])
            await eventually("a stem waits") { fixture.waitingStems(Self.usual) == 1 }
            let small = try fixture.python("small", "def main(args): return len(bytearray(args['n']))") {
                $0.memory = 64 << 20
            }
            #expect(await fixture.call(small, ["n": 1]).coldStart?.way == .exec)
            await eventually("one that fits is made") { fixture.waitingStems("python-64MiB") == 1 }
            let other = try fixture.python("other", "def main(args): return len(bytearray(args['n']))") {
                $0.memory = 64 << 20
            }
            let first = await fixture.call(other, ["n": .integer(300 << 20)])
            #expect(first.coldStart?.way == .stem)
            #expect(first.status != .success, "the limit of the stem is that of the version")
        }
    }

    @Test func codeThatDoesNotLoadIsItsOwnFaultInAStemToo() async throws {
        try await withInvoker(stems: StemPolicy(floor: 1, maximum: 4)) { fixture in
            guard fixture.launcher.isolation?.canAttach ?? true else { return }
            fixture.invoker.prepareStems(for: [.python])
            await eventually("a stem waits") { fixture.waitingStems(Self.usual) == 1 }
            let broken = try fixture.python("broken", "print('here')\nthis is no Python\n")
            let first = await fixture.call(broken)
            #expect(first.status == .developerError)
            #expect(first.errorText.hasPrefix("the code could not be loaded: "))
        }
    }

    @Test func stemsEndWithTheInvoker() async throws {
        let fixture = try await InvocationFixture(stems: StemPolicy(floor: 3, maximum: 4))
        fixture.invoker.prepareStems(for: [.python])
        if fixture.launcher.isolation?.canAttach ?? true {
            await eventually("three stems wait") { fixture.waitingStems(Self.usual) == 3 }
        }
        let launcher = fixture.launcher.processID
        let processes = fixture.processes
        await fixture.invoker.stop()
        await eventually("nothing is left") {
            processes.allSatisfy { !isAlive($0) } && launcher.map { !isAlive($0) } ?? true
        }
    }
}
