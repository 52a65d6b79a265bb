import Channels
import Persistence
import Synchronization

/// Subscriptions that gather: one that puts members together and one that delivers what came of it, by the same channel.
extension Subscriptions {
    func begin(
        _ key: SubscriptionKey, _ gather: GatherSpec, _ spec: SubscriptionSpec, _ visibility: EventVisibility,
        _ channel: any Channel, _ delivery: ChannelDelivery
    ) async throws(SubscriptionError) {
        var groups = spec
        groups.filters = Gatherer.filter(key)
        groups.policy.start = .latest
        // The second is there first, so that it begins before anything that the first makes.
        guard let sharing = channel.sharing else {
            try await begin(key, groups, .all, sink(key, spec), delivery)
            let gatherer = gatherer(key, gather, spec.channel, LocalHome(store: store))
            do throws(SubscriptionError) {
                try await begin(key.gathering, Self.members(spec), visibility, gatherer, delivery)
            } catch {
                await suspend(key)
                throw error
            }
            return await start(gatherer, key)
        }
        try await begin(key, groups, .all, sink(key, spec), delivery) {
            try await SharedGathering.began(key, sharing)
        }
        let gathering = SharedGathering(sharing: sharing, drain: drain) { [weak self] store in
            guard let self else { throw SubscriptionError(.state, "the server stops") }
            return try await self.read(key, gather, spec, visibility, channel, sharing, store)
        } tell: { [weak self] runner in
            self?.state.withLock { $0.runners[key.gathering] = runner }
        }
        state.withLock { $0.gatherings[key] = gathering }
        do {
            try await delivery.add(key, gathering)
        } catch {
            await suspend(key)
            throw SubscriptionError(.state, "subscription \(key): what was gathered cannot be read or kept: \(error)")
        }
    }

    private static func members(_ spec: SubscriptionSpec) -> SubscriptionSpec {
        var members = spec
        members.policy = Gatherer.policy(spec.policy)
        return members
    }

    /// Where what is gathered is kept.
    private struct LocalHome { var store: any StateStore; var isOurs: @Sendable () async -> Bool = { true } }

    private func gatherer(
        _ key: SubscriptionKey, _ gather: GatherSpec, _ channel: String, _ home: LocalHome
    ) -> Gatherer {
        let namespace = key.namespace
        return Gatherer(key, gather, store: home.store, clock: clock, isOurs: home.isOurs) { [channels] in
            channels(namespace, channel)
        }
    }

    private func start(_ gatherer: Gatherer, _ key: SubscriptionKey) async {
        await gatherer.start { [weak self] ends in
            guard let partitions = await self?.runner(key.gathering)?.status().partitions else { return false }
            return partitions.allSatisfy { $0.floor >= ends[$0.partition] } && partitions.count == ends.count
        }
    }

    /// Reads the members of all partitions of a shared channel, because this server has the one that decides who does.
    private func read(
        _ key: SubscriptionKey, _ gather: GatherSpec, _ spec: SubscriptionSpec, _ visibility: EventVisibility,
        _ channel: any Channel, _ sharing: any PartitionSharing, _ store: LedgerStore
    ) async throws -> SharedGathering.Reading {
        let whole = WholeChannel(channel)
        let delivery = ChannelDelivery(
            channel: whole, ledger: DeliveryLedger(channel: whole, store: store), drain: drain, clock: clock, log: log
        ) { [workQueue] router, partition in workQueue.yield(.reader(router, partition: partition)) }
        let gatherer = gatherer(
            key, gather, spec.channel,
            LocalHome(store: store) { await sharing.confirms(partition: SharedGathering.home) })
        do {
            let runner = try await runner(key.gathering, Self.members(spec), visibility, gatherer, delivery)
            workQueue.yield(.runner(runner))
            await start(gatherer, key)
            return SharedGathering.Reading(runner: runner, delivery: delivery)
        } catch {
            await delivery.stop()
            throw error
        }
    }
}
