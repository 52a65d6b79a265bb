import CloudEvents
import Foundation
import Functions
import Glibc
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.fewAtATime, .serialized, .enabled(if: ContainerFixture.missing == nil, "\(ContainerFixture.missing ?? "")"))
struct ContainerCallTests {
    @Test(arguments: OCIRuntime.Kind.allCases)
    func anActionIsInitialisedOnceAndRunWithItsLog(_ kind: OCIRuntime.Kind) async throws {
        try await withContainers(kind) { fixture in
            let action = try await fixture.action(
                "greet",
                """
                import os, sys
                count = 0
                def main(args):
                    global count
                    count += 1
                    print("out", count); print("err", count, file=sys.stderr)
                    return {"hello": args["name"], "count": count, "p": args["p"],
                            "activation": os.environ["__OW_ACTIVATION_ID"], "action": os.environ["__OW_ACTION_NAME"]}
                """, parameters: ["p": 1, "name": "nobody"])
            let first = await fixture.call(action, ["name": "a"])
            #expect(first.status == .success, "\(first.text) \(first.lines)")
            #expect(first.value["hello"]?.string == "a" && first.value["p"]?.integer == 1)
            #expect(first.value["activation"]?.string == first.id && first.value["action"]?.string == "/default/greet")
            #expect(Set(first.lines) == ["o out 1", "e err 1"])
            #expect(first.coldStart?.way == .container && first.initMilliseconds != nil)
            let second = await fixture.call(action, ["name": "b"])
            #expect(second.value["count"]?.integer == 2 && second.coldStart == nil, "the same container")
            #expect(Set(second.lines) == ["o out 2", "e err 2"], "each call has its own log")
            #expect(first.isolation >= 2)
        }
    }

    @Test func manyCallsOfAJobRunInOrder() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "count",
                "n = 0\ndef main(args):\n    global n\n    n += 1\n    print('call', args['i'])\n    return {'n': n, 'i': args['i']}"
            )
            let answers = await fixture.invoker.invoke(
                action, calls: (0..<20).map { FunctionCall(input: .arguments(["i": .integer($0)])) })
            #expect(answers.map { $0.value["n"]?.integer } == (1...20).map { Int64($0) })
            #expect(answers.enumerated().allSatisfy { $1.lines == ["o call \($0)"] })
        }
    }

    @Test func failuresAreToldAsOpenWhiskTellsThem() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "fail",
                """
                import os, time
                def main(args):
                    kind = args["kind"]
                    if kind == "error": return {"error": "said so"}
                    if kind == "raise": raise ValueError("thrown")
                    if kind == "number": return 7
                    if kind == "exit":
                        os.write(2, b"." * 60000 + b"\\nlast words\\n")
                        os._exit(3)
                    if kind == "large": return {"x": "y" * (2 << 20)}
                    return {"pid": os.getpid(), "start": args.get("x")}
                """)
            let said = await fixture.call(action, ["kind": "error"])
            #expect(said.status == .applicationError && said.value["error"]?.string == "said so")
            #expect(await fixture.call(action, ["kind": "fine"]).coldStart == nil, "the container goes on")
            let large = await fixture.call(action, ["kind": "large"])
            #expect(large.status == .applicationError && large.text.contains("exceeded the allowed length"))
            #expect(await fixture.call(action, ["kind": "fine"]).coldStart == nil, "the container goes on")
            let raised = await fixture.call(action, ["kind": "raise"])
            #expect(raised.status == .developerError && raised.text.contains("thrown"), "\(raised.text)")
            #expect(raised.lines.contains { $0.contains("ValueError") }, "\(raised.lines)")
            #expect(await fixture.call(action, ["kind": "fine"]).coldStart != nil, "another container took over")
            let number = await fixture.call(action, ["kind": "number"])
            #expect(number.status == .developerError && number.text.contains("valid JSON"))
            let exited = await fixture.call(action, ["kind": "exit"])
            #expect(exited.status == .developerError, "\(exited.text)")
            #expect(exited.text.contains("status 3") || exited.text.contains("exited unexpectedly"), "\(exited.text)")
            #expect(exited.lines.last == "e last words", "\(exited.lines.suffix(2))")
            #expect(await fixture.call(action, ["kind": "fine"]).status == .success)
        }
    }

    @Test func codeThatDoesNotLoadIsADeveloperError() async throws {
        try await withContainers { fixture in
            let broken = try await fixture.action("broken", "def main(:")
            let answer = await fixture.call(broken)
            #expect(answer.status == .developerError && answer.text.contains("SyntaxError"), "\(answer.text)")
            #expect(answer.lines.contains { $0.contains("SyntaxError") }, "\(answer.lines)")
            var image = try PythonImage.image("action_server.py")
            image.config["Cmd"] = ["/bin/sh", "-c", "echo nothing to do here; exit 4"]
            let ends = try await fixture.add("ends", image, .openWhisk)
            let ended = await fixture.call(ends)
            #expect(ended.status == .developerError && ended.text.contains("status 4"), "\(ended.text)")
            #expect(ended.lines == ["o nothing to do here"])
        }
    }

    @Test func aCallThatTakesTooLongIsKilledAndTheNextOneServed() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "sleep",
                "import time\ndef main(args):\n    print('begins', flush=True)\n    time.sleep(args.get('s', 0))\n    return {}"
            ) { $0.timeout = 12_000 }
            #expect(await fixture.call(action).status == .success)
            let late = await fixture.call(action, ["s": 600])
            #expect(late.status == .timeout && late.text.contains("12 s"), "\(late.text)")
            #expect(late.lines == ["o begins"])
            #expect(await fixture.call(action).status == .success)
        }
    }

    @Test(arguments: [OCIRuntime.Kind.runc, .crun])
    func whatNeedsTooMuchMemoryIsEndedAndToldAsThat(_ kind: OCIRuntime.Kind) async throws {
        try await withContainers(kind) { fixture in
            guard fixture.launcher.isolation?.limitsTrees == true else {
                print("skipped: no control group limits the memory of a tree on this host")
                return
            }
            let action = try await fixture.action(
                "eat",
                "def main(args):\n    b = bytearray(args.get('mb', 0) << 20)\n    b[::4096] = b'x' * len(b[::4096])\n    return {}"
            ) { $0.memory = 96 << 20 }
            #expect(await fixture.call(action, ["mb": 8]).status == .success)
            let greedy = await fixture.call(action, ["mb": 400])
            #expect(greedy.status == .developerError && greedy.text.contains("memory"), "\(greedy.text)")
            #expect(await fixture.call(action, ["mb": 8]).status == .success)
        }
    }

    @Test func imagesOfUsersNeedNoMarks() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "silent", "def main(args):\n    print('line', args['i'], flush=True)\n    return {}", isSilent: true)
            for index in 0..<4 {
                let answer = await fixture.call(action, ["i": .integer(Int64(index))])
                #expect(answer.status == .success && answer.lines == ["o line \(index)"], "\(answer.lines)")
            }
        }
    }

    @Test func aFloodOfOutputIsCut() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "flood", "def main(args):\n    for _ in range(20000): print('x' * 100)\n    return {'done': 1}"
            ) { $0.logs = 10_000 }
            let answer = await fixture.call(action)
            #expect(answer.status == .success && answer.logsTruncated && answer.logs.count < 200)
            let next = await fixture.call(action)
            #expect(next.status == .success)
        }
    }

    @Test(arguments: OCIRuntime.Kind.allCases)
    func eventsTravelToAServerAndBack(_ kind: OCIRuntime.Kind) async throws {
        try await withContainers(kind) { fixture in
            let function = try await fixture.add(
                "events", try PythonImage.image("event_server.py"), .cloudEvents, parameters: ["p": 5])
            func event(_ want: String) async -> Activation {
                let event = CloudEvent(
                    id: "e-\(want)", source: "test:s", type: "test.t", subject: "/a",
                    datacontenttype: "application/json", data: .json(Array(#"{"want":"\#(want)"}"#.utf8)))
                return await fixture.invoker.invoke(
                    function, call: FunctionCall(input: .event(EventRecord(event)), cause: .init(eventID: event.id)))
            }
            let seen = await event("seen")
            #expect(seen.status == .success, "\(seen.text) \(seen.lines)")
            #expect(seen.value["headers"]?["ce-id"]?.string == "e-seen")
            #expect(seen.value["headers"]?["weir-activation-id"]?.string == seen.id)
            #expect(seen.value["environment"]?["WEIR_PARAMETERS"]?.string == #"{"p":5}"#)
            #expect(seen.lines == ["o event e-seen of test.t"])
            #expect(await event("nothing").result == Answer.null)
            #expect(await event("binary").published.first?.id == "r-e-binary")
            #expect(await event("structured").published.first?.type == "test.reply")
            #expect(await event("batch").published.map(\.id) == ["0", "1"])
            #expect(await event("text").value.string == "as it is: é")
            let failed = await event("fail")
            #expect(failed.status == .applicationError && failed.value["error"]?.string == "no luck")
            #expect(await event("large").text.contains("bytes"))
            #expect(await event("exit").status == .developerError)
            let asked = await fixture.call(function, ["q": 1])
            #expect(asked.value["data"]?["q"]?.integer == 1 && asked.value["data"]?["p"]?.integer == 5)
            #expect(asked.coldStart != nil, "the one before had ended")
        }
    }

    @Test func aContainerSeesNothingOfTheHost() async throws {
        try await withContainers { fixture in
            let action = try await fixture.action(
                "look",
                """
                import os, socket
                def attempt(body):
                    try: return str(body())
                    except OSError as error: return type(error).__name__ + " " + str(error.errno)
                def main(args):
                    def connect(family, kind, address):
                        with socket.socket(family, kind) as s:
                            s.settimeout(2); s.connect(address); return "connected"
                    return {
                        "processes": [p for p in os.listdir("/proc") if p.isdigit()],
                        "out": attempt(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80))),
                        "host": attempt(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", args["port"]))),
                        "raw": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
                        "mount": attempt(lambda: os.listdir(args["folder"])),
                        "device": attempt(lambda: os.mknod("/tmp/d", 0o60600, os.makedev(8, 0))),
                        "owner": os.stat("/").st_uid, "user": os.getuid(),
                        "environment": "PATH" in os.environ and not any("SECRET" in n for n in os.environ),
                        "capabilities": [l for l in open("/proc/self/status") if l.startswith(("CapEff", "NoNewPrivs"))],
                    }
                """)
            let answer = await fixture.call(
                action, ["port": .integer(Int64(fixture.registry.port)), "folder": .string(fixture.folder.path)])
            let value = answer.value
            #expect(answer.status == .success, "\(answer.text)")
            #expect((value["processes"]?.array?.count ?? 9) <= 3, "\(answer.text)")
            #expect(value["out"]?.string?.contains("connected") == false)
            #expect(value["host"]?.string == "ConnectionRefusedError 111")
            #expect(value["raw"]?.string?.contains("Error") == true)
            #expect(value["mount"]?.string == "FileNotFoundError 2")
            #expect(value["device"]?.string?.contains("Error") == true, "\(answer.text)")
            #expect(value["owner"]?.integer == 0 && value["environment"]?.bool == true)
            #expect(value["capabilities"]?.text.contains("0000000000000000") == true, "\(answer.text)")
        }
    }
}
