import CloudEvents
import Foundation
import Functions
import Sandboxes
import Synchronization
import TestSupport
import Testing

@testable import Invocation

/// Workers that functions of one namespace share.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct SharedWorkerTests {
    private static let counting = """
        import os
        print("loading")
        calls = 0
        def main(args):
            global calls
            calls += 1
            print("call", calls)
            return {"name": __name__, "calls": calls, "pid": os.getpid(), "asked": args.get("x"), "own": args.get("own")}
        """

    /// Adds a function that shares workers, one at most.
    @discardableResult
    private func shared(
        _ fixture: InvocationFixture, _ name: String, _ source: String, parameters: JSONObject = [:],
        _ change: (inout FunctionVersion.Limits) -> Void = { _ in }
    ) throws -> FunctionReference {
        try fixture.python(name, source, parameters: parameters) {
            $0.scaling.isShared = true
            $0.concurrency = 1
            change(&$0)
        }
    }

    /// As workers come to be: by exec, of a stem, of a zygote; at all levels.
    @Test(arguments: [(0, false), (1, false), (2, true), (3, true), (3, false)])
    func manyFunctionsShareOneWorkerAndNothingElse(isolation: Int, hasStems: Bool) async throws {
        var policy = StemPolicy(floor: hasStems ? 1 : 0, maximum: hasStems ? 1 : 0)
        policy.hasZygote = hasStems
        try await withInvoker(isolation: isolation, stems: policy) { fixture in
            if hasStems {
                fixture.invoker.prepareStems(for: [.python])
                await eventually("a stem waits") { fixture.waitingStems("python-256MiB") > 0 }
            }
            let functions = try (0..<20).map {
                try shared(fixture, "f\($0)", Self.counting, parameters: ["own": .integer(Int64($0))])
            }
            var workers: Set<JSONValue> = []
            for round in 1...3 {
                for (number, function) in functions.enumerated() {
                    let activation = await fixture.call(function, ["x": .integer(Int64(number))])
                    #expect(activation.status == .success, "\(activation.errorText) \(activation.logText)")
                    let result = activation.json
                    #expect(result["calls"] == .integer(Int64(round)), "each has its own module")
                    #expect(result["asked"] == .integer(Int64(number)) && result["own"] == .integer(Int64(number)))
                    #expect(activation.logText == (round == 1 ? ["loading", "call 1"] : ["call \(round)"]))
                    #expect((activation.coldStart != nil) == (round == 1 && number == 0))
                    #expect(activation.function.name == function.name)
                    if let pid = result["pid"] { workers.insert(pid) }
                }
            }
            #expect(workers.count == 1)
            #expect(fixture.invoker.workerCount - fixture.waitingStems("python-256MiB") <= 2)
        }
    }

    @Test func aNewVersionIsLoadedBesideTheOldOne() async throws {
        try await withInvoker { fixture in
            let function = try shared(fixture, "f", "import os\ndef main(args): return [1, os.getpid()]")
            let first = await fixture.call(function).json.array
            try shared(fixture, "f", "import os\ndef main(args): return [2, os.getpid()]")
            let second = await fixture.call(function).json.array
            #expect(first?.first == 1 && second?.first == 2 && first?.last == second?.last)
        }
    }

    @Test func allKindsOfHandlersAreCalled() async throws {
        try await withInvoker { fixture in
            let one = try shared(
                fixture, "one", "async def handle(event, context): return [event.id, context.function]")
            let all = try shared(
                fixture, "all", "def handle_batch(events, context): return [len(events), context.function]")
            let events = (0..<10).map { event("e\($0)") }
            for _ in 0..<2 {
                let ones = await fixture.call(one, events: events)
                #expect(ones.map(\.json) == events.map { [.string($0.id), "one"] })
                let batch = await fixture.call(all, events: events)
                #expect(batch.map(\.json) == events.map { _ in [10, "all"] })
            }
        }
    }

    @Test func whatCannotBeLoadedFailsAlone() async throws {
        try await withInvoker { fixture in
            let good = try shared(fixture, "good", Self.counting)
            let before = await fixture.call(good).json["pid"]
            let wrong = [
                ("syntax", "def main(args:\n", "SyntaxError"),
                ("raises", "print('so far')\nraise ValueError('no')\ndef main(args): pass", "ValueError: no"),
                ("empty", "x = 1", "defines none of"),
                ("exits", "import sys\nsys.exit(3)", "sys.exit(3)"),
            ]
            for (name, source, reason) in wrong {
                let function = try shared(fixture, name, source)
                for _ in 0..<2 {
                    let activation = await fixture.call(function)
                    #expect(activation.status == .developerError)
                    #expect(activation.errorText.hasPrefix("the code could not be loaded: "), "\(activation.errorText)")
                    #expect(activation.errorText.contains(reason), "\(activation.errorText)")
                    if name == "raises" { #expect(activation.logText.first == "so far") }
                }
            }
            let after = await fixture.call(good)
            #expect(after.json["calls"] == 2 && after.json["pid"] == before)
        }
    }

    @Test func whatEndsTheWorkerWhileItIsLoadedIsNotTriedForEver() async throws {
        try await withInvoker { fixture in
            let ends = try shared(fixture, "ends", "import os\nos._exit(3)\ndef main(args): pass")
            let good = try shared(fixture, "good", Self.counting)
            let failed = await fixture.call(ends)
            #expect(failed.status == .developerError)
            #expect(failed.errorText.contains("ended with status 3"), "\(failed.errorText)")
            #expect(await fixture.call(good).status == .success)
            let endless = try fixture.python("endless", "while True: pass\ndef main(args): pass") {
                $0.scaling.isShared = true
                $0.timeout = 300
            }
            let late = await fixture.call(endless)
            #expect(late.status == .timeout, "\(late.errorText)")
            #expect(await fixture.call(good).status == .success)
        }
    }

    /// What one function has left in the memory of a worker must not be another one's failure.
    @Test func aWorkerThatIsFullIsReplacedBeforeTheNextFunctionSuffers() async throws {
        try await withInvoker { fixture in
            var cold = 0
            for number in 0..<12 {
                let function = try shared(
                    fixture, "large\(number)",
                    "kept = bytearray(24 << 20)\ndef main(args): return len(kept)"
                ) { $0.memory = 128 << 20 }
                let activation = await fixture.call(function)
                #expect(activation.status == .success, "\(number): \(activation.errorText)")
                if activation.coldStart != nil { cold += 1 }
            }
            #expect(cold > 1)
        }
    }

    /// A thread that a function left ends the process while another one is loaded: that one is loaded elsewhere.
    @Test func aWorkerThatAnotherFunctionEndsIsNoFaultOfTheOneThatIsLoaded() async throws {
        try await withInvoker { fixture in
            let bomb = try shared(
                fixture, "bomb",
                "import os, threading\ndef main(args):\n    threading.Timer(0.05, lambda: os._exit(9)).start()\n    return 1"
            )
            let slow = try shared(
                fixture, "slow",
                // Beside the other function's thread it waits for that; alone it has nothing to wait for.
                "import threading\nfor one in threading.enumerate():\n    if isinstance(one, threading.Timer): one.join()\n"
                    + "def main(args): return \"loaded\"")
            #expect(await fixture.call(bomb).json == 1)
            let activation = await fixture.call(slow)
            #expect(activation.json == "loaded", "\(activation.errorText)")
        }
    }

    @Test func whatAFunctionSaysAfterItsAnswerIsNotTheNextOnesLog() async throws {
        // A frozen worker says nothing before it is thawed for the next call, whose words these are then.
        try await withInvoker(configure: { $0.freezeAfter = nil }) { fixture in
            let late = try shared(
                fixture, "late",
                "import threading\ndef main(args): threading.Timer(0.05, lambda: print(\"late\", flush=True)).start()")
            let next = try shared(fixture, "next", "print(\"loading\")\ndef main(args): print(\"called\")")
            // Once for a function that is loaded by that, once for one that is there already.
            for expected in [["loading", "called"], ["called"]] {
                _ = await fixture.call(late)
                await eventually("the late line has come") {
                    fixture.invoker.state.withLock { Array($0.sessions.values) }.contains { session in
                        (session as? WorkerSession)?.state.withLock { !$0.logs.isEmpty } == true
                    }
                }
                #expect(await fixture.call(next).logText == expected)
            }
        }
    }

    @Test func whatAnotherAPIGaveACallIsGoneForTheNextFunction() async throws {
        try await withInvoker { fixture in
            let action = try shared(
                fixture, "action", "import os\ndef main(args): return os.environ.get(\"__OW_API_KEY\")")
            let code =
                "import os\nfound = os.environ.get(\"__OW_API_KEY\")\ndef handle(event, context): return [found, os.environ.get(\"__OW_API_KEY\")]"
            let before = try shared(fixture, "before", code)
            #expect(await fixture.call(before, events: [event("a")]).first?.json == [nil, nil])
            var call = FunctionCall(input: .arguments([:]))
            call.environment = Array(#"{"__OW_API_KEY":"secret"}"#.utf8)
            #expect(await fixture.invoker.invoke(action, call: call).json == "secret")
            #expect(await fixture.call(before, events: [event("b")]).first?.json == [nil, nil])
            let after = try shared(fixture, "after", code)
            #expect(await fixture.invoker.invoke(action, call: call).json == "secret")
            #expect(await fixture.call(after, events: [event("c")]).first?.json == [nil, nil])
            #expect(await fixture.call(action).json == .null)
        }
    }

    @Test func aCallThatEndsTheWorkerCostsTheOthersNothing() async throws {
        try await withInvoker { fixture in
            let good = try shared(fixture, "good", Self.counting)
            let bad = try shared(fixture, "bad", "import os\ndef main(args): os._exit(7)")
            _ = await fixture.call(good)
            let activations = await withTaskGroup(of: Activation.self) { group in
                for number in 0..<12 {
                    let function = number % 4 == 1 ? bad : good
                    group.addTask { await fixture.call(function) }
                }
                return await group.reduce(into: [Activation]()) { $0.append($1) }
            }
            for activation in activations {
                let isBad = activation.function.name == "bad"
                #expect(activation.status == (isBad ? .developerError : .success), "\(activation.errorText)")
            }
        }
    }

    @Test func otherLimitsAreOtherWorkersAndWhoDoesNotShareHasItsOwn() async throws {
        try await withInvoker { fixture in
            let first = await fixture.call(try shared(fixture, "a", Self.counting)).json["pid"]
            let memory = await fixture.call(try shared(fixture, "b", Self.counting) { $0.memory = 128 << 20 })
            let own = await fixture.call(try fixture.python("c", Self.counting))
            #expect(memory.status == .success && own.status == .success)
            #expect(own.json["name"] == "c" && memory.coldStart != nil && own.coldStart != nil)
            let again = await fixture.call(try shared(fixture, "d", Self.counting))
            #expect(again.json["pid"] == first && again.coldStart == nil)
            #expect(fixture.invoker.workerCount == 3)
        }
    }

    @Test func aWorkerThatHasLoadedManyIsReplaced() async throws {
        try await withInvoker(maximumWorkers: 2) { fixture in
            var cold = 0
            for number in 0..<(LoadedFunctions.limit + 5) {
                let function = try shared(fixture, "f", "def main(args): return \(number)")
                let activation = await fixture.call(function)
                #expect(activation.json == .integer(Int64(number)), "\(activation.errorText)")
                if activation.coldStart != nil { cold += 1 }
            }
            #expect(cold == 2)
        }
    }
}
