/// Fair shares of the places between namespaces.
///
/// A namespace may have everything while it is alone. Once others are active, its fair share is places × weight / weights
/// of the active. The next place goes to who has least, now and in the last seconds together: so a tenant that
/// mostly stays below its share may be above it for a moment. Beyond its share, it gets a place only when nobody with less waits and when what others have *claimed* stays
/// free: a claim is what a namespace used at most in the last half minute, up to its share, so that a tenant with steady
/// work finds its place free (or its warm worker alive) however much another floods. Within a share nothing is reserved:
/// what is not claimed is for all.
extension PoolMachine {
    /// Half of the time for which the use of places is remembered, milliseconds.
    private static var peakPeriod: Int64 { 15_000 }
    /// With more active namespaces than this, claims are counted once in an interval only, not at each arrival.
    private static var manyNamespaces: Int { 32 }

    /// What a worker of this memory costs a namespace, in places: as much as it takes of the scarcer of places and memory.
    func cost(of memory: Int64) -> Double {
        guard configuration.memoryBudget > 0, configuration.memoryBudget != .max else { return 1 }
        return max(1, Double(memory) * Double(configuration.maximumWorkers) / Double(configuration.memoryBudget))
    }

    /// The places that are a namespace's fair share now.
    func share(of number: Int) -> Double {
        let all = Double(configuration.maximumWorkers)
        guard shares.areContested, shares.weight > 0 else { return all }
        return all * namespaces[number].weight / shares.weight
    }

    func isWithinShare(_ number: Int) -> Bool { namespaces[number].held < share(of: number) }

    /// Work has come for a namespace.
    mutating func noteWork(_ number: Int, _ now: Int64, _ actions: inout [Action]) {
        namespaces[number].lastWork = now
        guard !namespaces[number].isActive else { return }
        namespaces[number].isActive = true
        shares.enter(number, weight: namespaces[number].weight)
        guard shares.areContested else { return }
        if shares.active.count <= Self.manyNamespaces {
            countShares(now, &actions)
        } else {
            timers.arm(.shares, at: now + configuration.sharesInterval)
        }
    }

    /// Counts claims anew and lets namespaces go that have had no work for a while.
    mutating func countShares(_ now: Int64, _ actions: inout [Action]) {
        let rotates = now - shares.rotated >= Self.peakPeriod
        if rotates { shares.rotated = now }
        for number in shares.active {
            if rotates {
                namespaces[number].peakBefore = namespaces[number].peak
                namespaces[number].peak = namespaces[number].busy
            }
            let state = namespaces[number]
            if state.running == 0, state.waiting == 0, state.busy == 0,
                now - state.lastWork > configuration.activityWindow
            {
                namespaces[number].isActive = false
                shares.leave(number, weight: state.weight)
                setClaim(number)
            }
        }
        for number in shares.active { setClaim(number) }
        // What a namespace had lately fades while it waits.
        for number in Array(contenders.members) {
            namespaces[number].count(now)
            updateTurn(number)
        }
        if shares.areContested { timers.arm(.shares, at: now + configuration.sharesInterval) }
        distribute(now, &actions)
    }

    private mutating func setClaim(_ number: Int) {
        let state = namespaces[number]
        let claim =
            state.isActive && shares.areContested ? min(Int(share(of: number)), max(state.peak, state.peakBefore)) : 0
        shares.unmet -= state.unmet
        namespaces[number].claim = claim
        shares.unmet += namespaces[number].unmet
        updateVictim(number)
    }

    mutating func forgetShare(of number: Int) {
        shares.unmet -= namespaces[number].unmet
        namespaces[number].claim = 0
        shares.leave(number, weight: namespaces[number].weight)
        contenders.remove(number)
        victims.remove(number)
    }

    /// A worker more or less that is alive.
    mutating func changePlaces(_ number: Int, by difference: Int, memory: Int64) {
        shares.unmet -= namespaces[number].unmet
        namespaces[number].places += difference
        let sum = namespaces[number].held + Double(difference) * cost(of: memory)
        namespaces[number].held = namespaces[number].places == 0 ? 0 : max(0, sum)
        shares.unmet += namespaces[number].unmet
        updateVictim(number)
    }

    /// A worker begins or stops to use its namespace's share.
    mutating func occupy(_ worker: WorkerID, _ on: Bool, _ now: Int64) {
        guard let state = workers[worker], state.isOccupying != on else { return }
        namespaces[state.namespace].count(now)
        workers[worker]?.isOccupying = on
        let number = state.namespace
        let cost = cost(of: state.memory)
        namespaces[number].busy += on ? 1 : -1
        // Sums of fractions do not come back to nothing by themselves.
        let sum = namespaces[number].busy == 0 ? 0 : namespaces[number].occupied + (on ? cost : -cost)
        namespaces[number].occupied = max(0, sum)
        if on { namespaces[number].peak = max(namespaces[number].peak, namespaces[number].busy) }
        updateTurn(number)
    }

    /// Puts a namespace at its place among those that wait for one.
    mutating func updateTurn(_ number: Int) {
        guard let first = namespaces[number].wants.first, namespaces[number].mayRun else {
            contenders.remove(number)
            return
        }
        contenders.set(
            number, Turn(isAhead: first.priority == .max, load: namespaces[number].load, number: number))
    }

    /// Puts a namespace at its place among those whose idle workers may be sent away for others.
    mutating func updateVictim(_ number: Int) {
        guard let oldest = namespaces[number].idle.first, namespaces[number].places > namespaces[number].claim else {
            victims.remove(number)
            return
        }
        if victims[number] != oldest.priority { victims.set(number, oldest.priority) }
    }

    /// Whether a worker that has done a job gives its place to another namespace, or another version of its own, that
    /// waits: at once when its own has more even then; after a quantum when the other would have no more over it than it has
    /// over the other now, so that places do not go to and fro between those who have the same.
    mutating func handsOver(_ worker: WorkerID, _ now: Int64) -> Bool {
        guard let next = contenders.first, !next.priority.isAhead, let state = workers[worker] else { return false }
        let tenure = now - state.ready
        guard next.member != state.namespace else {
            // The own namespace waits: another version of it, or the same one, which is served best by this worker.
            guard let first = namespaces[next.member].wants.first, first.member != state.pool else { return false }
            let own = pools[state.pool]?.queue.first?.sequence ?? .max
            return tenure >= configuration.quantum && first.priority < own
        }
        let cost = cost(of: state.memory)
        namespaces[state.namespace].count(now)
        namespaces[next.member].count(now)
        let mine = namespaces[state.namespace]
        let other = namespaces[next.member]
        let before = mine.load - other.load
        let after = before - cost / mine.weight - cost / other.weight
        return after >= 0 || tenure >= configuration.quantum && -after <= before
    }
}
