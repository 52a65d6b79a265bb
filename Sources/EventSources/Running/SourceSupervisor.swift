package import Channels
package import Logging
import ServiceLifecycle

/// Runs the sources: starts, stops and replaces them as their specifications change, and starts a failing one again.
package actor SourceSupervisor: Service {
    /// Makes the running part of a specification; `nil` for one that does not run (`http`).
    package typealias Make = @Sendable (SourceID, SourceSpec, SourceOutput) throws -> (any EventSource)?
    /// Finds the channels of a source: that of its events, and that of its dead letters.
    package typealias FindChannels =
        @Sendable (SourceID, SourceSpec) async throws -> (events: any Channel, deadLetters: any Channel)
    /// Waits for some nanoseconds, or throws when it is cancelled.
    package typealias Pause = @Sendable (Int64) async throws -> Void

    private struct Entry {
        var spec: SourceSpec
        var report: SourceReport
        var task: Task<Void, Never>?
    }

    private let make: Make
    private let channels: FindChannels
    private let pause: Pause
    private let clock: SourceClock
    private let logger: Logger
    private var entries: [SourceID: Entry] = [:]
    /// Sources that were removed and are still ending.
    private var ending: [SourceID: Task<Void, Never>] = [:]
    private var isRunning = false

    package init(
        logger: Logger, clock: SourceClock = .system,
        pause: @escaping Pause = { try await Task.sleep(for: .nanoseconds($0)) }, channels: @escaping FindChannels,
        make: @escaping Make
    ) {
        self.logger = logger
        self.clock = clock
        self.pause = pause
        self.channels = channels
        self.make = make
    }

    /// Makes a source be as specified; one that is so already is left alone.
    package func apply(_ id: SourceID, _ spec: SourceSpec) {
        if let entry = entries[id], entry.spec == spec { return }
        let previous = entries[id]?.task ?? ending.removeValue(forKey: id)
        let report = SourceReport()
        entries[id] = Entry(spec: spec, report: report, task: previous)
        if isRunning { start(id) } else { previous?.cancel() }
    }

    /// Stops a source and returns when it has ended.
    package func remove(_ id: SourceID) async {
        guard let entry = entries.removeValue(forKey: id), let task = entry.task else { return }
        task.cancel()
        ending[id] = task
        await task.value
        if ending[id] == task { ending[id] = nil }
    }

    /// Where what is posted to a source goes; `nil` when there is no such source, or it takes nothing that is posted.
    package func webhook(_ id: SourceID) async throws -> (spec: WebhookSpec, output: SourceOutput)? {
        guard let entry = entries[id], case .webhook(let webhook) = entry.spec.kind else { return nil }
        let found = try await channels(id, entry.spec)
        return (webhook, SourceOutput(channel: found.events, deadLetters: found.deadLetters, report: entry.report))
    }

    package func status(of id: SourceID) -> SourceStatus? { entries[id]?.report.snapshot }

    /// All sources with their specifications and states, by name.
    package func statuses() -> [(id: SourceID, spec: SourceSpec, status: SourceStatus)] {
        entries.map { ($0.key, $0.value.spec, $0.value.report.snapshot) }
            .sorted { $0.id.description < $1.id.description }
    }

    /// Runs the sources until the group shuts down; returns when all have ended.
    package func run() async throws {
        isRunning = true
        for id in entries.keys { start(id) }
        // Returns on graceful shutdown and on cancellation alike.
        try? await gracefulShutdown()
        isRunning = false
        let tasks = entries.values.compactMap(\.task) + ending.values
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    private func start(_ id: SourceID) {
        guard let entry = entries[id] else { return }
        let previous = entry.task
        previous?.cancel()
        entries[id]?.task = Task {
            // The old one must have ended, for both keep their state under one name.
            await previous?.value
            await keepRunning(id, entry.spec, entry.report)
        }
    }

    private nonisolated func keepRunning(_ id: SourceID, _ spec: SourceSpec, _ report: SourceReport) async {
        var restarts = RestartMachine()
        while !Task.isCancelled {
            let began = clock.steady()
            do {
                let found = try await channels(id, spec)
                let output = SourceOutput(channel: found.events, deadLetters: found.deadLetters, report: report)
                guard let source = try make(id, spec, output) else {
                    report.running()
                    return
                }
                try await source.run()
                report.change { $0.state = .stopped(finished: !Task.isCancelled) }
                return
            } catch {
                if Task.isCancelled { break }
                report.failing("\(error)")
                logger.warning("A source fails", metadata: ["source": "\(id)", "why": "\(error)"])
                let wait = restarts.failed(afterWorking: clock.steady() - began)
                guard (try? await pause(wait)) != nil else { break }
            }
        }
        report.change { $0.state = .stopped(finished: false) }
    }
}
