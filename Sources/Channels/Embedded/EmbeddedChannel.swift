package import CloudEvents
import Synchronization

/// A channel in a folder of its own; see ``EmbeddedLogStore``.
///
/// One commit is under way at a time: it takes what queued up while the last one waited for the disk (group commit),
/// so the disk's own slowness makes the batches, and no timer is needed.
package final class EmbeddedChannel: Channel {
    struct Settings: Sendable {
        var spec: ChannelSpec
        var partitions: [Partition]

        /// Small enough that retention by size, which takes whole segments, can keep its word.
        var segmentBytes: Int {
            let share = spec.retentionBytes.map { max($0 / Int64(4 * spec.partitions), 4 << 10) } ?? .max
            return Int(min(spec.segmentBytes, share))
        }
    }

    package let name: String
    let directory: String
    let environment: PartitionEnvironment
    let threads: LogThreads
    private let clock: @Sendable () -> Int64
    private let commitBytes: Int
    let settings: Mutex<Settings>
    private let queue = Mutex(CommitQueue())
    /// Read from the disk when the first event comes; touched by the commit under way only.
    private let window = Mutex<DuplicateWindow?>(nil)

    init(
        name: String, directory: String, environment: PartitionEnvironment, threads: LogThreads,
        clock: @escaping @Sendable () -> Int64, commitBytes: Int, settings: Settings
    ) {
        self.name = name
        self.directory = directory
        self.environment = environment
        self.threads = threads
        self.clock = clock
        self.commitBytes = commitBytes
        self.settings = Mutex(settings)
    }

    package var spec: ChannelSpec { settings.withLock { $0.spec } }

    package var partitionCount: Int { settings.withLock { $0.partitions.count } }

    private func partition(_ number: Int) throws(ChannelError) -> Partition {
        let partitions = settings.withLock { $0.partitions }
        guard partitions.indices.contains(number) else {
            throw ChannelError(
                .outOfRange, "channel \(name) has no partition \(number): there are \(partitions.count)")
        }
        return partitions[number]
    }

    // MARK: Writing

    package func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        guard !events.isEmpty else { return [] }
        let (routes, bytes) = try route(events)
        let result = await withCheckedContinuation { continuation in
            let request = AppendRequest(events: events, routes: routes, bytes: bytes, continuation: continuation)
            let (isClosed, start) = queue.withLock { queue in
                queue.isClosed ? (true, false) : (false, queue.add(request))
            }
            if isClosed {
                continuation.resume(
                    returning: .failure(ChannelError(.closed, "channel \(name) is being closed; try again later")))
            }
            if start { threads.writers.submit { self.drain() } }
        }
        return try result.get()
    }

    private func route(_ events: [EventRecord]) throws(ChannelError) -> ([AppendRequest.Route], Int) {
        let (count, remembers) = settings.withLock { ($0.partitions.count, $0.spec.duplicateWindow > 0) }
        var bytes = 0
        var routes: [AppendRequest.Route] = []
        routes.reserveCapacity(events.count)
        for event in events {
            let size = event.bytes.count
            guard size <= environment.largestRecord else {
                throw ChannelError(
                    .recordTooLarge,
                    "an event of \(size) bytes is too large for channel \(name): at most \(environment.largestRecord)")
            }
            bytes += size + RecordFrame.headerLength
            event.withView { view in
                let attributes = RoutingAttributes(view)
                routes.append(
                    .init(
                        partition: Partitioner.partition(of: attributes, among: count),
                        identity: remembers ? environment.key.identity(of: attributes) : nil))
            }
        }
        guard bytes <= 1 << 30 else {
            throw ChannelError(.recordTooLarge, "one call may append 1 GiB at most, not \(bytes) bytes: split it")
        }
        return (routes, bytes)
    }

    /// Runs `work` where no commit runs beside it, on a thread that may block.
    func exclusively<Success: Sendable>(_ work: @escaping @Sendable () -> Success) async -> Success {
        await withCheckedContinuation { continuation in
            let start = queue.withLock { $0.add { continuation.resume(returning: work()) } }
            if start { threads.writers.submit { self.drain() } }
        }
    }

    /// The writer's loop; on a writer thread, at most once at a time.
    private func drain() {
        while let turn = queue.withLock({ $0.next(bytes: commitBytes) }) {
            switch turn {
            case .work(let work): work()
            case .appends(let requests):
                // Several partitions: the last of their threads goes on with the loop.
                guard commit(requests) else { return }
            }
            if threads.writers.hasWork {
                threads.writers.submit { self.drain() }
                return
            }
        }
    }

    /// - Returns: whether the commit is done; otherwise its last thread calls ``drain()``.
    private func commit(_ requests: [AppendRequest]) -> Bool {
        let plan = window.withLock { window in
            // Out of the variable while it changes, so that the window is not copied.
            var open = window.take() ?? remembered()
            let plan = CommitPlan(requests, window: &open)
            window = open
            return plan
        }
        let (partitions, segmentBytes) = settings.withLock { ($0.partitions, $0.segmentBytes) }
        let now = clock()
        let write = { @Sendable (index: Int) -> Result<UInt64, ChannelError> in
            let (number, batch) = plan.batches[index]
            guard !batch.records.isEmpty else { return .success(0) }
            return partitions[number].write(batch, now: now, segmentBytes: segmentBytes)
        }
        if plan.batches.count <= 1 {
            finish(plan, plan.batches.indices.map(write))
            return true
        }
        let gathering = Gathering(count: plan.batches.count)
        for index in plan.batches.indices.dropFirst() {
            threads.writers.submit {
                guard let results = gathering.add(index, write(index)) else { return }
                self.finish(plan, results)
                self.drain()
            }
        }
        // Not by calling drain() here: the loop that called this goes on, and the stack does not grow.
        guard let results = gathering.add(0, write(0)) else { return false }
        finish(plan, results)
        return true
    }

    private func finish(_ plan: CommitPlan, _ results: [Result<UInt64, ChannelError>]) {
        window.withLock { window in
            guard var open = window.take() else { return }
            plan.withdraw(results, from: &open)
            window = open
        }
        plan.answer(results)
    }

    /// The window as the segments remember it.
    private func remembered() -> DuplicateWindow {
        let (partitions, capacity) = settings.withLock { ($0.partitions, $0.spec.duplicateWindow) }
        var window = DuplicateWindow(capacity: capacity)
        guard capacity > 0 else { return window }
        var sources = partitions.map { Partition.Identities($0) }
        var newest: [EventIdentity] = []
        while newest.count < capacity {
            var best: (source: Int, entry: IdentityEntry)?
            for index in sources.indices {
                guard let entry = sources[index].peek() else { continue }
                if best.map({ entry.appended > $0.entry.appended }) ?? true { best = (index, entry) }
            }
            guard let best else { break }
            newest.append(best.entry.identity)
            sources[best.source].drop()
        }
        for identity in newest.reversed() { _ = window.insert(identity) }
        return window
    }

    /// Takes new settings; more partitions may be asked for, fewer not.
    package func apply(_ spec: ChannelSpec) async throws(ChannelError) {
        let outcome = await exclusively { () -> Result<Void, ChannelError> in
            do throws(ChannelError) { return .success(try self.change(spec)) } catch { return .failure(error) }
        }
        try outcome.get()
    }

    private func change(_ spec: ChannelSpec) throws(ChannelError) {
        let old = settings.withLock { $0 }
        guard old.spec != spec else { return }
        let partitions = try ChannelFolder(
            name: name, directory: directory, environment: environment, now: clock()
        ).grow(old.partitions, to: spec.partitions)
        settings.withLock { $0 = Settings(spec: spec, partitions: partitions) }
        if old.spec.duplicateWindow != spec.duplicateWindow { window.withLock { $0 = nil } }
    }

    /// Writes what is queued, refuses what comes later and lets waiters go.
    package func close() async {
        queue.withLock { $0.close() }
        await exclusively {
            for partition in self.settings.withLock({ $0.partitions }) { partition.close() }
        }
    }

    // MARK: Reading

    package func bounds(ofPartition partition: Int) -> OffsetBounds {
        (try? self.partition(partition))?.bounds ?? OffsetBounds(first: 0, next: 0, bytes: 0)
    }

    package func read(
        partition: Int, from offset: UInt64, limit: ReadLimit
    ) async throws(ChannelError) -> RecordBatch {
        let partition = try self.partition(partition)
        // Nothing there: no thread need be asked.
        if partition.state.withLock({ $0.next }) == offset {
            // Who waits for more is let go when the channel is closed, and must be told not to come again.
            guard !queue.withLock({ $0.isClosed }) else { throw ChannelError(.closed, "channel \(name) is closed") }
            return RecordBatch(partition: partition.number, storage: [], entries: [], nextOffset: offset)
        }
        let result = await threads.readers.run { () -> Result<RecordBatch, ChannelError> in
            do throws(ChannelError) {
                return .success(try partition.read(from: offset, limit: limit))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    package func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 {
        let partition = try self.partition(partition)
        let result = await threads.readers.run { () -> Result<UInt64, ChannelError> in
            do throws(ChannelError) {
                return .success(try partition.offset(atOrAfter: milliseconds))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    package func waitForRecords(partition: Int, from offset: UInt64) async {
        guard let partition = try? self.partition(partition) else { return }
        await partition.waitForRecords(from: offset)
    }
}
