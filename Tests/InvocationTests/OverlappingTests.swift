import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Several calls at a time in one worker.
@Suite(.fewAtATime) struct OverlappingTests {
    private static let coroutine = """
        import asyncio, os
        inside = 0
        arrived = None
        async def handle(event, context):
            global inside, arrived
            if arrived is None: arrived = asyncio.Event()
            print("begin", event.id)
            inside += 1
            if inside == 3: arrived.set()
            await arrived.wait()
            print("end", event.id)
            return [event.id, os.getpid()]
        """
    private static let thread = """
        import os, threading
        barrier = threading.Barrier(3)
        def handle(event, context):
            print("begin", event.id)
            barrier.wait()
            print("end", event.id)
            return [event.id, os.getpid()]
        """
    private static let promise = """
        let inside = 0, arrived, all = new Promise((resolve) => { arrived = resolve; });
        exports.handle = async (event) => {
          console.log("begin", event.id);
          if (++inside === 3) arrived();
          await all;
          console.log("end", event.id);
          return [event.id, process.pid];
        };
        """

    /// Three calls that wait for each other: alone none would ever end.
    private func meet(_ fixture: InvocationFixture, _ function: FunctionReference) async {
        fixture.change(function.name) {
            $0.limits.scaling.concurrentEvents = 3
            $0.limits.concurrency = 1
        }
        let activations = await withTaskGroup(of: Activation?.self) { group in
            for id in ["a", "b", "c"] { group.addTask { await fixture.call(function, events: [event(id)]).first } }
            return await group.reduce(into: [Activation]()) { if let one = $1 { $0.append(one) } }
        }
        #expect(activations.allSatisfy { $0.status == .success }, "\(activations.map(\.errorText))")
        #expect(Set(activations.map { $0.json.array?.last }).count == 1, "one worker ran them all")
        #expect(activations.filter { $0.coldStart != nil }.count == 1)
        for activation in activations {
            let id = activation.json.array?.first?.string ?? "?"
            #expect(activation.logText == ["begin \(id)", "end \(id)"])
            #expect(activation.cause.eventID == id)
        }
    }

    @Test(.enabled(if: InvocationFixture.hasPython, "python3 is not installed")) func coroutinesMeet() async throws {
        try await withInvoker { fixture in await meet(fixture, try fixture.python("meet", Self.coroutine)) }
    }

    @Test(.enabled(if: InvocationFixture.hasPython, "python3 is not installed")) func threadsMeet() async throws {
        try await withInvoker { fixture in await meet(fixture, try fixture.python("meet", Self.thread)) }
    }

    @Test(.enabled(if: InvocationFixture.hasNode, "node is not installed")) func promisesMeet() async throws {
        try await withInvoker { fixture in await meet(fixture, try fixture.javaScript("meet", Self.promise)) }
    }

    @Test(.enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
    func oneThatIsTooSlowDoesNotTakeTheOthersAlong() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "mixed",
                """
                import asyncio
                async def handle(event, context):
                    await asyncio.sleep(1000 if event.id == "slow" else 0)
                    if event.id == "bad": raise ValueError("no")
                    return event.id
                """
            ) { $0.timeout = 1_000 }
            fixture.change("mixed") {
                $0.limits.scaling.concurrentEvents = 4
                $0.limits.concurrency = 1
            }
            async let slow = fixture.call(function, events: [event("slow")])
            let quick = await fixture.call(function, events: ["a", "bad", "b"].map { event($0) })
            #expect(quick.map(\.status) == [.success, .applicationError, .success])
            #expect(quick.map(\.json) == ["a", ["error": "ValueError: no"], "b"])
            #expect(await slow.first?.status == .timeout)
            #expect(await slow.first?.errorText == "the function did not end within 1 s")
            #expect(await fixture.call(function, events: [event("later")]).first?.json == "later")
        }
    }

    @Test(.enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
    func allThatRanInAWorkerThatCrashesFail() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "crash",
                """
                import asyncio, os
                inside = 0
                async def handle(event, context):
                    global inside
                    inside += 1
                    while inside < 2: await asyncio.sleep(0.001)
                    if event.id == "crash": os._exit(7)
                    await asyncio.sleep(1000)
                """)
            fixture.change("crash") {
                $0.limits.scaling.concurrentEvents = 2
                $0.limits.concurrency = 1
            }
            async let other = fixture.call(function, events: [event("other")])
            let crashed = await fixture.call(function, events: [event("crash")])
            for activation in await other + crashed {
                #expect(activation.status == .developerError)
                #expect(
                    activation.errorText
                        == "the function's process ended with status 7 before it answered; 1 more calls ran in it")
            }
        }
    }

    @Test(.enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
    func aHandlerOfBatchesTakesNone() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("batch", "def handle_batch(events, context): return 1")
            fixture.change("batch") { $0.limits.scaling.concurrentEvents = 2 }
            let activation = await fixture.call(function)
            #expect(activation.status == .developerError)
            #expect(
                activation.errorText
                    == "concurrentEvents needs a handler of single events: handle(event, context) or main(args)")
        }
    }

    @Test func theTwoLogPipesHaveTheirOwnMarks() {
        var logs = OverlappingLogs(token: "T", limit: 100)
        func add(_ text: String, toError: Bool) {
            var text = text
            text.withUTF8 { logs.add(UnsafeRawBufferPointer($0), toError: toError, time: 0, observe: nil) }
        }
        add("loaded\n\0T 1 0\nout 1\n\0T 2 0\nou", toError: false)
        add("\0T 1 0\nerr 1\n", toError: true)
        add("t 2\n", toError: false)
        #expect(logs.take(frame: 0)?.lines.map(\.text) == ["loaded"])
        #expect(logs.take(frame: 1)?.lines.map(\.text) == ["out 1", "err 1"])
        #expect(logs.take(frame: 2)?.lines.map(\.text) == ["out 2"])
        add("\0T 3 0\n" + String(repeating: "x", count: 200) + "\n", toError: false)
        let cut = logs.take(frame: 3)
        #expect(cut?.isTruncated == true && cut?.lines.first?.text.count == 100)
    }
}
