/// What fits into the machine, and who goes when something does not.
extension PoolMachine {
    /// Workers that count against the places: those that are dying still do, but for a few that were idle.
    private var placesTaken: Int { workers.count - min(leaving, configuration.overlap) }
    /// The same of memory.
    private var memoryTaken: Int64 { memoryUsed - (leaving <= configuration.overlap ? memoryLeaving : 0) }
    /// Dying workers whose places are taken already.
    private var replaced: Int { max(0, workers.count - configuration.maximumWorkers) }

    /// Why a pool cannot have a worker more now; `nil` when it can.
    func obstacle(for pool: Pool, of number: Int, isAhead: Bool) -> Obstacle? {
        let free = configuration.maximumWorkers - placesTaken
        if free <= 0 { return .workers }
        if memoryTaken + (pools[pool]?.definition.memory ?? 0) > configuration.memoryBudget { return .memory }
        if free <= reserved(against: number, isAhead: isAhead) { return .share }
        return nil
    }

    /// Free places that a namespace must leave to the claims of others.
    private func reserved(against number: Int, isAhead: Bool) -> Int {
        guard shares.unmet > 0, isAhead || !isWithinShare(number) else { return 0 }
        return shares.unmet - namespaces[number].unmet
    }

    /// Sends idle workers away until what dies makes room for all that wait, or nobody can be sent.
    mutating func makeRoom(for pool: Pool, of number: Int, _ now: Int64, _ actions: inout [Action]) {
        let memory = pools[pool]?.definition.memory ?? 0
        let reserved = reserved(against: number, isAhead: false)
        while true {
            let staying = workers.count - dying
            let lacksPlaces =
                dying - replaced < wantedPlaces && staying + wantedPlaces + reserved > configuration.maximumWorkers
            let lacksMemory = memoryUsed - memoryDying + memory > configuration.memoryBudget
            guard lacksPlaces || lacksMemory, let victim = victim(for: number) else { return }
            kill(victim, .evicted, now, &actions)
        }
    }

    /// The idle worker that goes next for a namespace: the longest idle one among those that have more than they claim,
    /// else one of its own; at last even one that is to be kept ready, its own or, when it has less than its share, anyone's.
    private mutating func victim(for number: Int) -> WorkerID? {
        while let (other, _) = victims.first, let worker = namespaces[other].idle.first?.member {
            guard isKept(worker) else { return worker }
            keep(worker)
        }
        while let worker = namespaces[number].idle.first?.member {
            guard isKept(worker) else { return worker }
            keep(worker)
        }
        return isWithinShare(number) ? kept.first?.member : namespaces[number].kept.first?.member
    }

    // MARK: The lists of idle workers

    /// Whether a worker is one of those that its pool keeps ready.
    private func isKept(_ worker: WorkerID) -> Bool {
        guard let pool = workers[worker]?.pool, let state = pools[pool] else { return false }
        return state.alive <= state.definition.floor
    }

    private mutating func keep(_ worker: WorkerID) {
        guard let number = workers[worker]?.namespace else { return }
        namespaces[number].idle.remove(worker)
        updateVictim(number)
        let sequence = takeSequence()
        kept.set(worker, sequence)
        namespaces[number].kept.set(worker, sequence)
    }

    /// Puts an idle worker where those are looked for that may go.
    mutating func enlist(_ worker: WorkerID) {
        guard let number = workers[worker]?.namespace else { return }
        if isKept(worker) {
            keep(worker)
        } else {
            namespaces[number].idle.set(worker, takeSequence())
            updateVictim(number)
        }
    }

    mutating func delist(_ worker: WorkerID) {
        guard let number = workers[worker]?.namespace else { return }
        if kept.remove(worker) {
            namespaces[number].kept.remove(worker)
        } else {
            namespaces[number].idle.remove(worker)
            updateVictim(number)
        }
    }

    /// An idle worker's time is over: it goes unless it is to be kept ready.
    mutating func expire(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard isKept(worker) else {
            kill(worker, .idle, now, &actions)
            return
        }
        workers[worker]?.due = .max
        if kept[worker] == nil { keep(worker) }
    }
}
