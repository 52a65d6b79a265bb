import Channels
import Logging

/// Where a subscription stands in each partition: taken up, kept, given up.
extension SubscriptionRunner {
    /// How old kept marks may be when something is appended: whoever takes over reads as much and a little more.
    private static let marksAge: Int64 = 10_000

    // MARK: Taking up

    /// Where the subscription goes on or begins; durable on return.
    static func starts(_ parts: Parts, _ partitions: [Int]) async throws -> [Int: DeliveryState] {
        let channel = parts.router.channel
        let known = try await parts.ledger.states(of: parts.key, in: partitions)
        var states = known.filter { partitions.contains($0.key) }
        var fresh: [Int: DeliveryState] = [:]
        let unknown = partitions.filter { states[$0] == nil }
        // Others may have appended; of a channel of one's own everything is known.
        if !unknown.isEmpty { try await channel.refreshBounds() }
        // Asked behind the bounds: when it had not begun, all that it makes lies behind them.
        let began = unknown.isEmpty ? nil : try await parts.began?()
        for partition in unknown {
            let bounds = channel.bounds(ofPartition: partition)
            // A partition that came after the subscription is new to it from its first event on.
            let isYounger = try await parts.ledger.isYounger(partition, than: parts.key, known: known)
            let start: UInt64 =
                switch parts.spec.policy.start {
                case _ where isYounger: bounds.first
                case .latest:
                    if let began {
                        // A partition that came since is new from its first event on.
                        max(bounds.first, partition < began.count ? min(began[partition], bounds.next) : 0)
                    } else {
                        bounds.next
                    }
                case .earliest: bounds.first
                case .time(let time): try await channel.offset(partition: partition, atOrAfter: time)
                case .offset(let offset): min(offset, bounds.next)
                case .offsets(let offsets): min(offsets[partition] ?? bounds.next, bounds.next)
                }
            var state = DeliveryState(progress: Progress(floor: start))
            state.partitions = channel.partitionCount
            state.isClean = true
            fresh[partition] = state
        }
        if !fresh.isEmpty { try await parts.ledger.keep(fresh, of: parts.key) }
        states.merge(fresh) { $1 }
        return states
    }

    func begin(_ states: [Int: DeliveryState]) {
        for (partition, state) in states { open(partition, state) }
        jobQueue.yield(.step)
    }

    /// Takes a partition up that has come to this server.
    func take(_ partition: Int) async throws {
        guard !isStopping, stored[partition] == nil else { return }
        let states = try await Self.starts(parts, [partition])
        guard !isStopping, let state = states[partition] else { return }
        open(partition, state)
        jobQueue.yield(.step)
    }

    private func open(_ partition: Int, _ state: DeliveryState) {
        // What whoever had the partition appended for events that are not settled here.
        if !state.isClean { for mark in state.marks { parts.channel(mark.channel)?.recall(from: mark.offsets) } }
        machine.open(partition, state)
        stored[partition] = state
        own[partition] = OwnReading()
    }

    // MARK: Giving up

    /// Gives a partition up: begins no attempt there, waits for those under way at most so many milliseconds, and keeps
    /// where it stands; nothing of that is left when the partition is lost already.
    func release(_ partition: Int, within limit: Int64, isLost: Bool) async {
        guard stored[partition] != nil, !isStopping else { return }
        var actions: [DeliveryAction] = []
        machine.close(partition, now: parts.clock.now(), actions: &actions)
        mailbox.leave(partition)
        own[partition] = nil
        perform(actions)
        if !isLost {
            let end = parts.clock.now() + limit
            // Attempts end when they end; the machine does not tell of a partition that has become quiet.
            while machine.isBusy(partition), parts.clock.now() < end { await parts.clock.sleep(5) }
            if !isStopping { _ = await persist(ending: machine.isBusy(partition) ? [] : [partition]) }
        }
        actions = []
        machine.remove(partition, now: parts.clock.now(), actions: &actions)
        stored[partition] = nil
        marked[partition] = nil
        perform(actions)
        jobQueue.yield(.step)
    }

    /// Where it stands in a partition.
    func position(ofPartition partition: Int) -> UInt64? {
        stored[partition] == nil ? nil : machine.position(ofPartition: partition)
    }

    // MARK: Keeping

    func schedulePersist() {
        guard !isPersisting else { return }
        isPersisting = true
        jobQueue.yield(.persist(after: parts.ledger.interval))
    }

    var hasUnkeptProgress: Bool {
        machine.openPartitions.contains { partition in
            machine.state(ofPartition: partition).map { !$0.isEqual(to: stored[partition]) } ?? false
        }
    }

    /// Writes what has changed; whether it is durable.
    ///
    /// - Parameters:
    ///   - ending: partitions in which nothing is under way and nothing more will be.
    ///   - marking: partitions that are written although only their marks have changed.
    func persist(ending: [Int] = [], marking: [Int] = []) async -> Bool {
        // One after the other: a state must not overtake a newer one.
        await writing.with { await self.write(ending, marking) }
    }

    private func write(_ ending: [Int], _ marking: [Int]) async -> Bool {
        var states: [Int: DeliveryState] = [:]
        for partition in machine.openPartitions { states[partition] = machine.state(ofPartition: partition) }
        let known = states
        marks.release { event in known[event.partition]?.progress.isSettled(event.offset) ?? true }
        let lowest = marks.lowest(marksNow)
        var changed: [Int: DeliveryState] = [:]
        for (partition, one) in known {
            var state = one
            state.isClean = ending.contains(partition) && marks.isEmpty
            state.partitions = stored[partition]?.partitions ?? 0
            let isNewlyClean = state.isClean && stored[partition]?.isClean != true
            guard !state.isEqual(to: stored[partition]) || isNewlyClean || marking.contains(partition) else { continue }
            if !state.isClean { state.marks = lowest }
            changed[partition] = state
        }
        guard !changed.isEmpty else { return true }
        let now = parts.clock.now()
        do {
            try await parts.ledger.keep(changed, of: parts.key)
            // A partition that went meanwhile is not taken up again by this.
            for (partition, state) in changed where stored[partition] != nil {
                stored[partition] = state
                marked[partition] = state.isClean ? nil : now
            }
            return true
        } catch {
            parts.log.error(
                "the progress of a subscription cannot be kept; events will be delivered again after a restart",
                metadata: ["subscription": "\(parts.key)", "error": "\(error)"])
            return false
        }
    }

    // MARK: Appends

    /// The channels that it appends to, with where appends would lie that begin now; without those that remember by
    /// themselves.
    private var marksNow: [String: [UInt64]] {
        var marks: [String: [UInt64]] = [:]
        let reply = parts.spec.policy.reply ?? parts.spec.channel
        for name in [reply, parts.spec.policy.deadLetter] {
            guard let name, let offsets = parts.channel(name)?.appendMarks else { continue }
            marks[name] = offsets
        }
        return marks
    }

    /// Says that something is to be appended on behalf of events of these partitions.
    ///
    /// - Returns: whether it may be: a partition may have become another server's. Then a token for ``ended(_:)``, when one
    ///   is needed.
    func beginAppend(_ partitions: Set<Int>) async -> (isAllowed: Bool, token: AppendMarks.Token?) {
        let now = marksNow
        if !now.isEmpty {
            let limit = parts.clock.now() - Self.marksAge
            let stale = partitions.filter { stored[$0] != nil && marked[$0].map { $0 < limit } ?? true }
            if !stale.isEmpty, await !persist(marking: Array(stale)) { return (false, nil) }
        }
        if let sharing = parts.router.channel.sharing {
            for partition in partitions {
                guard stored[partition] != nil, await sharing.confirms(partition: partition) else {
                    return (false, nil)
                }
            }
        }
        return (true, now.isEmpty ? nil : marks.begin(now))
    }

    /// An append has ended.
    ///
    /// - Parameter isSettled: whether all of these events are settled by now.
    func ended(_ token: AppendMarks.Token?, _ events: [AppendMarks.Event], isSettled: Bool) {
        if isSettled { marks.end(token) } else { marks.hold(token, for: events) }
    }
}
