import CloudEvents
import Foundation
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Workers that a preloaded interpreter forks into sandboxes of their own.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct ZygoteTests {
    private func withZygote(
        isolation: Int = 3, workers: Int = 8, stems: Int = 0, _ body: (InvocationFixture) async throws -> Void
    ) async throws {
        var policy = StemPolicy(floor: stems, maximum: stems)
        policy.hasZygote = true
        try await withInvoker(maximumWorkers: workers, isolation: isolation, stems: policy) { fixture in
            guard fixture.launcher.isolation?.canFork == true else {
                print(
                    "skipped: this host gives isolation level \(fixture.invoker.isolationLevel): no sandbox can be entered"
                )
                return
            }
            fixture.invoker.prepareStems(for: [.python])
            await eventually("the zygote can fork") {
                fixture.invoker.snapshot().stems.contains { $0.zygote == "ready" }
            }
            try await body(fixture)
        }
    }

    /// All that a root has, and all that an ordinary user has.
    @Test(arguments: [3, 2]) func aFirstCallIsServedByAFork(isolation: Int) async throws {
        try await withZygote(isolation: isolation) { fixture in
            let function = try fixture.python(
                "probe",
                """
                import os
                def main(args):
                    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
                    def refused(action):
                        try:
                            action()
                            return False
                        except OSError as error:
                            return True
                    return {
                        "number": os.getpid(), "others": [one for one in os.listdir("/proc") if one.isdigit()],
                        "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
                        "privileges": status["NoNewPrivs"].strip(), "filter": status["Seccomp"].strip(),
                        "names": sorted(os.environ), "mode": os.environ.get("MODE"), "folder": os.getcwd(),
                        "written": refused(lambda: open("/code/x", "w")) and refused(lambda: open("/usr/x", "w")),
                        "room": open("/tmp/x", "w").write("x"), "root": refused(lambda: os.setuid(0)),
                        "mounted": refused(lambda: os.chroot("/tmp")), "hosts": os.path.exists("/home") or os.path.exists("/root"),
                    }
                """, environment: [.init(name: "MODE", value: "fast")])
            let first = await fixture.call(function)
            #expect(first.status == .success, "\(first.errorText) \(first.logText)")
            #expect(first.coldStart?.way == .zygote)
            #expect(first.isolation == fixture.invoker.isolationLevel)
            let seen = first.json
            #expect(seen["number"] == 2 && seen["others"] == ["2"], "its process 1 is not its to look at")
            #expect(seen["capabilities"] == .array([JSONValue](repeating: "0000000000000000", count: 5)))
            #expect(seen["privileges"] == "1" && seen["filter"] == "2")
            #expect(seen["names"] == ["HOME", "LANG", "MODE", "PATH", "TMPDIR"] && seen["mode"] == "fast")
            #expect(seen["folder"] == "/code" && seen["room"] == 1)
            for name in ["written", "root", "mounted"] { #expect(seen[name] == true, "\(name)") }
            #expect(seen["hosts"] == false)

            let second = await fixture.call(function)
            #expect(second.coldStart == nil, "a fork is a worker as others are")
        }
    }

    @Test func noTwoForksDrawTheSameNumbers() async throws {
        try await withZygote(workers: 4) { fixture in
            let function = try fixture.python(
                "draw",
                """
                import os, random, secrets, uuid
                def main(args):
                    reading, writing = os.pipe()
                    if os.fork() == 0:
                        os.write(writing, repr(random.random()).encode())
                        os._exit(0)
                    os.wait()
                    return [
                        repr(random.random()), os.read(reading, 100).decode(), str(uuid.uuid4()), secrets.token_hex(8)]
                """)
            var drawn: Set<JSONValue> = []
            for number in 0..<100 {
                fixture.change("draw") { $0.environment = [.init(name: "NUMBER", value: "\(number)")] }
                let activation = await fixture.call(function)
                #expect(activation.status == .success, "\(activation.errorText)")
                for value in activation.json.array ?? [] { drawn.insert(value) }
            }
            #expect(drawn.count == 400)
        }
    }

    @Test func nothingOfTheServersEnvironmentIsInAFork() async throws {
        let canary = "canary-\(UUID().uuidString)"
        setenv("WEIR_TEST_CANARY", canary, 1)
        defer { unsetenv("WEIR_TEST_CANARY") }
        try await withZygote { fixture in
            let function = try fixture.python(
                "search",
                """
                import gc, os
                def main(args):
                    wanted = args["first"] + args["second"]
                    found = [type(one).__name__ for one in gc.get_objects() if wanted in repr(one)[:10000] and one is not args]
                    return [wanted in "".join(os.environ.values()), len(found)]
                """)
            let activation = await fixture.call(
                function,
                ["first": .string(String(canary.prefix(12))), "second": .string(String(canary.dropFirst(12)))])
            #expect(activation.coldStart?.way == .zygote)
            // The search itself holds what it looks for, in its frame.
            let found = activation.json.array ?? []
            #expect(found.first == false && (found.last?.integer ?? 9) <= 1, "\(activation.json.text)")
        }
    }

    static let ends: [(String, Activation.Status, String)] = [
        ("os._exit(7)", .developerError, "ended with status 7"),
        ("os.abort()", .developerError, "killed by signal 6 (SIGABRT)"),
        ("os.kill(os.getpid(), 9)", .developerError, "killed by signal 9"),
    ]

    @Test(arguments: Self.ends) func howAForkEndsIsToldByTheZygote(
        _ statement: String, _ status: Activation.Status, _ text: String
    ) async throws {
        try await withZygote { fixture in
            let function = try fixture.python("ends", "import os\ndef main(args): \(statement)")
            let activation = await fixture.call(function)
            #expect(activation.coldStart?.way == .zygote)
            #expect(activation.status == status)
            #expect(activation.errorText.contains(text), "\(activation.errorText)")
        }
    }

    @Test func whatAForkLeavesEndsWithItsSandbox() async throws {
        try await withZygote { fixture in
            let function = try fixture.python(
                "leaves",
                """
                import os, time
                def main(args):
                    if os.fork() == 0:
                        os.setsid()
                        time.sleep(1000)
                    os._exit(0)
                """)
            let before = fixture.processes.count
            #expect(await fixture.call(function).status == .developerError)
            await eventually("all of it is gone") { fixture.processes.count <= before }
        }
    }

    /// The program is a child of the zygote, not of its sandbox's process 1: it must be found all the same.
    @Test(arguments: [3, 2]) func aForkWhoseFunctionLeavesProcessesIsNotUsedAgain(isolation: Int) async throws {
        try await withZygote(isolation: isolation) { fixture in
            let function = try fixture.python(
                "leaver",
                """
                import subprocess, threading
                def leave(): subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
                def main(args):
                    if args.get("how") == "thread":
                        one = threading.Thread(target=leave); one.start(); one.join()
                    elif args.get("how"): leave()
                """)
            for how in ["main", "thread"] {
                let first = await fixture.call(function, ["how": .string(how)])
                #expect(first.status == .success, "\(first.errorText)")
                await eventually("the worker and what it left are gone") { fixture.invoker.workerCount == 0 }
                let second = await fixture.call(function)
                #expect(second.status == .success && second.coldStart != nil, "\(how)")
                #expect(await fixture.call(function).coldStart == nil, "nothing was left: used again")
            }
        }
    }

    @Test func aForkThatDoesNotEndIsKilledInTime() async throws {
        try await withZygote { fixture in
            let function = try fixture.python("slow", "import time\ndef main(args): time.sleep(1000)") {
                $0.timeout = 300
            }
            let activation = await fixture.call(function)
            #expect(activation.status == .timeout)
            let other = try fixture.python("other", "def main(args): return 1")
            #expect(await fixture.call(other).coldStart?.way == .zygote, "the zygote lives on")
        }
    }

    @Test func anotherWayIsTakenWhenTheZygoteIsLost() async throws {
        try await withZygote { fixture in
            // The one process with the interpreter's arguments that forks.
            for process in fixture.processes {
                let arguments = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/cmdline"))) ?? Data()
                if String(decoding: arguments, as: UTF8.self).hasSuffix("\0zygote\0") { kill(process, SIGKILL) }
            }
            let function = try fixture.python("late", "def main(args): return 1")
            let activation = await fixture.call(function)
            #expect(activation.status == .success, "\(activation.errorText)")
            await eventually("there is a new one") {
                fixture.invoker.snapshot().stems.contains { $0.zygote == "ready" }
            }
        }
    }

    @Test func stemsAreForksToo() async throws {
        try await withZygote(stems: 2) { fixture in
            await eventually("stems wait") { fixture.invoker.snapshot().stems.contains { $0.ready == 2 } }
            let function = try fixture.python(
                "f", "import sys\ndef main(args): return 'weir_runner.forking' in sys.modules")
            let activation = await fixture.call(function)
            #expect(activation.coldStart?.way == .stem, "\(String(describing: activation.coldStart))")
            #expect(activation.json == true, "it is a fork")
        }
    }
}
