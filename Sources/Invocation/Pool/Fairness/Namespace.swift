internal import Glibc

/// A tenant as the pool machine sees it.
struct Namespace: Sendable {
    let weight: Double
    /// Jobs that may run at the same time.
    let runLimit: Int?
    /// Jobs that run, and such that wait.
    var running = 0
    var waiting = 0
    /// Workers that are not dying, and what they cost (``PoolMachine/cost(of:)``).
    var places = 0
    var held = 0.0
    /// Workers that start or run, and what they cost.
    var busy = 0
    var occupied = 0.0
    /// What it occupied lately on average, when that was counted: who had little may have more for a moment.
    private(set) var lately = 0.0
    private var counted: Int64 = 0
    /// Places that others must leave to it: what it used lately, up to its share.
    var claim = 0
    /// The most workers that were busy at once in this and in the last period.
    var peak = 0
    var peakBefore = 0
    var lastWork: Int64 = 0
    var isActive = false
    /// Pools that wait for a place, by their first job.
    var wants = PriorityTable<Int, Int>()
    /// Pools that wait for the namespace's limit, by their first job.
    var blocked = PriorityTable<Int, Int>()
    /// Idle workers that may go, the longest idle first, and such that are kept ready.
    var idle = PriorityTable<Int, Int>()
    var kept = PriorityTable<Int, Int>()

    init(weight: Double = 1, runLimit: Int? = nil) {
        self.weight = max(weight, 0.001)
        self.runLimit = runLimit
    }

    var mayRun: Bool { runLimit.map { running < $0 } ?? true }
    /// What it has of the machine now and had lately, by weight.
    var load: Double { (occupied + lately) / weight }
    /// How long the memory of what it had lasts, milliseconds.
    private static var memory: Double { 5_000 }

    /// Counts what was occupied until now. Called before that changes.
    mutating func count(_ now: Int64) {
        guard now > counted else { return }
        let kept = exp(-Double(now - counted) / Self.memory)
        lately = lately * kept + occupied * (1 - kept)
        counted = now
    }

    /// Claimed places that it does not have.
    var unmet: Int { max(0, claim - places) }
}

/// Whose turn it is: who has and had least. Those for whom nobody waits come last.
struct Turn: Comparable, Sendable {
    var isAhead: Bool
    var load: Double
    var number: Int

    static func < (one: Turn, other: Turn) -> Bool {
        if one.isAhead != other.isAhead { return other.isAhead }
        if one.load != other.load { return one.load < other.load }
        return one.number < other.number
    }
}

/// What the namespaces that are active now have together.
struct Shares: Sendable {
    private(set) var active: Set<Int> = []
    private(set) var weight = 0.0
    /// Claimed places that their namespaces do not have: kept free for them.
    var unmet = 0
    var rotated: Int64 = 0

    var areContested: Bool { active.count > 1 }

    mutating func enter(_ number: Int, weight added: Double) {
        guard active.insert(number).inserted else { return }
        weight += added
    }

    mutating func leave(_ number: Int, weight removed: Double) {
        guard active.remove(number) != nil else { return }
        weight = active.isEmpty ? 0 : max(0, weight - removed)
    }
}
