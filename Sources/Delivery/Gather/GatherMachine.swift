import CloudEvents

/// Puts events together to groups and says when a group is complete.
///
/// A value without clock and disk: events in, what is to be kept and what is to fire out. Times are milliseconds since
/// 1970 and those at which the channel took the events, so that it does not matter when they are read.
struct GatherMachine: Sendable {
    /// Where an event stands in the channel.
    struct Place: Sendable, Hashable, Comparable {
        var partition: Int
        var offset: UInt64
        static func < (a: Place, b: Place) -> Bool { (a.partition, a.offset) < (b.partition, b.offset) }
    }

    /// What is kept of a member.
    struct Member: Sendable, Hashable {
        var place: Place
        var appended: Int64
        var isMarker: Bool
        /// What the group's event says of it: id, source, type, subject, time, filesize.
        var facts: JSONObject
        /// How many members the event says that there are.
        var announced: Int?
        /// How many causes it has behind it.
        var depth = 0

        /// Whether it came before another; between partitions there is no other order.
        func comes(before other: Member) -> Bool { (appended, place) < (other.appended, other.place) }

        /// A file that is written again is one member, in its last version.
        var identity: String {
            facts["subject"]?.string ?? "\(facts["source"]?.string ?? "") \(facts["id"]?.string ?? "")"
        }
    }

    /// What names a group.
    struct Key: Sendable, Hashable {
        var text: String
        var parts: JSONObject
    }

    enum Reason: String, Sendable, Hashable { case count, marker, quiet, deadline, limit, late }

    struct Group: Sendable, Hashable {
        enum State: Sendable, Hashable {
            case open
            /// Its event is fixed, and being appended.
            case firing
            case fired(at: Int64)
        }

        var key: Key
        /// Counted from 1: which time the group of this name fires.
        var generation = 1
        var state = State.open
        /// By what they are; the last version of each.
        var members: [String: Member] = [:]
        var marker: Member?
        /// The events that are in it, so that none is counted twice.
        var places: Set<Place> = []
        var first: Int64 = 0
        var last: Int64 = 0
        var isLate = false
    }

    /// One thing for the owner to do, in their order.
    enum Action: Sendable, Hashable {
        /// Keep a member under its group.
        case keep(Key, Member)
        /// Forget a member.
        case drop(Key, Place)
        /// Fix the group's event, append it, then call ``fired(_:at:into:)``.
        case fire(Key, Reason)
        /// Keep that the group has fired; its members only when they may be needed once more.
        case close(Key)
        /// Forget the group, with all that is kept of it.
        case forget(Key)
    }

    let spec: GatherSpec
    private(set) var groups: [String: Group] = [:]
    /// Events that came when their group had fired.
    private(set) var late = 0
    /// Events that belong to no group.
    private(set) var strangers = 0
    /// By partition: what lies below is never delivered again.
    private var floors: [Int: UInt64] = [:]
    /// Members that came while their group was firing.
    private var held: [String: [Member]] = [:]
    /// Members of the past that are late, until ``resume(into:)``.
    private var orphans: [(key: Key, member: Member)] = []

    init(_ spec: GatherSpec) { self.spec = spec }

    var open: Int { groups.values.count { $0.state == .open } }

    // MARK: Events

    /// Says that nothing below will be delivered again.
    mutating func settled(partition: Int, below floor: UInt64) {
        if floor > floors[partition] ?? 0 { floors[partition] = floor }
    }

    mutating func countStranger() { strangers += 1 }

    /// Takes an event that belongs to a group.
    mutating func take(_ key: Key, _ member: Member, into actions: inout [Action]) {
        var group = groups[key.text] ?? Group(key: key)
        // Delivered again: it was counted then.
        if group.places.contains(member.place) { return }
        if group.state != .open {
            // What is being appended now is fixed: what to do with the late one is seen when that is done.
            if group.state == .firing {
                guard held[key.text]?.contains(where: { $0.place == member.place }) != true else { return }
                held[key.text, default: []].append(member)
                actions.append(.keep(key, member))
                return
            }
            late += 1
            switch spec.late {
            case .ignore:
                actions.append(.drop(key, member.place))
                return
            case .again:
                guard group.members.count < spec.limit || group.members[member.identity] != nil else {
                    actions.append(.drop(key, member.place))
                    return
                }
                group.state = .open
                group.generation += 1
                group.isLate = true
            case .new:
                let (places, generation) = (group.places, group.generation)
                group = Group(key: key)
                (group.places, group.generation) = (places, generation + 1)
            }
        }
        let replaced = add(member, to: &group)
        groups[key.text] = group
        actions.append(.keep(key, member))
        if let replaced { actions.append(.drop(key, replaced)) }
        if let reason = reached(group) { begin(key, reason, &actions) }
    }

    /// - Returns: an older version that need not be remembered any more.
    private func add(_ member: Member, to group: inout Group) -> Place? {
        if group.members.isEmpty, group.marker == nil {
            (group.first, group.last) = (member.appended, member.appended)
        }
        group.places.insert(member.place)
        group.first = min(group.first, member.appended)
        group.last = max(group.last, member.appended)
        let old: Member?
        if member.isMarker {
            old = group.marker
            group.marker = member
        } else {
            old = group.members[member.identity]
            // An older version, read later (another partition, a second attempt), changes nothing.
            if let old, member.comes(before: old) { return nil }
            group.members[member.identity] = member
        }
        guard let old, old.place.offset < floors[old.place.partition] ?? 0 else { return nil }
        group.places.remove(old.place)
        return old.place
    }

    /// Why the group is complete as it is, without waiting.
    private func reached(_ group: Group) -> Reason? {
        if group.isLate { return spec.quiet == nil && spec.settle == 0 ? .late : nil }
        switch spec.count {
        case .number(let number)? where group.members.count >= number: return .count
        case .pointer?:
            let announced = group.marker?.announced ?? group.members.values.compactMap(\.announced).max()
            if let announced, group.members.count >= announced { return .count }
        default: break
        }
        if group.marker != nil, spec.settle == 0, !waitsForCount(group) { return .marker }
        return group.members.count >= spec.limit ? .limit : nil
    }

    /// A marker that says how many there are ends nothing until they are there.
    private func waitsForCount(_ group: Group) -> Bool {
        guard case .pointer? = spec.count else { return false }
        return group.marker?.announced.map { group.members.count < $0 } ?? false
    }

    private mutating func begin(_ key: Key, _ reason: Reason, _ actions: inout [Action]) {
        groups[key.text]?.state = .firing
        actions.append(.fire(key, reason))
    }

    // MARK: Time

    /// When something is due next by itself.
    var nextDue: Int64? {
        groups.values.compactMap { group -> Int64? in
            switch group.state {
            case .open: due(group)?.time
            case .firing: nil
            case .fired(let time): time + spec.remember
            }
        }.min()
    }

    /// Everything that the channel took before `time` has been given: what is due by then fires.
    mutating func advance(to time: Int64, into actions: inout [Action]) {
        var ready: [(key: Key, reason: Reason?)] = []
        for group in groups.values {
            switch group.state {
            case .open: if let due = due(group), due.time <= time { ready.append((group.key, due.reason)) }
            case .firing: continue
            case .fired(let fired): if fired + spec.remember <= time { ready.append((group.key, nil)) }
            }
        }
        for (key, reason) in ready.sorted(by: { $0.key.text < $1.key.text }) {
            if let reason {
                begin(key, reason, &actions)
            } else {
                groups[key.text] = nil
                actions.append(.forget(key))
            }
        }
    }

    private func due(_ group: Group) -> (time: Int64, reason: Reason)? {
        var found: (time: Int64, reason: Reason)?
        func consider(_ time: Int64, _ reason: Reason) {
            if found.map({ time < $0.time }) ?? true { found = (time, reason) }
        }
        if group.isLate { consider(group.last + max(spec.quiet ?? 0, spec.settle), .late) }
        if let marker = group.marker, spec.settle > 0, !waitsForCount(group), !group.isLate {
            consider(max(group.last, marker.appended) + spec.settle, .marker)
        }
        if let quiet = spec.quiet, !group.isLate { consider(group.last + quiet, .quiet) }
        if let deadline = spec.deadline, !group.isLate { consider(group.first + deadline, .deadline) }
        return found
    }

    // MARK: Firing

    /// The group's event is durable.
    mutating func fired(_ key: Key, at time: Int64, into actions: inout [Action]) {
        guard var group = groups[key.text], group.state == .firing else { return }
        group.state = .fired(at: time)
        group.isLate = false
        if spec.late != .again {
            // Only whose they were is needed from now on, and only of those that may come once more.
            group.members = [:]
            group.marker = nil
            group.places = group.places.filter { $0.offset >= floors[$0.partition] ?? 0 }
        }
        groups[key.text] = group
        actions.append(.close(key))
        for member in held.removeValue(forKey: key.text) ?? [] { take(key, member, into: &actions) }
    }

    // MARK: Going on

    /// Puts back what was kept: a group with its state, then its members.
    mutating func restore(_ group: Group) { groups[group.key.text] = group }

    mutating func restore(_ key: Key, _ member: Member) {
        var group = groups[key.text] ?? Group(key: key)
        if group.state == .open {
            _ = add(member, to: &group)
        } else if group.places.contains(member.place) {
            if spec.late == .again {
                let (first, last) = (group.first, group.last)
                _ = add(member, to: &group)
                (group.first, group.last) = (first, last)
            }
        } else {
            // It came when the group had fired, and what that means was not kept.
            orphans.append((key, member))
        }
        groups[key.text] = group
    }

    /// After all has been put back: groups that were complete when the process ended.
    mutating func resume(into actions: inout [Action]) {
        for (key, member) in orphans { take(key, member, into: &actions) }
        orphans = []
        for (_, group) in groups.sorted(by: { $0.key < $1.key }) where group.state == .open {
            if let reason = reached(group) { begin(group.key, reason, &actions) }
        }
    }
}
