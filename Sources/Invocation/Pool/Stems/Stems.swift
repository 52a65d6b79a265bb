internal import DequeModule

/// How many unspecialised workers of one kind wait for code.
package struct StemPolicy: Sendable, Equatable {
    /// Kept always.
    package var floor = 1
    /// Never more than this.
    package var maximum = 8
    /// How long one more than wanted is kept, milliseconds.
    package var ttl: Int64 = 60_000
    /// Whether a zygote is kept that forks stems, and workers when no stem is ready.
    package var hasZygote = false
    /// How long after its last use the zygote is kept, milliseconds; for ever with a floor.
    package var zygoteGrace: Int64 = 600_000
    /// The least time that one gets to start, milliseconds.
    package var startTimeout: Int64 = 10_000

    package init(floor: Int = 1, maximum: Int = 8) {
        self.floor = floor
        self.maximum = max(floor, maximum)
    }
}

/// Stems and zygotes of all flavours. A flavour is named `FAMILY-MORE`: what is in the memory of a process that waits is the
/// family, the limits that its sandbox has from its start are more. A zygote forks for its whole family, as each fork has a
/// sandbox of its own.
struct Stems: Sendable {
    enum Role: Sendable, Equatable { case stem, zygote }

    struct Member: Sendable {
        let flavour: String
        let role: Role
        var isReady = false
        var isDying = false
        var since: Int64
        var due: Int64
    }

    struct Flavour: Sendable {
        var policy: StemPolicy
        /// Those that wait, the longest waiting first.
        var ready: Deque<Int> = []
        var starting = 0
        var zygote: Int?
        /// Uses in this half minute and in the one before.
        var used = 0
        var usedBefore = 0
        var lastUse: Int64
        /// Starts that failed in a row, and when the next may be tried.
        var failures = 0
        var notBefore: Int64 = 0

        /// How many should wait: the floor, and as many as were used in the last minute.
        var target: Int { min(policy.maximum, policy.floor + used + usedBefore) }
    }

    var flavours: [String: Flavour] = [:]
    var members: [Int: Member] = [:]
    /// Workers that start. While there are any, no stem is made: those for whom somebody waits come first.
    var startsUnderway = 0
    /// One more is to be looked for when nothing else is on its way.
    var isOwed = false
    /// Until when a first call has the processors for itself: once a debt, so that calls without a pause between them do not
    /// put it off for ever.
    var restUntil: Int64?
    var rotated: Int64 = 0

    var isEmpty: Bool { members.isEmpty }

    func hasReady(_ flavour: String) -> Bool { flavours[flavour]?.ready.isEmpty == false }

    func canFork(_ flavour: String) -> Bool { forker(for: flavour) != nil }

    /// The flavour whose zygote forks for this one: its own, or another of the family.
    func forker(for flavour: String) -> String? {
        guard let own = flavours[flavour], own.policy.hasZygote else { return nil }
        if isReady(own.zygote) { return flavour }
        return relatives(of: flavour).first { isReady(flavours[$0]?.zygote) }
    }

    /// Whether the family has a zygote, ready or not.
    func hasZygote(_ flavour: String) -> Bool {
        flavours[flavour]?.zygote != nil || relatives(of: flavour).contains { flavours[$0]?.zygote != nil }
    }

    /// Whether this flavour makes the family's zygote when there is none: the usual ones do, which have stems always.
    func makesZygote(_ flavour: String) -> Bool {
        guard let policy = flavours[flavour]?.policy, policy.hasZygote, !hasZygote(flavour) else { return false }
        return policy.floor > 0
            || !relatives(of: flavour).contains {
                flavours[$0].map { $0.policy.hasZygote && $0.policy.floor > 0 } == true
            }
    }

    /// The other flavours of a family.
    private func relatives(of flavour: String) -> [String] {
        let family = flavour.prefix { $0 != "-" }
        return flavours.keys.filter { $0 != flavour && $0.prefix { $0 != "-" } == family }.sorted()
    }

    private func isReady(_ zygote: Int?) -> Bool {
        guard let zygote, let member = members[zygote] else { return false }
        return member.isReady && !member.isDying
    }

    /// Something of this flavour did not come up: tries again after a while that doubles.
    mutating func distrust(_ flavour: String, _ now: Int64) {
        let failures = min((flavours[flavour]?.failures ?? 0) + 1, 9)
        flavours[flavour]?.failures = failures
        flavours[flavour]?.notBefore = now + 500 << Int64(failures)
    }
}
