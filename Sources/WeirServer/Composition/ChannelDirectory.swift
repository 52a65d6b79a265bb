import Channels
import Persistence
import Synchronization

/// The open channels by namespace and name, and where each is kept.
final class ChannelDirectory: Sendable {
    private enum Home: Sendable { case log, kafka }

    private let store: EmbeddedLogStore
    private let kafka: KafkaStore
    /// Whether channels that do not say where they are kept are Kafka topics.
    private let standsOnKafka: Bool
    private let open = Mutex<[Key: (channel: any Channel, home: Home)]>([:])

    struct Key: Hashable, Sendable {
        let namespace: String
        let name: String
    }

    init(_ store: EmbeddedLogStore, _ kafka: KafkaStore, standsOnKafka: Bool) {
        self.store = store
        self.kafka = kafka
        self.standsOnKafka = standsOnKafka
    }

    /// The channel, when it is open.
    func channel(namespace: String, name: String) -> (any Channel)? {
        open.withLock { $0[Key(namespace: namespace, name: name)]?.channel }
    }

    var all: [(key: Key, channel: any Channel)] {
        open.withLock { $0.map { ($0.key, $0.value.channel) } }
    }

    /// Whether opening a channel with these settings makes another channel of it for those who read.
    func isReplaced(namespace: String, name: String, by spec: ChannelSpec) -> Bool {
        let known = open.withLock { $0[Key(namespace: namespace, name: name)] }
        guard let known else { return false }
        switch known.home {
        case .kafka: return (known.channel as? KafkaChannel)?.spec != spec
        case .log: return home(of: spec) == .kafka || known.channel.partitionCount != spec.partitions
        }
    }

    private func home(of spec: ChannelSpec) -> Home {
        switch spec.storage {
        case .standard: standsOnKafka ? .kafka : .log
        case .embedded: .log
        case .kafka: .kafka
        }
    }

    /// Opens a channel or gives it new settings; making it when absent.
    func ensure(namespace: String, name: String, _ spec: ChannelSpec) async throws(ChannelError) {
        let key = Key(namespace: namespace, name: name)
        let home = home(of: spec)
        if let known = open.withLock({ $0[key] }), known.home != home {
            throw ChannelError(
                .conflict,
                "channel \(name) is \(known.home == .kafka ? "a Kafka topic" : "in the embedded log") and what it holds "
                    + "cannot move: make a new channel, and replay into it")
        }
        let path = "\(namespace)/\(name)"
        let channel: any Channel =
            switch home {
            case .log: try await store.open(path, spec)
            case .kafka: try await kafka.open(path, spec)
            }
        open.withLock { $0[key] = (channel, home) }
    }

    /// Closes a channel and removes its events; a Kafka topic stays with all that is in it.
    func remove(namespace: String, name: String) async throws(ChannelError) {
        let known = open.withLock { $0.removeValue(forKey: Key(namespace: namespace, name: name)) }
        let path = "\(namespace)/\(name)"
        if known?.home == .kafka {
            await kafka.close(path)
        } else {
            try await store.delete(path)
        }
    }

    /// The channel for what a source of this channel cannot read, made when it is first needed: `<channel>.unreadable`.
    func unreadable(
        namespace: String, channel: String, _ writer: RegistryWriter
    ) async throws -> any Channel {
        let name = channel + ".unreadable"
        if let known = self.channel(namespace: namespace, name: name) { return known }
        let spec = ChannelSpec(retentionAge: 30 * 86_400_000)
        try await writer.put(.channel, namespace, name, spec.document)
        try await ensure(namespace: namespace, name: name, spec)
        guard let made = self.channel(namespace: namespace, name: name) else {
            throw ChannelError(.closed, "the channel \(name) is being closed")
        }
        return made
    }

    /// Applies retention; what went wrong, by channel.
    func maintain(now: Int64) async -> [String: ChannelError] {
        await store.maintain(now: now).merging(await kafka.maintain()) { $1 }
    }
}
