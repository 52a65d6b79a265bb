import Channels
import Persistence
import Synchronization

/// Where the states of a channel's subscriptions are kept: in this server's own store, or, where servers share the
/// partitions, with the partition.
final class DeliveryLedger: Sendable {
    private enum Home: Sendable {
        case local(any StateStore)
        case shared(any PartitionSharing)
    }

    /// What is known of a shared partition that is this server's.
    private struct Page {
        /// As it is kept, by subscription.
        var entries: [String: [UInt8]]
        /// Of the subscriptions that run here.
        var floors: [SubscriptionKey: UInt64] = [:]
        /// What was told to the group.
        var told: UInt64?
    }

    private let home: Home
    private let pages = Mutex<[Int: Page]>([:])
    private let isTelling = Mutex(false)

    init(channel: any Channel, store: any StateStore) {
        if let sharing = channel.sharing { home = .shared(sharing) } else { home = .local(store) }
    }

    /// How long changes are gathered before they are kept, in milliseconds: a disk of one's own is nearer.
    var interval: Int64 {
        if case .shared = home { 100 } else { 25 }
    }

    // MARK: Partitions

    /// Reads what is kept for a partition that has come.
    func open(_ partition: Int) async throws {
        guard case .shared(let sharing) = home else { return }
        // What is gathered is read by those who gather.
        let entries = try await sharing.kept(partition: partition).filter { !$0.key.hasPrefix(Gatherer.prefix) }
        pages.withLock { $0[partition] = Page(entries: entries) }
    }

    /// Tells the group how far the partition is, and forgets it.
    func close(_ partition: Int, isLost: Bool) async {
        if !isLost { await tell([partition]) }
        pages.withLock { $0[partition] = nil }
    }

    /// Tells the group how far the partitions are: the least of all subscriptions here.
    func tell(_ partitions: [Int]? = nil) async {
        guard case .shared(let sharing) = home else { return }
        let news = pages.withLock { pages in
            var news: [Int: UInt64] = [:]
            for (partition, page) in pages where partitions?.contains(partition) ?? true {
                guard let floor = page.floors.values.min(), floor != page.told else { continue }
                pages[partition]?.told = floor
                news[partition] = floor
            }
            return news
        }
        if !news.isEmpty { await sharing.settled(below: news) }
    }

    /// Tells the group soon, many changes at once.
    func tellSoon() {
        guard case .shared = home,
            isTelling.withLock({ telling in
                defer { telling = true }; return !telling
            })
        else {
            return
        }
        Task {
            // A second is soon for those who look at a group's lag.
            try? await Task.sleep(for: .seconds(1))
            isTelling.withLock { $0 = false }
            await tell()
        }
    }

    // MARK: States

    /// What is kept of a subscription in these partitions.
    func states(of key: SubscriptionKey, in partitions: [Int]) async throws -> [Int: DeliveryState] {
        var states: [Int: DeliveryState] = [:]
        switch home {
        case .local(let store):
            let prefix = key.statePrefix
            for entry in try await store.entries(prefix: prefix) {
                guard let partition = Int(entry.key.dropFirst(prefix.count)), let value = entry.value else { continue }
                states[partition] = DeliveryState(value)
            }
        case .shared:
            pages.withLock { pages in
                for partition in partitions {
                    states[partition] = pages[partition]?.entries[key.description].flatMap { DeliveryState($0) }
                }
            }
        }
        return states
    }

    /// Whether a partition that holds nothing of a subscription is younger than the subscription, and so new to it from its
    /// first event on.
    func isYounger(_ partition: Int, than key: SubscriptionKey, known: [Int: DeliveryState]) async throws -> Bool {
        switch home {
        case .local: return !known.isEmpty
        case .shared(let sharing):
            guard partition > 0 else { return false }
            var first = pages.withLock { $0[0]?.entries[key.description] }
            if first == nil { first = try await sharing.kept(partition: 0)[key.description] }
            guard let state = first.flatMap({ DeliveryState($0) }) else { return false }
            return state.partitions > 0 && state.partitions <= partition
        }
    }

    /// Keeps states; returns when they are durable.
    func keep(_ states: [Int: DeliveryState], of key: SubscriptionKey) async throws {
        switch home {
        case .local(let store):
            try await store.put(
                states.map { StateEntry(key: key.statePrefix + String($0.key), value: $0.value.encoded()) })
        case .shared(let sharing):
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (partition, state) in states {
                    let value = state.encoded()
                    group.addTask {
                        try await sharing.keep([(key: key.description, value: value)], partition: partition)
                        self.note(key, partition, value, floor: state.progress.floor)
                    }
                }
                try await group.waitForAll()
            }
            tellSoon()
        }
    }

    private func note(_ key: SubscriptionKey, _ partition: Int, _ value: [UInt8], floor: UInt64) {
        pages.withLock { pages in
            pages[partition]?.entries[key.description] = value
            pages[partition]?.floors[key] = floor
        }
    }

    /// A subscription no longer runs here; what is kept of it stays.
    func leave(_ key: SubscriptionKey) {
        pages.withLock { pages in for partition in pages.keys { pages[partition]?.floors[key] = nil } }
    }

    /// Forgets a subscription; of shared partitions each server forgets those that it has.
    func remove(_ key: SubscriptionKey) async throws {
        switch home {
        case .local(let store):
            let entries = try await store.entries(prefix: key.statePrefix)
            try await store.put(entries.map { StateEntry(key: $0.key, value: nil) })
        case .shared(let sharing):
            let partitions = pages.withLock { pages in
                pages.filter { $0.value.entries[key.description] != nil }.map(\.key)
            }
            for partition in partitions {
                try await sharing.keep([(key: key.description, value: nil)], partition: partition)
                pages.withLock { pages in
                    pages[partition]?.entries[key.description] = nil
                    pages[partition]?.floors[key] = nil
                }
            }
        }
    }
}
