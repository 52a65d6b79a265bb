import Channels
import Logging
import Persistence

/// Gathering on a channel that servers share: the members of a group may lie in any partition, so one server reads them
/// all. It is the one that has the first partition; what was gathered lies with that partition and goes along when it
/// moves.
actor SharedGathering: PartitionTenant {
    /// Never another: a channel may get more partitions.
    static let home = 0

    /// What reads members, while this server is the one.
    struct Reading: Sendable {
        var runner: SubscriptionRunner
        var delivery: ChannelDelivery
    }

    /// Begins to read; given where to keep what is known.
    typealias Begin = @Sendable (LedgerStore) async throws -> Reading
    /// Is told what reads, `nil` when it has ended.
    typealias Tell = @Sendable (SubscriptionRunner?) -> Void

    nonisolated var partition: Int { Self.home }
    private let sharing: any PartitionSharing
    private let drain: Int64
    private let begin: Begin
    private let tell: Tell
    private var reading: Reading?
    private var store: LedgerStore?

    init(sharing: any PartitionSharing, drain: Int64, begin: @escaping Begin, tell: @escaping Tell) {
        self.sharing = sharing
        self.drain = drain
        self.begin = begin
        self.tell = tell
    }

    func take() async throws {
        guard reading == nil else { return }
        let store = LedgerStore(sharing, partition: Self.home)
        let made = try await begin(store)
        (reading, self.store) = (made, store)
        tell(made.runner)
    }

    func release(isLost: Bool) async {
        guard let reading else { return }
        self.reading = nil
        tell(nil)
        if isLost { store?.lose() }
        await reading.runner.stop(within: isLost ? 0 : drain)
        await reading.delivery.stop()
    }

    /// Forgets what was gathered, when it is this server's.
    func forget(_ prefixes: [String]) async throws {
        guard reading != nil, let store else { return }
        for prefix in prefixes {
            try await store.put(try await store.entries(prefix: prefix).map { StateEntry(key: $0.key, value: nil) })
        }
    }

    /// Where the partitions ended when the subscription began to gather, on whatever server.
    static func began(_ key: SubscriptionKey, _ sharing: any PartitionSharing) async throws -> [UInt64]? {
        try await sharing.kept(partition: home)[GatherEpoch.key(key)].flatMap { GatherEpoch($0) }?.ends
    }
}
