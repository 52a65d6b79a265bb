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

    private struct State {
        var runners: [SubscriptionKey: SubscriptionRunner] = [:]
        /// By channel.
        var deliveries: [SubscriptionKey: ChannelDelivery] = [:]
        /// By subscription.
        var homes: [SubscriptionKey: ChannelDelivery] = [:]
        var isStopping = false
    }

    private enum Work: Sendable {
        case runner(SubscriptionRunner)
        case reader(ChannelRouter, partition: Int)
    }

    private let state = Mutex(State())
    private let channels: ChannelLookup
    private let store: any StateStore
    private let sinks: SinkFactory
    private let clock: DeliveryClock
    private let drain: Int64
    private let onDrained: @Sendable () async -> Void
    private let log: Logger
    private let work: AsyncStream<Work>
    private let workQueue: AsyncStream<Work>.Continuation

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
        if spec.gather != nil, channel.sharing != nil {
            throw SubscriptionError(
                .state,
                "subscription \(key): \"gather\" needs a channel of the server's own log: of a shared one, the members of a "
                    + "group may come to several servers")
        }
        await suspend(key)
        let delivery = await delivery(key.namespace, channel)
        guard let gather = spec.gather else {
            return try await begin(key, spec, visibility, sink(key, spec), delivery)
        }
        // One that puts members together and one that delivers what came of it, by the same channel. The second is there
        // first, so that it begins before anything that the first makes.
        var groups = spec
        groups.filters = Gatherer.filter(key)
        groups.policy.start = .latest
        try await begin(key, groups, .all, sink(key, spec), delivery)
        let namespace = key.namespace
        let gatherer = Gatherer(key, gather, store: store, clock: clock, log: log) { [channels] in
            channels(namespace, spec.channel)
        }
        var members = spec
        members.policy = Gatherer.policy(spec.policy)
        do throws(SubscriptionError) {
            try await begin(key.gathering, members, visibility, gatherer, delivery)
        } catch {
            await suspend(key)
            throw error
        }
        await gatherer.start { [weak self] ends in
            guard let partitions = await self?.runner(key.gathering)?.status().partitions else { return false }
            return partitions.allSatisfy { $0.floor >= ends[$0.partition] } && partitions.count == ends.count
        }
    }

    private func begin(
        _ key: SubscriptionKey, _ spec: SubscriptionSpec, _ visibility: EventVisibility, _ sink: any Sink,
        _ delivery: ChannelDelivery
    ) async throws(SubscriptionError) {
        let namespace = key.namespace
        let parts = SubscriptionRunner.Parts(
            key: key, spec: spec, visibility: visibility, sink: sink, router: delivery.router,
            ledger: delivery.ledger, channel: { [channels] in channels(namespace, $0) }, clock: clock, log: log)
        do {
            let runner = try await delivery.add(key) { partitions in
                try await SubscriptionRunner.make(parts, partitions: partitions)
            }
            state.withLock { state in
                state.runners[key] = runner
                state.homes[key] = delivery
            }
            workQueue.yield(.runner(runner))
        } catch {
            throw SubscriptionError(.state, "subscription \(key): where it stands cannot be read or kept: \(error)")
        }
    }

    /// Removes a subscription and forgets its progress.
    package func remove(_ key: SubscriptionKey) async throws(SubscriptionError) {
        let (runner, home) = state.withLock { ($0.runners[key], $0.homes[key]) }
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

    private func runner(_ key: SubscriptionKey) -> SubscriptionRunner? { state.withLock { $0.runners[key] } }

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
