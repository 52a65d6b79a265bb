import CloudEvents
import EventSources
import Foundation
import Logging
import Synchronization
import Testing

@Suite struct SourceSupervisorTests {
    private struct Broken: Error, CustomStringConvertible { let description: String }

    /// A source that follows a script: how many times it fails before it works.
    private final class Scripted: EventSource {
        let report: SourceReport
        let counter: Counter
        let failures: Int

        init(report: SourceReport, counter: Counter, failures: Int) {
            (self.report, self.counter, self.failures) = (report, counter, failures)
        }

        func run() async throws {
            let start = counter.begin()
            defer { counter.end() }
            if start <= failures { throw Broken(description: "broken \(start)") }
            report.running()
            try await Task.sleep(for: .seconds(3_600))
        }
    }

    private final class Counter: Sendable {
        private let state = Mutex((starts: 0, now: 0, most: 0))
        var starts: Int { state.withLock { $0.starts } }
        var now: Int { state.withLock { $0.now } }
        var most: Int { state.withLock { $0.most } }
        func begin() -> Int {
            state.withLock {
                $0.starts += 1
                $0.now += 1
                $0.most = max($0.most, $0.now)
                return $0.starts
            }
        }
        func end() { state.withLock { $0.now -= 1 } }
    }

    private let id = SourceID(namespace: "default", name: "x")

    private func supervisor(_ counter: Counter, failures: Int, pauses: Counter = Counter()) -> SourceSupervisor {
        SourceSupervisor(
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            pause: { _ in
                _ = pauses.begin()
                await Task.yield()
            },
            channels: { _, _ in (MemoryChannel(), MemoryChannel("dead")) },
            make: { _, spec, output in
                if case .http = spec.kind { return nil }
                return Scripted(report: output.report, counter: counter, failures: failures)
            })
    }

    private func folder(_ directory: String) -> SourceSpec {
        SourceSpec(kind: .folder(FolderSpec(directory: directory)), channel: "c")
    }

    @Test func aFailingSourceIsStartedAgainUntilItWorks() async throws {
        let counter = Counter()
        let pauses = Counter()
        let supervisor = supervisor(counter, failures: 3, pauses: pauses)
        await supervisor.apply(id, folder("/a"))
        let running = Task { try await supervisor.run() }
        try await eventually("it runs") { await supervisor.status(of: id)?.state == .running }
        #expect(counter.starts == 4)
        #expect(pauses.starts == 3)
        running.cancel()
        try await running.value
        #expect(counter.now == 0)
        #expect(await supervisor.status(of: id)?.state == .stopped(finished: false))
    }

    @Test func aFailureIsShownWithItsReason() async throws {
        let counter = Counter()
        let supervisor = supervisor(counter, failures: .max)
        let running = Task { try await supervisor.run() }
        await supervisor.apply(id, folder("/a"))
        try await eventually("it fails") {
            if case .failing(let why, let since) = await supervisor.status(of: id)?.state {
                return why.hasPrefix("broken") && since > 0
            }
            return false
        }
        running.cancel()
        try await running.value
    }

    @Test func aChangedSpecificationReplacesAndTwoNeverRunAtOnce() async throws {
        let counter = Counter()
        let supervisor = supervisor(counter, failures: 0)
        let running = Task { try await supervisor.run() }
        await supervisor.apply(id, folder("/a"))
        try await eventually("it runs") { counter.now == 1 }
        await supervisor.apply(id, folder("/a"))
        #expect(counter.starts == 1, "the same specification changes nothing")
        for name in ["/b", "/c", "/d"] { await supervisor.apply(id, folder(name)) }
        try await eventually("the last runs") { await supervisor.status(of: id)?.state == .running && counter.now == 1 }
        #expect(await supervisor.statuses().map(\.spec) == [folder("/d")])
        await supervisor.remove(id)
        #expect(counter.now == 0)
        #expect(counter.most == 1)
        #expect(await supervisor.status(of: id) == nil)
        running.cancel()
        try await running.value
    }

    @Test func anHTTPSourceRunsWithoutARunningPart() async throws {
        let counter = Counter()
        let supervisor = supervisor(counter, failures: 0)
        let running = Task { try await supervisor.run() }
        await supervisor.apply(id, SourceSpec(kind: .http, channel: "c"))
        try await eventually("it runs") { await supervisor.status(of: id)?.state == .running }
        #expect(counter.starts == 0)
        running.cancel()
        try await running.value
    }

    @Test func theWaitDoublesUpToAHalfMinuteAndAHealthyRunClearsIt() {
        var machine = RestartMachine()
        let waits = (0..<10).map { _ in machine.failed(afterWorking: 0) / 1_000_000 }
        #expect(waits == [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
        #expect(machine.failed(afterWorking: RestartMachine.healthy) == RestartMachine.first)
    }
}
