import Channels
import CloudEvents
import Logging

/// Runs one subscription: feeds its machine, does what it asks, keeps its progress.
actor SubscriptionRunner {
    /// What one subscription is made of.
    struct Parts: Sendable {
        var key: SubscriptionKey
        var spec: SubscriptionSpec
        var visibility: EventVisibility
        var sink: any Sink
        var router: ChannelRouter
        var ledger: DeliveryLedger
        /// A channel of the namespace by name.
        var channel: @Sendable (String) -> (any Channel)?
        var clock: DeliveryClock
        var log: Logger
        /// Where the partitions ended when the first server began with this subscription, where that counts in place of now.
        var began: (@Sendable () async throws -> [UInt64]?)?
    }

    /// What is done beside the actor, as children of ``run()``.
    enum Job: Sendable {
        case step
        case deliver(batch: UInt32, [Parcel])
        case bury(slot: UInt32, AppendMarks.Event, EventRecord)
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
    let writing = AsyncLock()
    var stored: [Int: DeliveryState] = [:]
    /// When the marks of a partition were kept last, by the clock of delivery.
    var marked: [Int: Int64] = [:]
    var marks = AppendMarks()
    var failure: String?
    var isStopping = false
    let filter: CompiledFilter
    let mailbox: Mailbox
    let id: SubscriptionIndex.ID
    let jobs: AsyncStream<Job>
    let jobQueue: AsyncStream<Job>.Continuation

    private init(parts: Parts) {
        self.parts = parts
        machine = DeliveryMachine(policy: parts.spec.policy)
        if parts.spec.paused { machine.pause() }
        filter = CompiledFilter(parts.spec.filters)
        // Unbounded, but what is put in is bounded by the machine's concurrency, one read a partition and one wake-up.
        (jobs, jobQueue) = AsyncStream.makeStream(of: Job.self)
        mailbox = Mailbox(limit: parts.spec.policy.maximumPending) { [jobQueue] in jobQueue.yield(.step) }
        id = parts.router.add(parts.spec.filters, visibility: parts.visibility, mailbox: mailbox)
    }

    /// Makes a subscription go on where it was, or begin where its policy says, in the partitions that are this server's;
    /// where that is, is durable on return.
    static func make(_ parts: Parts, partitions: [Int]) async throws -> SubscriptionRunner {
        let states = try await starts(parts, partitions)
        let runner = SubscriptionRunner(parts: parts)
        await runner.begin(states)
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
        _ = await persist(ending: machine.openPartitions.filter { !machine.isBusy($0) })
        parts.ledger.leave(parts.key)
        jobQueue.finish()
        await parts.sink.close()
    }

    func status() -> SubscriptionStatus {
        drainMailbox()
        let now = parts.clock.now()
        let partitions = machine.openPartitions.map { partition in
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
}
