/// When to look at what again.
///
/// A time that moves later is not moved here: the entry comes at its old time, its owner sees that nothing is due and
/// arms again. So a worker that is busy all the time costs nothing, though its deadline moves with each call.
struct TimerQueue<Key: Hashable & Sendable>: Sendable {
    private var table = PriorityTable<Key, Int64>()

    /// The earliest time that something is to be looked at.
    var next: Int64? { table.first?.priority }
    var count: Int { table.count }

    /// Sees to it that `key` comes at `time` or before.
    mutating func arm(_ key: Key, at time: Int64) {
        guard time != .max else { return }
        if let known = table[key], known <= time { return }
        table.set(key, time)
    }

    mutating func cancel(_ key: Key) { table.remove(key) }

    /// Takes out one whose time has come.
    mutating func pop(due now: Int64) -> Key? {
        guard let first = table.first, first.priority <= now else { return nil }
        table.removeFirst()
        return first.member
    }
}
