import Channels
import Logging
import Synchronization

/// What works where one partition is, beside the subscriptions; called for one thing after the other.
protocol PartitionTenant: Sendable {
    var partition: Int { get }
    /// The partition is this server's. When it throws, it is called again.
    func take() async throws
    func release(isLost: Bool) async
}

/// Delivery of one channel on this server: its shared reader, its subscriptions, and which partitions are this server's.
///
/// Where servers share the partitions, it holds what the group gives it: a partition that comes is taken up by all
/// subscriptions where they left it, one that goes is put down by all of them first.
final class ChannelDelivery: PartitionHolder {
    private struct State {
        var runners: [SubscriptionKey: SubscriptionRunner] = [:]
        var tenants: [SubscriptionKey: any PartitionTenant] = [:]
        /// Partitions whose states are at hand, so that subscriptions can work on them.
        var held: Set<Int> = []
        /// Partitions that came and are not held yet.
        var taking: [Int: Task<Void, Never>] = [:]
        var isJoined = false
    }

    /// How far the subscriptions may lie behind the foremost for the shared reader to begin at the hindmost.
    private static let sharedBacklog: UInt64 = 50_000

    let channel: any Channel
    let router: ChannelRouter
    let ledger: DeliveryLedger
    private let drain: Int64
    private let clock: DeliveryClock
    private let log: Logger
    private let onReader: @Sendable (ChannelRouter, Int) -> Void
    private let state = Mutex(State())
    /// Held while subscriptions or partitions come or go.
    private let lock = AsyncLock()

    /// - Parameter onReader: starts the reader of a partition.
    init(
        channel: any Channel, ledger: DeliveryLedger, drain: Int64, clock: DeliveryClock, log: Logger,
        onReader: @escaping @Sendable (ChannelRouter, Int) -> Void
    ) {
        self.channel = channel
        self.ledger = ledger
        self.drain = drain
        self.clock = clock
        self.log = log
        self.onReader = onReader
        router = ChannelRouter(channel: channel, clock: clock, log: log)
    }

    /// The partitions that are this server's now.
    var partitions: [Int] { state.withLock { $0.held.sorted() } }

    // MARK: Subscriptions

    /// Adds a subscription.
    func add(
        _ key: SubscriptionKey, _ make: @Sendable ([Int]) async throws -> SubscriptionRunner
    ) async throws -> SubscriptionRunner {
        let (runner, joins) = try await lock.with {
            if channel.sharing == nil, partitions.isEmpty { holdAll() }
            let runner = try await make(partitions)
            return state.withLock { state in
                state.runners[key] = runner
                defer { state.isJoined = true }
                return (runner, !state.isJoined)
            }
        }
        if joins, let sharing = channel.sharing { join(sharing) }
        return runner
    }

    /// Asks for a share of the partitions until it is granted: brokers may be down when a server starts.
    private func join(_ sharing: any PartitionSharing) {
        Task {
            var isTold = false
            while state.withLock({ $0.isJoined }) {
                do throws(ChannelError) {
                    return try await sharing.join(self)
                } catch {
                    if error.code == .closed { return }
                    if !isTold {
                        log.error(
                            "a channel cannot be shared; it is tried again",
                            metadata: ["channel": "\(channel.name)", "error": "\(error)"])
                    }
                    isTold = true
                    await clock.sleep(1_000)
                }
            }
        }
    }

    /// Takes a subscription out; it has been stopped.
    func remove(_ key: SubscriptionKey) async {
        await lock.with { state.withLock { _ = $0.runners.removeValue(forKey: key) } }
    }

    /// Adds what works where a partition is.
    func add(_ key: SubscriptionKey, _ tenant: any PartitionTenant) async throws {
        try await lock.with {
            if partitions.contains(tenant.partition) { try await tenant.take() }
            state.withLock { $0.tenants[key] = tenant }
        }
    }

    /// Ends what works where a partition is.
    func removeTenant(_ key: SubscriptionKey) async {
        await lock.with {
            let tenant = state.withLock { $0.tenants.removeValue(forKey: key) }
            await tenant?.release(isLost: false)
        }
    }

    var isEmpty: Bool { state.withLock { $0.runners.isEmpty } }

    /// All partitions of a channel that is not shared.
    private func holdAll() {
        for partition in 0..<router.partitionCount {
            router.open(partition, at: channel.bounds(ofPartition: partition).next)
            state.withLock { _ = $0.held.insert(partition) }
            onReader(router, partition)
        }
    }

    // MARK: Partitions

    func take(_ partition: Int) async {
        let task = Task { await takeUp(partition) }
        state.withLock { $0.taking[partition] = task }
    }

    /// Until it is done or the partition goes: the brokers that hold its states may be away for a while.
    private func takeUp(_ partition: Int) async {
        while !Task.isCancelled {
            let isDone = await lock.with {
                guard !Task.isCancelled else { return true }
                do {
                    try await ledger.open(partition)
                    state.withLock { _ = $0.held.insert(partition) }
                    let runners = state.withLock { Array($0.runners.values) }
                    for runner in runners { try await runner.take(partition) }
                    for tenant in tenants(of: partition) { try await tenant.take() }
                    await openReader(partition, runners)
                    return true
                } catch {
                    // It went again meanwhile, or the server ends.
                    if Task.isCancelled { return true }
                    log.error(
                        "a partition cannot be taken up; it is tried again",
                        metadata: [
                            "channel": "\(channel.name)", "partition": "\(partition)", "error": "\(error)",
                        ])
                    return false
                }
            }
            if isDone { break }
            await clock.sleep(1_000)
        }
    }

    private func openReader(_ partition: Int, _ runners: [SubscriptionRunner]) async {
        var positions: [UInt64] = []
        for runner in runners { if let one = await runner.position(ofPartition: partition) { positions.append(one) } }
        let foremost = positions.max() ?? channel.bounds(ofPartition: partition).next
        let start = positions.filter { $0 + Self.sharedBacklog >= foremost }.min() ?? foremost
        router.open(partition, at: start)
        onReader(router, partition)
    }

    private func tenants(of partition: Int) -> [any PartitionTenant] {
        state.withLock { $0.tenants.values.filter { $0.partition == partition } }
    }

    func release(_ partition: Int, isLost: Bool) async {
        let taking = state.withLock { $0.taking.removeValue(forKey: partition) }
        taking?.cancel()
        await taking?.value
        await lock.with {
            await router.close(partition)
            let runners = state.withLock { state in
                state.held.remove(partition)
                return Array(state.runners.values)
            }
            await withDiscardingTaskGroup { group in
                for runner in runners {
                    group.addTask { await runner.release(partition, within: self.drain, isLost: isLost) }
                }
                for tenant in tenants(of: partition) { group.addTask { await tenant.release(isLost: isLost) } }
            }
            await ledger.close(partition, isLost: isLost)
        }
    }

    /// Ends the readers and gives all partitions up; its subscriptions have been stopped, or go on elsewhere.
    func stop() async {
        let (wasJoined, taking) = state.withLock { state in
            defer { state.isJoined = false }
            return (state.isJoined, Array(state.taking.values))
        }
        for task in taking { task.cancel() }
        if wasJoined { await channel.sharing?.leave() }
        for partition in 0..<router.partitionCount { await router.close(partition) }
        await ledger.tell()
    }
}
