import CloudEvents
import Foundation
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// What becomes of calls and workers when things end badly, or are reused.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct WorkerLifeTests {
    @Test func aWarmWorkerIsReusedByItsVersionOnly() async throws {
        try await withInvoker { fixture in
            let source = "import uuid\nme = uuid.uuid4().hex\ndef main(args): return me"
            let function = try fixture.python("pid", source)
            let first = await fixture.call(function)
            let second = await fixture.call(function)
            #expect(first.json == second.json)
            #expect(first.initMilliseconds != nil)
            #expect(second.initMilliseconds == nil)
            let other = try fixture.python("other", source)
            #expect(await fixture.call(other).json != first.json)
            try fixture.python("pid", source)
            #expect(await fixture.call(function).json != first.json)
        }
    }

    @Test func aCallThatDoesNotEndIsKilledWithItsGroupAndTheNextGetsAFreshWorker() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "slow",
                """
                import subprocess, time, uuid
                me = uuid.uuid4().hex
                def main(args):
                    if not args.get("hang"): return me
                    subprocess.Popen(["/bin/sleep", "1000"])
                    time.sleep(1000)
                """
            ) { $0.timeout = 400 }
            let warm = await fixture.call(function)
            let activation = await fixture.call(function, ["hang": true])
            #expect(activation.status == .timeout)
            #expect(activation.errorText == "the function did not end within 400 ms")
            // The time runs from the decision to run it; the start is noted when it is sent, on a busy machine later.
            #expect(activation.end - activation.start >= 300)
            await eventually("worker and child are gone") { fixture.processes.isEmpty }
            let next = await fixture.call(function)
            #expect(next.status == .success)
            #expect(next.json != warm.json)
        }
    }

    @Test func aHandlerThatIgnoresSignalsIsKilledToo() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "stubborn",
                """
                import signal
                def main(args):
                    for number in range(1, 32):
                        try: signal.signal(number, signal.SIG_IGN)
                        except OSError: pass
                    while True: pass
                """
            ) { $0.timeout = 300 }
            #expect(await fixture.call(function).status == .timeout)
        }
    }

    @Test(arguments: [
        ("os._exit(3)", "the function's process ended with status 3 before it answered"),
        ("os.abort()", "the function's process was killed by signal 6 (SIGABRT)"),
        ("ctypes.string_at(0)", "the function's process was killed by signal 11 (SIGSEGV)"),
        (
            "os.kill(os.getpid(), 9)",
            "the function's process was killed by signal 9 (SIGKILL); nobody here sent it, so most likely the system ran out of memory"
        ),
    ])
    func aCrashIsNamedAndItsLinesAreKept(how: String, message: String) async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "crash", "import os, ctypes\ndef main(args):\n    print('before')\n    \(how)")
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(activation.errorText == message)
            #expect(activation.logText == ["before"])
            #expect(await fixture.call(function).errorText == message)
        }
    }

    @Test func aCrashInABatchFailsTheRunningCallOnly() async throws {
        try await withInvoker { fixture in
            let record = try fixture.record("ran")
            let function = try fixture.python(
                "crash",
                """
                import os
                def handle(event, context):
                    with open("\(record)", "a") as file: file.write(event.id + "\\n")
                    print("line of", event.id)
                    if event.id in ("3", "7"): os._exit(9)
                    return event.id
                """)
            let activations = await fixture.call(function, events: (0..<10).map { event("\($0)") })
            #expect(activations.count == 10)
            for (index, activation) in activations.enumerated() {
                #expect(activation.cause.eventID == "\(index)")
                #expect(activation.logText == ["line of \(index)"])
                #expect(activation.status == ([3, 7].contains(index) ? .developerError : .success))
            }
            // Those that had answered before the crash did not run again.
            #expect(try String(contentsOfFile: record, encoding: .utf8) == "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
        }
    }

    @Test func aTimeoutInABatchFailsTheRunningCallOnly() async throws {
        try await withInvoker { fixture in
            let record = try fixture.record("ran")
            let function = try fixture.python(
                "slow",
                """
                import time
                def handle(event, context):
                    with open("\(record)", "a") as file: file.write(event.id + "\\n")
                    if event.id == "2": time.sleep(1000)
                    return event.id
                """
            ) { $0.timeout = 500 }
            let activations = await fixture.call(function, events: (0..<5).map { event("\($0)") })
            #expect(activations.map(\.status) == [.success, .success, .timeout, .success, .success])
            #expect(try String(contentsOfFile: record, encoding: .utf8) == "0\n1\n2\n3\n4\n")
        }
    }

    @Test func aBatchMayTakeLongerThanOneCall() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("slow", "import time\ndef handle(event, context): time.sleep(0.2)") {
                $0.timeout = 700
            }
            let activations = await fixture.call(function, events: (0..<6).map { event("\($0)") })
            #expect(activations.allSatisfy { $0.status == .success })
        }
    }

    @Test func aJobOfSeveralFramesKeepsItsOrderThroughACrash() async throws {
        try await withInvoker(frameCalls: 3) { fixture in
            let function = try fixture.python(
                "crash", "import os\ndef handle(e, c):\n    if e.id == '4': os._exit(1)\n    return e.id")
            let activations = await fixture.call(function, events: (0..<11).map { event("\($0)") })
            #expect(activations.map(\.cause.eventID) == (0..<11).map { "\($0)" })
            #expect(activations.filter { $0.status == .success }.count == 10)
            #expect(activations[4].status == .developerError)
        }
    }

    @Test func outOfMemoryIsReportedAsThat() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("eater", "def main(args): return len(b'x' * (1 << 30))") {
                $0.memory = 64 << 20
            }
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(activation.errorText == "out of memory: the function needs more than its memory limit")
        }
    }

    @Test func aWorkerThatBreaksTheProtocolIsKilled() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "liar",
                """
                import os, time
                def main(args):
                    os.write(3, args["bytes"].encode("latin-1"))
                    time.sleep(1000)
                """)
            let noise = await fixture.call(function, ["bytes": "\u{6}\u{0}\u{0}\u{0}noise\n"])
            #expect(noise.status == .developerError)
            #expect(noise.errorText.hasPrefix("the function's process was stopped: its answer is not valid JSON"))
            let huge = await fixture.call(function, ["bytes": "\u{7f}\u{7f}\u{7f}\u{7f}"])
            #expect(huge.status == .developerError)
            #expect(huge.errorText.hasPrefix("the function's process was stopped: it announced 2139062143 bytes"))
        }
    }

    @Test func atMostTheVersionsConcurrencyRunsAtOnce() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "pid",
                "import time, uuid\nme = uuid.uuid4().hex\ndef main(args):\n    time.sleep(0.3)\n    return me"
            ) { $0.concurrency = 2 }
            let pids = await withTaskGroup(of: Activation.self) { group in
                for _ in 0..<8 { group.addTask { await fixture.call(function) } }
                return await group.reduce(into: Set<JSONValue>()) { $0.insert($1.json) }
            }
            #expect(pids.count == 2)
            #expect(fixture.invoker.workerCount == 2)
        }
    }

    @Test func anIdleWorkerMakesRoomForAnotherFunction() async throws {
        try await withInvoker(maximumWorkers: 1) { fixture in
            let source = "import os\ndef main(args): return os.getpid()"
            let one = try fixture.python("one", source)
            let two = try fixture.python("two", source)
            for _ in 0..<3 {
                #expect(await fixture.call(one).status == .success)
                #expect(await fixture.call(two).status == .success)
                #expect(fixture.invoker.workerCount == 1)
            }
        }
    }

    @Test func idleWorkersGo() async throws {
        try await withInvoker(idleGrace: 100) { fixture in
            let function = try fixture.python("pid", "import os\ndef main(args): return os.getpid()")
            #expect(await fixture.call(function).status == .success)
            await eventually("the idle worker is gone") {
                fixture.processes.isEmpty && fixture.invoker.workerCount == 0
            }
            #expect(await fixture.call(function).status == .success)
        }
    }

    @Test func manyCallsLeaveNoProcessesAndNoDescriptors() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "leaver",
                """
                import os, subprocess
                def main(args):
                    child = subprocess.Popen(["/bin/true"])
                    # It has ended, and is not reaped.
                    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
                """)
            // On a busy machine a second would be started while the first is.
            let program = try fixture.program("once", "#!/bin/sh\nread line\necho '\"done\"'\n") { $0.concurrency = 1 }
            _ = await fixture.call(program)
            _ = await fixture.call(function)
            await eventually("the first program is reaped") { fixture.launcher.workerCount == 1 }
            let launcher = try #require(fixture.launcher.processID)
            let before = openDescriptors()
            let launcherBefore = openDescriptors(of: launcher)
            for index in 0..<1_000 {
                if index % 20 == 0 { #expect(await fixture.call(program).json == "done") }
                #expect(await fixture.call(function).status == .success)
            }
            await eventually("the programs are reaped") { fixture.launcher.workerCount == 1 }
            // Other tests run in this process, too; a leak of one descriptor a call would be a thousand.
            #expect(openDescriptors() < before + 100)
            #expect(openDescriptors(of: launcher) == launcherBefore)
            let zombies = children(of: launcher).filter { !isAlive($0) }
            #expect(zombies.isEmpty)
        }
    }

    @Test func aWorkerWhoseFunctionLeavesProcessesIsNotUsedAgain() async throws {
        try await withInvoker { fixture in
            guard fixture.launcher.isolation?.canAttach == true else {
                return print("skipped: without a process namespace what a function leaves cannot be told from others")
            }
            let function = try fixture.python(
                "leaver",
                """
                import subprocess, uuid
                me = uuid.uuid4().hex
                def main(args):
                    if args.get("leave"): subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
                    return me
                """)
            let first = await fixture.call(function, ["leave": true])
            #expect(first.status == .success)
            await eventually("the worker and what it left are gone") { fixture.processes.isEmpty }
            let second = await fixture.call(function)
            #expect(second.status == .success && second.json != first.json)
            #expect(await fixture.call(function).json == second.json)
        }
    }

    private func openDescriptors(of pid: Int32 = getpid()) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0
    }
}

func children(of pid: Int32) -> [Int32] {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)) ?? ""
    return text.split(separator: " ").compactMap { Int32($0) }
}
