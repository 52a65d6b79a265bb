/// Which subscription watches which folder, kept right through renames.
///
/// A subscription follows the folder, not its path: when a folder is renamed, the watches of it and of all below it get
/// new paths.
struct WatchBook: Sendable, Hashable {
    private(set) var paths: [String: String] = [:]
    private var subscriptions: [String: String] = [:]
    /// Subscriptions that were ended; what still comes from them is not news.
    private(set) var retired: Set<String> = []
    /// Changes that are not kept yet; `nil` removes.
    private var changes: [String: String?] = [:]
    /// How many ended subscriptions are remembered.
    private static let memory = 4_096

    init() {}

    var count: Int { paths.count }

    func subscription(of path: String) -> String? { subscriptions[path] }

    mutating func set(_ subscription: String, _ path: String) {
        if let old = paths[subscription], old != path { subscriptions[old] = nil }
        if let other = subscriptions[path], other != subscription { retire(other) }
        paths[subscription] = path
        subscriptions[path] = subscription
        retired.remove(subscription)
        changes[subscription] = .some(path)
    }

    mutating func retire(_ subscription: String) {
        guard let path = paths.removeValue(forKey: subscription) else { return }
        if subscriptions[path] == subscription { subscriptions[path] = nil }
        if retired.count >= Self.memory { retired.removeAll() }
        retired.insert(subscription)
        changes[subscription] = .some(nil)
    }

    /// The watches of a folder and of all below it.
    func below(_ path: String) -> [String] {
        paths.filter { $0.value == path || $0.value.hasPrefix(path + "/") }.map(\.key)
    }

    /// Gives a folder, and all below it, another path.
    mutating func move(_ path: String, to target: String) {
        let moved = below(path).compactMap { subscription in
            paths[subscription].map { (subscription, target + $0.dropFirst(path.count)) }
        }
        for (subscription, _) in moved {
            if let old = paths[subscription], subscriptions[old] == subscription { subscriptions[old] = nil }
        }
        for (subscription, place) in moved {
            // What was watched under the target's name before is another folder, now gone.
            if let other = subscriptions[place], other != subscription { retire(other) }
            paths[subscription] = place
            subscriptions[place] = subscription
            changes[subscription] = .some(place)
        }
    }

    mutating func removeAll() {
        for subscription in Array(paths.keys) { retire(subscription) }
    }

    mutating func takeChanges() -> [(subscription: String, path: String?)] {
        defer { changes = [:] }
        return changes.map { ($0.key, $0.value) }
    }
}
