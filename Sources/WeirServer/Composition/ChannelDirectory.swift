import Channels
import Persistence
import Synchronization

/// The open channels by namespace and name.
final class ChannelDirectory: Sendable {
    private let store: EmbeddedLogStore
    private let open = Mutex<[Key: EmbeddedChannel]>([:])

    struct Key: Hashable, Sendable {
        let namespace: String
        let name: String
    }

    init(_ store: EmbeddedLogStore) {
        self.store = store
    }

    /// The channel, when it is open.
    func channel(namespace: String, name: String) -> EmbeddedChannel? {
        open.withLock { $0[Key(namespace: namespace, name: name)] }
    }

    var all: [(key: Key, channel: EmbeddedChannel)] {
        open.withLock { $0.map { ($0.key, $0.value) } }
    }

    /// Opens a channel or gives it new settings; making it when absent.
    func ensure(namespace: String, name: String, _ spec: ChannelSpec) async throws(ChannelError) {
        let channel = try await store.open("\(namespace)/\(name)", spec)
        open.withLock { $0[Key(namespace: namespace, name: name)] = channel }
    }

    /// Closes a channel and removes its events.
    func remove(namespace: String, name: String) async throws(ChannelError) {
        open.withLock { $0[Key(namespace: namespace, name: name)] = nil }
        try await store.delete("\(namespace)/\(name)")
    }

    /// The channel for what a source of this channel cannot read, made when it is first needed: `<channel>.unreadable`.
    func unreadable(
        namespace: String, channel: String, _ writer: RegistryWriter
    ) async throws -> EmbeddedChannel {
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
    func maintain(now: Int64) async -> [String: ChannelError] { await store.maintain(now: now) }
}
