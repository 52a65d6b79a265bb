import CloudEvents
import Foundation
import Functions
import Sandboxes
import Synchronization
import TestSupport
import Testing

@testable import Invocation

/// What workers do while nobody calls: nothing; and those that are kept ready.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct IdleWorkerTests {
    /// Clock ticks that the fixture's processes have used.
    private func ticks(_ fixture: InvocationFixture) -> Int {
        fixture.processes.reduce(0) { sum, pid in
            let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            let fields = stat.split(separator: ")").last?.split(separator: " ").map(String.init) ?? []
            return sum + (fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0)
        }
    }

    @Test(arguments: [3, 0]) func aThreadThatGoesOnAfterTheAnswerUsesNoProcessorUntilTheNextCall(isolation: Int)
        async throws
    {
        try await withInvoker(idleGrace: 600_000, isolation: isolation) { fixture in
            let function = try fixture.python(
                "busy",
                """
                import threading
                count = 0
                def loop():
                    global count
                    while True: count += 1
                def main(args):
                    if args.get("start"): threading.Thread(target=loop, daemon=True).start()
                    return count
                """)
            _ = await fixture.call(function, ["start": true])
            await eventually("it is frozen") {
                fixture.invoker.state.withLock { $0.machine.workers.values.allSatisfy(\.isFrozen) }
            }
            // The request may still be on its way to the processes.
            var last = -1
            await eventually("it stands still") {
                let now = ticks(fixture)
                defer { last = now }
                return now == last
            }
            // A thread that runs would use ticks of 10 ms in any of these.
            for _ in 0..<10 {
                try await Task.sleep(for: .milliseconds(30))
                #expect(ticks(fixture) == last)
            }
            let second = await fixture.call(function)
            #expect(second.status == .success && (second.json.integer ?? 0) > 0)
        }
    }

    @Test func aFrozenWorkerAnswersAndIsKilledLikeAnyOther() async throws {
        try await withInvoker(idleGrace: 300) { fixture in
            let function = try fixture.python("pid", "import os\ndef main(args): return 1")
            for _ in 0..<3 {
                #expect(await fixture.call(function).status == .success)
                await eventually("it is frozen") {
                    fixture.invoker.state.withLock { $0.machine.workers.values.allSatisfy(\.isFrozen) }
                }
            }
            await eventually("it goes when its time is over") {
                fixture.invoker.workerCount == 0 && fixture.processes.isEmpty
            }
        }
    }

    @Test func whatIsToBeKeptReadyIsStartedBeforeAnyCall() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("kept", "def main(args): return 1") { $0.scaling.minimum = 2 }
            let version = try #require(fixture.version(namespace: "default", name: "kept", digest: nil))
            fixture.invoker.settle(namespace: "default", name: "kept", current: version)
            await eventually("two workers are ready") {
                fixture.invoker.state.withLock { state in
                    state.machine.workers.count == 2 && state.machine.workers.values.allSatisfy { $0.phase == .idle }
                }
            }
            let first = await fixture.call(function)
            #expect(first.status == .success)
            // The start was for nobody; the call that comes first tells of it.
            #expect(first.coldStart?.reason.hasPrefix("2 workers are kept ready; ") == true)
            fixture.invoker.settle(namespace: "default", name: "kept", current: nil)
            #expect(fixture.invoker.state.withLock { $0.machine.pools.values.allSatisfy { $0.definition.floor == 0 } })
        }
    }
}
