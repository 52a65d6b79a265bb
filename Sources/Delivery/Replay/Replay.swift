package import Channels
package import CloudEvents
import Synchronization

/// Runs filters over a past range of a channel, into a sink or only to count. A subscription's own progress is not
/// touched.
package struct Replay: Sendable {
    /// One end of the range.
    package enum Position: Sendable, Hashable {
        case offset(UInt64)
        /// Milliseconds since 1970, of the append.
        case time(Int64)
    }

    /// What a dry run says.
    package struct Estimate: Sendable {
        package var scanned: UInt64 = 0
        package var matches: UInt64 = 0
        /// Bytes of the matching records.
        package var bytes: UInt64 = 0
        /// The first of them.
        package var samples: [EventRecord] = []
        /// What running them one after another would take, in nanoseconds; `nil` when a run's time is not known.
        package var nanoseconds: Double?
    }

    /// How far a replay is.
    package struct Report: Sendable, Hashable {
        package var scanned: UInt64 = 0
        package var matches: UInt64 = 0
        package var delivered: UInt64 = 0
        package var failed: UInt64 = 0
        /// Records that are no longer there.
        package var lost: UInt64 = 0
        package var lastError: String?

        package init() {}
    }

    package var channel: any Channel
    package var filters: [Filter]
    /// What who asks may see.
    package var visibility: EventVisibility
    /// `nil`: the oldest record.
    package var from: Position?
    /// Not included; `nil`: the end as it is when the replay begins.
    package var to: Position?

    package init(
        channel: any Channel, filters: [Filter], visibility: EventVisibility, from: Position? = nil,
        to: Position? = nil
    ) {
        self.channel = channel
        self.filters = filters
        self.visibility = visibility
        self.from = from
        self.to = to
    }

    /// Counts without delivering.
    ///
    /// - Parameter meanRun: nanoseconds that a run takes by experience.
    package func dryRun(samples: Int = 10, meanRun: Double? = nil) async throws(ChannelError) -> Estimate {
        var estimate = Estimate()
        try await scan { batch, matching, scanned in
            estimate.scanned += UInt64(scanned)
            estimate.matches += UInt64(matching.count)
            for index in matching {
                estimate.bytes += UInt64(batch.withView(at: Int(index)) { $0.bytes.count })
                if estimate.samples.count < samples { estimate.samples.append(batch.record(at: Int(index))) }
            }
        }
        estimate.nanoseconds = meanRun.map { $0 * Double(estimate.matches) }
        return estimate
    }

    /// Delivers what matches: `batchSize` events together, at most `concurrency` batches at a time, each event at most
    /// `attempts` times. Ends early when the task is cancelled.
    ///
    /// - Parameters:
    ///   - keep: makes replies durable; called before an event counts as delivered. Throwing counts as a failure.
    ///   - progress: told after each batch that was read.
    package func run(
        into sink: any Sink, batchSize: Int = 64, concurrency: Int = 8, attempts: Int = 3,
        clock: DeliveryClock = .system,
        keep: @escaping @Sendable ([EventRecord]) async throws -> Void,
        progress: @escaping @Sendable (Report) -> Void = { _ in }
    ) async throws(ChannelError) -> Report {
        let report = Mutex(Report())
        try await scan(lost: { lost in report.withLock { $0.lost += lost } }) { batch, matching, scanned in
            report.withLock {
                $0.scanned += UInt64(scanned)
                $0.matches += UInt64(matching.count)
            }
            let parts = stride(from: 0, to: matching.count, by: batchSize).map {
                matching[$0..<min($0 + batchSize, matching.count)]
            }
            await withTaskGroup(of: Report.self) { group in
                for (number, part) in parts.enumerated() {
                    if number >= concurrency, let done = await group.next() { report.withLock { $0.add(done) } }
                    let parcels = part.map { index in
                        Parcel(
                            event: batch.record(at: Int(index)), partition: batch.partition,
                            offset: batch.entries[Int(index)].offset, attempt: 1,
                            appended: batch.entries[Int(index)].appended)
                    }
                    group.addTask { await Self.deliver(parcels, sink, attempts, clock, keep) }
                }
                for await done in group { report.withLock { $0.add(done) } }
            }
            progress(report.withLock { $0 })
        }
        return report.withLock { $0 }
    }

    private static func deliver(
        _ all: [Parcel], _ sink: any Sink, _ attempts: Int, _ clock: DeliveryClock,
        _ keep: @Sendable ([EventRecord]) async throws -> Void
    ) async -> Report {
        var report = Report()
        var open = all
        for attempt in 1...max(1, attempts) {
            let answers = await sink.deliver(open)
            var again: [Parcel] = []
            var longest: Int64 = 0
            for (index, parcel) in open.enumerated() {
                var outcome = index < answers.count ? answers[index].outcome : .retry("no answer")
                if outcome == .delivered, !answers[index].replies.isEmpty {
                    do { try await keep(answers[index].replies) } catch { outcome = .retry("\(error)") }
                }
                switch outcome {
                case .delivered: report.delivered += 1
                case .rejected(let why):
                    report.failed += 1
                    report.lastError = why
                case .retry(let why, let after):
                    report.lastError = why
                    longest = max(longest, after ?? 200 << Int64(min(attempt, 8)))
                    again.append(parcel)
                    again[again.count - 1].attempt = attempt + 1
                }
            }
            open = again
            if open.isEmpty || Task.isCancelled { break }
            if attempt < attempts { await clock.sleep(longest) }
        }
        report.failed += UInt64(open.count)
        return report
    }

    // MARK: Scanning

    /// Calls `body` with each batch and the indices that match; nothing is allocated per event.
    private func scan(
        lost: (UInt64) -> Void = { _ in },
        _ body: (RecordBatch, ContiguousArray<UInt32>, Int) async -> Void
    ) async throws(ChannelError) {
        let filter = CompiledFilter(filters)
        for partition in 0..<channel.partitionCount {
            let bounds = channel.bounds(ofPartition: partition)
            var position = try await resolve(from, partition, bounds) ?? bounds.first
            let end = min(try await resolve(to, partition, bounds) ?? bounds.next, bounds.next)
            while position < end, !Task.isCancelled {
                let batch = try await channel.read(
                    partition: partition, from: position, limit: ReadLimit(records: 4096, bytes: 4 << 20))
                guard batch.nextOffset > position else { break }
                for gap in batch.gaps { lost(UInt64(gap.offsets.count)) }
                let (matching, scanned) = Self.matches(batch, filter, visibility, before: end)
                await body(batch, matching, scanned)
                position = batch.nextOffset
            }
        }
    }

    /// The records of a batch that pass and lie before `end`, and how many of it lie there.
    package static func matches(
        _ batch: RecordBatch, _ filter: CompiledFilter, _ visibility: EventVisibility, before end: UInt64 = .max
    ) -> (matching: ContiguousArray<UInt32>, scanned: Int) {
        var matching: ContiguousArray<UInt32> = []
        var scanned = batch.count
        while scanned > 0, batch.entries[scanned - 1].offset >= end { scanned -= 1 }
        batch.forEachView { index, view in
            if index < scanned, filter.matches(view), visibility.allows(view) { matching.append(UInt32(index)) }
        }
        return (matching, scanned)
    }

    private func resolve(
        _ position: Position?, _ partition: Int, _ bounds: OffsetBounds
    ) async throws(ChannelError) -> UInt64? {
        switch position {
        case nil: nil
        case .offset(let offset): max(bounds.first, min(offset, bounds.next))
        case .time(let time): try await channel.offset(partition: partition, atOrAfter: time)
        }
    }
}

extension Replay.Report {
    fileprivate mutating func add(_ other: Replay.Report) {
        delivered += other.delivered
        failed += other.failed
        lastError = other.lastError ?? lastError
    }
}
