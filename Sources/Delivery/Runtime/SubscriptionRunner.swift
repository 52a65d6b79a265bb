import Channels
import CloudEvents
import Logging
import Persistence

/// Runs one subscription: feeds its machine, does what it asks, keeps its progress.
actor SubscriptionRunner {
    /// What one subscription is made of.
    struct Parts: Sendable {
        var key: SubscriptionKey
        var spec: SubscriptionSpec
        var visibility: EventVisibility
        var sink: any Sink
        var router: ChannelRouter
        var store: any StateStore
        /// A channel of the namespace by name.
        var channel: @Sendable (String) -> (any Channel)?
        var clock: DeliveryClock
        var log: Logger
    }

    /// What is done beside the actor, as children of ``run()``.
    enum Job: Sendable {
        case step
        case deliver(batch: UInt32, [Parcel])
        case bury(slot: UInt32, EventRecord)
        case read(partition: Int, from: UInt64)
        case sleep(until: Int64)
        case persist(after: Int64)
    }

    /// A partition that is read by the subscription itself.
    struct OwnReading {
        var isReading = false
        var batch: RecordBatch?
        var cursor = 0
    }

    let parts: Parts
    var machine: DeliveryMachine
    /// By slot of the machine.
    var payloads: ContiguousArray<(batch: RecordBatch, index: Int)?> = []
    /// By partition; a partition that is not here is fed by the shared reader.
    var own: [Int: OwnReading] = [:]
    var attempts: [UInt32: Task<[SinkAnswer], Never>] = [:]
    var random = SystemRandomNumberGenerator()
    var timer: Int64?
    /// Whether progress will be kept without being asked again.
    var isPersisting = false
    /// Whether it is being written: two writes must not overtake each other.
    var isWriting = false
    var stored: [Int: Progress] = [:]
    var failure: String?
    var isStopping = false
    let filter: CompiledFilter
    let mailbox: Mailbox
    let id: SubscriptionIndex.ID
    let jobs: AsyncStream<Job>
    let jobQueue: AsyncStream<Job>.Continuation

    private init(parts: Parts, progress: [Int: Progress]) {
        self.parts = parts
        machine = DeliveryMachine(policy: parts.spec.policy, progress: progress)
        if parts.spec.paused { machine.pause() }
        filter = CompiledFilter(parts.spec.filters)
        // Unbounded, but what is put in is bounded by the machine's concurrency, one read a partition and one wake-up.
        (jobs, jobQueue) = AsyncStream.makeStream(of: Job.self)
        mailbox = Mailbox(limit: parts.spec.policy.maximumPending) { [jobQueue] in jobQueue.yield(.step) }
        id = parts.router.add(parts.spec.filters, visibility: parts.visibility, mailbox: mailbox)
        for partition in progress.keys { own[partition] = OwnReading() }
    }

    /// Makes a subscription go on where it was, or begin where its policy says; where that is, is durable on return.
    static func make(_ parts: Parts) async throws -> SubscriptionRunner {
        var progress: [Int: Progress] = [:]
        let prefix = parts.key.statePrefix
        for entry in try await parts.store.entries(prefix: prefix) {
            guard let partition = Int(entry.key.dropFirst(prefix.count)), let value = entry.value else { continue }
            progress[partition] = Progress(value)
        }
        let channel = parts.router.channel
        var fresh: [StateEntry] = []
        let isKnown = !progress.isEmpty
        for partition in 0..<channel.partitionCount where progress[partition] == nil {
            let bounds = channel.bounds(ofPartition: partition)
            let start: UInt64 =
                switch parts.spec.policy.start {
                // A partition that came after the subscription is new to it from its first event on.
                case _ where isKnown: bounds.first
                case .latest: bounds.next
                case .earliest: bounds.first
                case .time(let time): try await channel.offset(partition: partition, atOrAfter: time)
                case .offset(let offset): min(offset, bounds.next)
                case .offsets(let offsets): min(offsets[partition] ?? bounds.next, bounds.next)
                }
            let one = Progress(floor: start)
            progress[partition] = one
            fresh.append(StateEntry(key: prefix + String(partition), value: one.encoded()))
        }
        if !fresh.isEmpty { try await parts.store.put(fresh) }
        let runner = SubscriptionRunner(parts: parts, progress: progress)
        runner.jobQueue.yield(.step)
        return runner
    }

    /// Works until ``stop(within:)``; what is under way then has ended when it returns.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs {
                if case .step = job { step() } else { group.addTask { await self.perform(job) } }
            }
            group.cancelAll()
        }
    }

    // MARK: Control

    func pause() { machine.pause() }

    func resume() {
        machine.resume()
        step()
    }

    /// Begins no new attempt, waits for those under way at most so many milliseconds, and keeps the progress.
    func stop(within limit: Int64) async {
        isStopping = true
        let end = parts.clock.now() + limit
        while machine.inFlight > 0 || machine.dying > 0, parts.clock.now() < end { await parts.clock.sleep(5) }
        for task in attempts.values { task.cancel() }
        drainMailbox()
        parts.router.remove(id)
        mailbox.close()
        while isWriting { await parts.clock.sleep(1) }
        _ = await persist()
        jobQueue.finish()
        await parts.sink.close()
    }

    func status() -> SubscriptionStatus {
        drainMailbox()
        let now = parts.clock.now()
        let partitions = (0..<parts.router.channel.partitionCount).map { partition in
            let floor = machine.progress(ofPartition: partition)?.floor ?? 0
            let unread = own[partition]?.batch.map { $0.entries[own[partition]?.cursor ?? 0].appended }
            let oldest = machine.oldestAppended(partition: partition) ?? unread
            return SubscriptionStatus.Partition(
                partition: partition, floor: floor,
                end: parts.router.channel.bounds(ofPartition: partition).next, age: oldest.map { max(0, now - $0) } ?? 0
            )
        }
        let state: SubscriptionStatus.State =
            machine.isPaused ? .paused : failure.map { .failing($0) } ?? .running
        return SubscriptionStatus(
            state: state, partitions: partitions, inFlight: machine.inFlight, pending: machine.pending,
            waiting: machine.waiting, counts: machine.counts)
    }

    // MARK: Progress

    func schedulePersist() {
        guard !isPersisting else { return }
        isPersisting = true
        jobQueue.yield(.persist(after: 25))
    }

    var hasUnkeptProgress: Bool {
        (0..<parts.router.channel.partitionCount).contains { machine.progress(ofPartition: $0) != stored[$0] }
    }

    /// Writes what has changed; whether it is on disk.
    func persist() async -> Bool {
        var entries: [StateEntry] = []
        var changed: [Int: Progress] = [:]
        for partition in 0..<parts.router.channel.partitionCount {
            guard let progress = machine.progress(ofPartition: partition), stored[partition] != progress else {
                continue
            }
            changed[partition] = progress
            entries.append(StateEntry(key: parts.key.statePrefix + String(partition), value: progress.encoded()))
        }
        guard !entries.isEmpty else { return true }
        do throws(PersistenceError) {
            try await parts.store.put(entries)
            stored.merge(changed) { $1 }
            return true
        } catch {
            parts.log.error(
                "the progress of a subscription cannot be kept; events will be delivered again after a restart",
                metadata: ["subscription": "\(parts.key)", "error": "\(error)"])
            return false
        }
    }
}
