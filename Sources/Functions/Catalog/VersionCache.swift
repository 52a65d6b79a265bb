/// The versions that were asked for lately, so that a run needs no look into the database.
///
/// Two generations: when the young one is full it becomes the old one, and what nobody asked for since goes. Idle
/// functions cost nothing here.
struct VersionCache {
    struct Key: Hashable {
        var namespace: String
        var name: String
        /// `nil`: the current one.
        var digest: String?
    }

    /// `.some(nil)`: known not to be there.
    private var young: [Key: FunctionVersion?] = [:]
    private var old: [Key: FunctionVersion?] = [:]
    private let capacity: Int
    /// Counts the changes, so that what was read before one is not kept after it.
    private(set) var epoch: UInt64 = 0

    /// At most about twice `capacity` versions are held.
    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// `nil`: not known.
    mutating func find(_ key: Key) -> FunctionVersion?? {
        if let found = young[key] { return .some(found) }
        guard let found = old[key] else { return .none }
        insert(key, found)
        return .some(found)
    }

    /// Keeps what was read since `epoch`, unless something has changed meanwhile.
    mutating func keep(_ key: Key, _ version: FunctionVersion?, readAt epoch: UInt64) {
        if epoch == self.epoch { insert(key, version) }
    }

    /// Forgets all that concerns a function that has changed.
    mutating func forget(namespace: String, name: String) {
        epoch &+= 1
        let current = Key(namespace: namespace, name: name)
        young[current] = nil
        old[current] = nil
        // By digest: few are asked for so.
        if !byDigest.isEmpty, byDigest.remove(current) != nil {
            young = young.filter { $0.key.namespace != namespace || $0.key.name != name }
            old = old.filter { $0.key.namespace != namespace || $0.key.name != name }
        }
    }

    private var byDigest: Set<Key> = []

    private mutating func insert(_ key: Key, _ version: FunctionVersion?) {
        if young.count >= capacity {
            old = young
            young = [:]
            if byDigest.count > 2 * capacity { (young, old, byDigest) = ([:], [:], []) }
        }
        if key.digest != nil { byDigest.insert(Key(namespace: key.namespace, name: key.name)) }
        young[key] = .some(version)
    }
}
