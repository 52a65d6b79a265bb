import Channels
import CloudEvents
import Delivery
import EventSources
import Logging
import Manifest
import Persistence

/// Makes the running parts be what the registry says.
///
/// It looks at what *is* in the registry, not at what changed, so that doing it twice or after a crash is the same. One
/// resource after the other, in the order in which it is asked.
actor Reconciler {
    private let registry: Registry
    private let channels: ChannelDirectory
    private let sources: SourceSupervisor
    private let subscriptions: Subscriptions
    private let logger: Logger
    private var last: Task<Void, Never>?

    init(
        registry: Registry, channels: ChannelDirectory, sources: SourceSupervisor, subscriptions: Subscriptions,
        logger: Logger
    ) {
        self.registry = registry
        self.channels = channels
        self.sources = sources
        self.subscriptions = subscriptions
        self.logger = logger
    }

    /// Brings everything up at the start: channels first, for the others stand on them.
    func reconcileAll() async {
        for kind in [ResourceKind.channel, .source, .subscription] {
            for resource in registry.all(kind).sorted(by: { $0.name < $1.name }) { await reconcile(resource.key) }
        }
    }

    /// Brings one resource's running part in line; returns when that is done.
    func reconcile(_ key: ResourceKey) async {
        // An actor takes another call while one waits; a chain keeps them apart.
        let previous = last
        let task = Task {
            await previous?.value
            await self.bringInLine(key)
        }
        last = task
        await task.value
    }

    private func bringInLine(_ key: ResourceKey) async {
        do {
            let resource = try registry.resource(key)
            switch key.kind {
            case .channel: try await channel(key, resource)
            case .source: try await source(key, resource)
            case .subscription: try await subscription(key, resource)
            default: break
            }
        } catch {
            logger.error("A resource cannot be brought in line", metadata: ["resource": "\(key)", "why": "\(error)"])
        }
    }

    private func channel(_ key: ResourceKey, _ resource: ResourceDocument?) async throws {
        guard let resource else {
            try await channels.remove(namespace: key.namespace, name: key.name)
            return
        }
        var reader = try DocumentReader(resource.document)
        let spec = try ChannelSpec(&reader)
        if channels.isReplaced(namespace: key.namespace, name: key.name, by: spec) {
            // What reads the channel counts on its partitions, and begins again below with the new ones.
            for reader in registry.all(.subscription)
            where reader.namespace == key.namespace && reader.document["channel"]?.string == key.name {
                await subscriptions.suspend(SubscriptionKey(namespace: reader.namespace, name: reader.name))
            }
        }
        try await channels.ensure(namespace: key.namespace, name: key.name, spec)
        // Subscriptions that were applied before their channel begin now.
        for waiting in registry.all(.subscription)
        where waiting.namespace == key.namespace && waiting.document["channel"]?.string == key.name {
            let running = await subscriptions.status(SubscriptionKey(namespace: waiting.namespace, name: waiting.name))
            if running == nil { try await subscription(waiting.key, waiting) }
        }
    }

    private func source(_ key: ResourceKey, _ resource: ResourceDocument?) async throws {
        let id = SourceID(namespace: key.namespace, name: key.name)
        guard let resource else {
            await sources.remove(id)
            return
        }
        await sources.apply(id, try SourceSpec(resource.document))
    }

    private func subscription(_ key: ResourceKey, _ resource: ResourceDocument?) async throws {
        let id = SubscriptionKey(namespace: key.namespace, name: key.name)
        guard let resource else {
            try await subscriptions.remove(id)
            return
        }
        var spec = try SubscriptionSpec(resource.document)
        spec.paused = spec.paused || resource.isPaused
        do {
            try await subscriptions.add(id, spec)
        } catch {
            guard error.code == .noSuchChannel else { throw error }
            // Not an error of the server: it starts when the channel comes.
            logger.notice("A subscription waits for its channel", metadata: ["why": "\(error.message)"])
        }
    }
}
