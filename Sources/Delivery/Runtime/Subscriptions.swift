package import AsyncHTTPClient
package import Channels
import CloudEvents
package import Invocation
package import Logging
package import Outbound
package import Persistence
import ServiceLifecycle
import Synchronization

/// All subscriptions of a server: adds, removes and runs them.
package final class Subscriptions: Service {
    /// A channel by namespace and name; `nil` when there is none.
    package typealias ChannelLookup = @Sendable (_ namespace: String, _ name: String) -> (any Channel)?

    struct State {
        var runners: [SubscriptionKey: SubscriptionRunner] = [:]
        /// By channel.
        var deliveries: [SubscriptionKey: ChannelDelivery] = [:]
        /// By subscription.
        var homes: [SubscriptionKey: ChannelDelivery] = [:]
        /// Of those that gather on a shared channel.
        var gatherings: [SubscriptionKey: SharedGathering] = [:]
        var isStopping = false
    }

    enum Work: Sendable {
        case runner(SubscriptionRunner)
        case reader(ChannelRouter, partition: Int)
    }

    let state = Mutex(State())
    let channels: ChannelLookup
    let store: any StateStore
    let sinks: SinkFactory
    let clock: DeliveryClock
    let drain: Int64
    private let onDrained: @Sendable () async -> Void
    let log: Logger
    private let work: AsyncStream<Work>
    let workQueue: AsyncStream<Work>.Continuation

    /// - Parameters:
    ///   - client: made with ``HTTPSink/clientConfiguration``; shut down by its owner after this service has ended.
    ///   - secrets: what sinks name in place of passwords and tokens.
    ///   - drain: how many milliseconds the end waits for attempts under way.
    ///   - onDrained: ends the calls behind attempts that were still under way then, for ``run()`` returns only when all
    ///     have ended. What such a call answers is no longer heard: its event is delivered again after a restart.
    package init(
        channels: @escaping ChannelLookup, store: any StateStore, invoker: any Invoker, client: HTTPClient,
        secrets: SecretStore = .none, clock: DeliveryClock = .system, drain: Int64 = 10_000,
        onDrained: @escaping @Sendable () async -> Void = {}, log: Logger
    ) {
        self.channels = channels
        self.store = store
        sinks = SinkFactory(
            channels: channels, invoker: invoker, client: client, secrets: secrets, now: clock.now, log: log)
        self.clock = clock
        self.drain = drain
        self.onDrained = onDrained
        self.log = log
        (work, workQueue) = AsyncStream.makeStream(of: Work.self)
    }

    /// Runs what was added and is added, until graceful shutdown or ``shutdown()``.
    package func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await one in work {
                    switch one {
                    case .runner(let runner): group.addTask { await runner.run() }
                    case .reader(let router, let partition): group.addTask { await router.run(partition: partition) }
                    }
                }
                await stopAll()
                await onDrained()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            self.shutdown()
        }
    }

    /// Ends ``run()``: no new attempts, those under way may end, progress is kept.
    package func shutdown() { workQueue.finish() }

    private func stopAll() async {
        let (runners, deliveries) = state.withLock { state in
            state.isStopping = true
            return (Array(state.runners.values), Array(state.deliveries.values))
        }
        await withDiscardingTaskGroup { group in
            for runner in runners { group.addTask { await runner.stop(within: self.drain) } }
        }
        // Where it stands is kept: others may have the partitions now.
        await withDiscardingTaskGroup { group in
            for delivery in deliveries { group.addTask { await delivery.stop() } }
        }
    }

    // MARK: Changes

    /// Adds a subscription, or replaces one of the same name, which goes on where it was.
    ///
    /// - Parameter visibility: what the owner may see; nothing else is ever delivered.
    /// - Throws: ``SubscriptionError``.
    package func add(
        _ key: SubscriptionKey, _ spec: SubscriptionSpec, visibility: EventVisibility = .all
    ) async throws(SubscriptionError) {
        guard let channel = channels(key.namespace, spec.channel) else {
            throw SubscriptionError(
                .noSuchChannel, "subscription \(key): the channel \"\(spec.channel)\" does not exist; create it first")
        }
        await suspend(key)
        let delivery = await delivery(key.namespace, channel)
        guard let gather = spec.gather else {
            return try await begin(key, spec, visibility, sink(key, spec), delivery)
        }
        try await begin(key, gather, spec, visibility, channel, delivery)
    }

    func begin(
        _ key: SubscriptionKey, _ spec: SubscriptionSpec, _ visibility: EventVisibility, _ sink: any Sink,
        _ delivery: ChannelDelivery, began: (@Sendable () async throws -> [UInt64]?)? = nil
    ) async throws(SubscriptionError) {
        do {
            let runner = try await runner(key, spec, visibility, sink, delivery, began: began)
            state.withLock { state in
                state.runners[key] = runner
                state.homes[key] = delivery
            }
            workQueue.yield(.runner(runner))
        } catch {
            throw SubscriptionError(.state, "subscription \(key): where it stands cannot be read or kept: \(error)")
        }
    }

    func runner(
        _ key: SubscriptionKey, _ spec: SubscriptionSpec, _ visibility: EventVisibility, _ sink: any Sink,
        _ delivery: ChannelDelivery, began: (@Sendable () async throws -> [UInt64]?)? = nil
    ) async throws -> SubscriptionRunner {
        let namespace = key.namespace
        let parts = SubscriptionRunner.Parts(
            key: key, spec: spec, visibility: visibility, sink: sink, router: delivery.router,
            ledger: delivery.ledger, channel: { [channels] in channels(namespace, $0) }, clock: clock, log: log,
            began: began)
        return try await delivery.add(key) { partitions in
            try await SubscriptionRunner.make(parts, partitions: partitions)
        }
    }

    /// Removes a subscription and forgets its progress.
    package func remove(_ key: SubscriptionKey) async throws(SubscriptionError) {
        let (runner, home, gathering) = state.withLock { ($0.runners[key], $0.homes[key], $0.gatherings[key]) }
        do {
            try await gathering?.forget([Gatherer.prefix(key), key.gathering.statePrefix])
        } catch {
            throw SubscriptionError(.state, "subscription \(key): what was gathered cannot be removed: \(error)")
        }
        await suspend(key)
        await runner?.parts.sink.removed()
        do {
            // What a server's own store holds is there also when the channel has gone.
            let entries =
                try await store.entries(prefix: key.statePrefix) + store.entries(prefix: Gatherer.prefix(key))
            try await store.put(entries.map { StateEntry(key: $0.key, value: nil) })
            try await home?.ledger.remove(key)
        } catch {
            throw SubscriptionError(.state, "subscription \(key): its progress cannot be removed: \(error)")
        }
        if let home, home.isEmpty { await retire(home) }
    }

    /// Ends the reading of a channel that no subscription here reads any more, and gives its partitions to servers that do.
    private func retire(_ delivery: ChannelDelivery) async {
        let isKnown = state.withLock { state in
            guard let entry = state.deliveries.first(where: { $0.value === delivery }) else { return false }
            state.deliveries[entry.key] = nil
            return true
        }
        if isKnown { await delivery.stop() }
    }

    /// Takes a subscription out of work and keeps where it is, until it is added again: before its channel changes.
    package func suspend(_ key: SubscriptionKey) async {
        let gathering = state.withLock { state -> ChannelDelivery? in
            state.gatherings.removeValue(forKey: key) == nil ? nil : state.homes[key]
        }
        await gathering?.removeTenant(key)
        for one in [key.gathering, key] {
            let (runner, home) = state.withLock { state in
                (state.runners.removeValue(forKey: one), state.homes.removeValue(forKey: one))
            }
            await runner?.stop(within: drain)
            await home?.remove(one)
        }
    }

    package func pause(_ key: SubscriptionKey) async {
        for one in [key.gathering, key] { await runner(one)?.pause() }
    }

    package func resume(_ key: SubscriptionKey) async {
        for one in [key.gathering, key] { await runner(one)?.resume() }
    }

    package func status(_ key: SubscriptionKey) async -> SubscriptionStatus? {
        guard var status = await runner(key)?.status() else { return nil }
        guard let members = runner(key.gathering), let gatherer = members.parts.sink as? Gatherer else { return status }
        // It has got as far as the one of the two that is behind.
        let reading = await members.status()
        for index in status.partitions.indices {
            guard let other = reading.partitions.first(where: { $0.partition == status.partitions[index].partition })
            else { continue }
            status.partitions[index].floor = min(status.partitions[index].floor, other.floor)
            status.partitions[index].age = max(status.partitions[index].age, other.age)
        }
        let gathering = await gatherer.status
        status.gathering = gathering
        if status.state == .running {
            if let why = gathering.failure { status.state = .failing(why) } else { status.state = reading.state }
        }
        return status
    }

    func runner(_ key: SubscriptionKey) -> SubscriptionRunner? { state.withLock { $0.runners[key] } }

    private func delivery(_ namespace: String, _ channel: any Channel) async -> ChannelDelivery {
        let key = SubscriptionKey(namespace: namespace, name: channel.name)
        let (delivery, old) = state.withLock { state -> (ChannelDelivery, ChannelDelivery?) in
            let known = state.deliveries[key]
            if let known {
                // A channel that was deleted and made again has the same name and is another one.
                let isSame = known.channel as AnyObject === channel as AnyObject
                if isSame, known.router.partitionCount == channel.partitionCount { return (known, nil) }
            }
            let made = ChannelDelivery(
                channel: channel, ledger: DeliveryLedger(channel: channel, store: store), drain: drain, clock: clock,
                log: log
            ) { [workQueue] router, partition in workQueue.yield(.reader(router, partition: partition)) }
            state.deliveries[key] = made
            return (made, known)
        }
        await old?.stop()
        return delivery
    }

    /// The sink that a subscription names; to be closed by who asks for it.
    ///
    /// - Parameter isReplay: whether it is for a replay.
    package func sink(_ key: SubscriptionKey, _ spec: SubscriptionSpec, isReplay: Bool = false) -> any Sink {
        sinks.sink(key, spec, isReplay: isReplay)
    }
}

/// Why a subscription could not be changed.
package struct SubscriptionError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable { case noSuchChannel, state }
    package let code: Code
    package let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
