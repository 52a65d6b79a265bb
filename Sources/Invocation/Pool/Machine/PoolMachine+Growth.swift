internal import DequeModule

/// How many workers a pool asks for, and in which order those that ask are served.
extension PoolMachine {
    /// Asks for as many workers as a pool should have, and gives what can be given.
    mutating func grow(_ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        guard reconsider(pool, now) else { return }
        distribute(now, &actions)
        if let number = pools[pool]?.namespace { helpItself(number, now, &actions) }
    }

    /// A namespace whose turn it is not may still put a worker that it needs in the place of an idle one of its own.
    mutating func helpItself(_ number: Int, _ now: Int64, _ actions: inout [Action]) {
        guard !isStopping, contenders.first?.member != number, let first = namespaces[number].wants.first,
            first.priority != .max, namespaces[number].mayRun
        else { return }
        makeRoom(for: first.member, of: number, now, &actions)
    }

    /// Counts how many workers a pool lacks; `false` when none.
    @discardableResult
    mutating func reconsider(_ pool: Pool, _ now: Int64) -> Bool {
        guard !isStopping, let state = pools[pool], !state.isBlocked else {
            withdraw(pool)
            return false
        }
        let first = state.queue.first
        let room = state.definition.ceiling - state.workers
        guard room > 0 else {
            withdraw(pool)
            pools[pool]?.obstacle = first == nil ? nil : .ceiling
            return false
        }
        // Most often: nothing waits, and somebody has time.
        if first == nil, state.alive >= state.definition.floor, state.busy < state.alive || state.alive == 0 {
            withdraw(pool)
            return false
        }
        let wish = sizing(state, first, now).wish
        let wanted = min(wish.workers - state.alive, room)
        guard wanted > 0 else {
            withdraw(pool)
            if let review = wish.review { timers.arm(.pool(pool), at: now + review) }
            return false
        }
        if first == nil, state.notBefore > now {
            // Starts for nobody in particular that failed: not again at once.
            withdraw(pool)
            timers.arm(.pool(pool), at: state.notBefore)
            return false
        }
        ask(pool, wanted, wish.cause, first?.sequence)
        return true
    }

    private func sizing(_ state: PoolState, _ first: Waiting?, _ now: Int64) -> Sizing {
        Sizing(
            waiting: state.queue.count, waited: now - (first?.since ?? now), busy: state.busy, alive: state.alive,
            starting: state.starting, slots: max(1, state.definition.slots), duration: state.duration.value,
            rate: state.rate.perMillisecond(now), wait: state.wait.value ?? 0, startTime: startTime(of: state),
            floor: state.definition.floor,
            ceiling: state.definition.ceiling, burst: state.definition.burst)
    }

    /// How long a start of a pool takes as far as is known, milliseconds.
    private func startTime(of state: PoolState) -> Double {
        if let known = state.startTime.value { return known }
        if state.definition.isContainer { return counters.startTime(.container) ?? 500 }
        guard let flavour = state.definition.flavour else { return counters.startTime(.exec) ?? 30 }
        if stems.hasReady(flavour) { return counters.startTime(.stem) ?? 2 }
        return stems.canFork(flavour) ? counters.startTime(.zygote) ?? 5 : counters.startTime(.exec) ?? 30
    }

    // MARK: Asking

    private mutating func ask(_ pool: Pool, _ wanted: Int, _ cause: StartCause, _ sequence: Int?) {
        guard let state = pools[pool] else { return }
        let isAhead = sequence == nil
        if !state.isAhead { wantedPlaces -= state.wanted }
        if !isAhead { wantedPlaces += wanted }
        pools[pool]?.wanted = wanted
        pools[pool]?.isAhead = isAhead
        pools[pool]?.cause = cause
        namespaces[state.namespace].wants.set(pool, sequence ?? .max)
        updateTurn(state.namespace)
    }

    /// A pool asks for no worker any more.
    mutating func withdraw(_ pool: Pool) {
        guard let state = pools[pool], state.wanted > 0 else { return }
        if !state.isAhead { wantedPlaces -= state.wanted }
        pools[pool]?.wanted = 0
        pools[pool]?.isAhead = false
        pools[pool]?.obstacle = nil
        namespaces[state.namespace].wants.remove(pool)
        updateTurn(state.namespace)
    }

    // MARK: Giving

    /// Gives places to those whose turn it is, while there are some; else makes room for the first.
    mutating func distribute(_ now: Int64, _ actions: inout [Action]) {
        guard !isStopping else { return }
        var passed: [(pool: Pool, number: Int)] = []
        var isStrict = false
        while let (number, turn) = contenders.first {
            guard let (pool, _) = namespaces[number].wants.first, let state = pools[pool] else {
                contenders.remove(number)
                continue
            }
            // One who has waited long for memory is passed by nobody.
            if isStrict { break }
            guard let obstacle = obstacle(for: pool, of: number, isAhead: turn.isAhead) else {
                pools[pool]?.obstacle = nil
                start(pool, number, state.cause, now, &actions)
                if state.wanted > 1 {
                    ask(pool, state.wanted - 1, state.cause, state.queue.first?.sequence)
                } else {
                    withdraw(pool)
                }
                continue
            }
            pools[pool]?.obstacle = obstacle
            // Nobody is sent away for what is ahead of need, and all behind this one are ahead of need, too.
            if turn.isAhead { break }
            makeRoom(for: pool, of: number, now, &actions)
            if self.obstacle(for: pool, of: number, isAhead: false) == nil { continue }
            guard obstacle == .memory else { break }
            // Memory may be short for this one and yet enough for others.
            namespaces[number].wants.remove(pool)
            updateTurn(number)
            passed.append((pool, number))
            isStrict = holdsUp(now - (state.queue.first?.since ?? now))
        }
        for (pool, number) in passed {
            namespaces[number].wants.set(pool, pools[pool]?.queue.first?.sequence ?? .max)
            updateTurn(number)
        }
    }

    /// Whether one who has waited so long for memory may be passed no more: after its patience, but not for ever, as those
    /// that run may run for hours: it holds the others up for a while, then lets them pass for as long, and so on.
    private func holdsUp(_ waited: Int64) -> Bool {
        let patience = configuration.memoryPatience
        guard waited >= patience else { return false }
        return patience == 0 || (waited - patience) / (6 * patience) % 2 == 0
    }

    private mutating func start(
        _ pool: Pool, _ number: Int, _ cause: StartCause, _ now: Int64, _ actions: inout [Action]
    ) {
        guard let definition = pools[pool]?.definition else { return }
        let (way, stem) = way(for: definition, now, &actions)
        let reason = StartReason(cause: cause, way: way)
        let worker = stem ?? takeWorkerID()
        let due = now + max(definition.timeout, configuration.minimumStartTime)
        workers[worker] = Worker(
            pool: pool, namespace: number, memory: definition.memory, reason: reason, phase: .starting, since: now,
            due: due)
        pools[pool]?.starting += 1
        pools[pool]?.workers += 1
        memoryUsed += definition.memory
        changePlaces(number, by: 1, memory: definition.memory)
        occupy(worker, true, now)
        counters.note(started: reason)
        actions.append(.start(worker, pool, reason))
        timers.arm(.worker(worker), at: due)
        stems.startsUnderway += 1
    }

    mutating func takeWorkerID() -> WorkerID {
        defer { nextWorker += 1 }
        return nextWorker
    }
}
