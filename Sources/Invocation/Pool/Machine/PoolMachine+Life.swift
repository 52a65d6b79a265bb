internal import DequeModule

/// The life of workers: ready, idle, frozen, late, dying, gone.
extension PoolMachine {
    /// When to look at a worker next.
    mutating func schedule(_ worker: WorkerID, at time: Int64) {
        workers[worker]?.due = time
        timers.arm(.worker(worker), at: time)
    }

    mutating func ready(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker] else {
            stemReady(worker, now, &actions)
            return
        }
        guard state.phase == .starting else { return }
        let took = Double(now - state.since)
        pools[state.pool]?.starting -= 1
        pools[state.pool]?.failures = 0
        pools[state.pool]?.startTime.add(took)
        counters.note(ready: state.reason.way.way, milliseconds: took)
        workers[worker]?.phase = .idle
        workers[worker]?.ready = now
        stems.startsUnderway -= 1
        takeNext(worker, state.pool, now, &actions)
    }

    mutating func idle(_ worker: WorkerID, _ pool: Pool, _ now: Int64) {
        workers[worker]?.phase = .idle
        workers[worker]?.since = now
        occupy(worker, false, now)
        pools[pool]?.idle.append(worker)
        enlist(worker)
        let grace = grace(of: pool)
        schedule(worker, at: now + min(grace, configuration.freezeAfter ?? grace))
    }

    mutating func retire(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker] else { return }
        workers[worker]?.phase = .retired
        workers[worker]?.since = now
        beginDying(worker, state, now)
        schedule(worker, at: now + 1_000)
        actions.append(.retire(worker))
    }

    /// A worker is no more of use to its pool and gives back what it has once it has ended.
    private mutating func beginDying(_ worker: WorkerID, _ state: Worker, _ now: Int64) {
        pools[state.pool]?.dying += 1
        dying += 1
        memoryDying += state.memory
        changePlaces(state.namespace, by: -1, memory: state.memory)
        if state.jobs.isEmpty { occupy(worker, false, now) }
    }

    // MARK: Starts that fail

    mutating func failedToStart(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase == .starting else { return }
        stopStarting(worker, state, now, &actions)
        failOldest(state.pool, now, &actions)
    }

    /// A stem or a zygote did not bring the worker: no job is at fault, and the next start goes another way for a while.
    mutating func lostOnTheWay(_ worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase == .starting else { return }
        stopStarting(worker, state, now, &actions)
        counters.lost += 1
        if let flavour = pools[state.pool]?.definition.flavour { stems.distrust(flavour, now) }
    }

    private mutating func stopStarting(
        _ worker: WorkerID, _ state: Worker, _ now: Int64, _ actions: inout [Action]
    ) {
        pools[state.pool]?.starting -= 1
        workers[worker]?.phase = .killed
        workers[worker]?.since = now
        workers[worker]?.due = .max
        beginDying(worker, state, now)
        stems.startsUnderway -= 1
    }

    /// Whoever has waited longest takes the failure; the others get an attempt of their own. When nobody waits, the next
    /// attempt comes after a while that doubles.
    private mutating func failOldest(_ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        counters.failedStarts += 1
        guard pools[pool]?.queue.isEmpty == true else {
            fail(first: pool, .startFailed, &actions)
            return
        }
        let failures = min((pools[pool]?.failures ?? 0) + 1, 9)
        pools[pool]?.failures = failures
        pools[pool]?.notBefore = now + 500 << Int64(failures)
    }

    // MARK: Time passes

    /// A worker's time has come, or an earlier time of it that does not count any more.
    mutating func look(at worker: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker] else {
            lookAtStem(worker, now, &actions)
            return
        }
        guard state.due <= now else {
            timers.arm(.worker(worker), at: state.due)
            return
        }
        switch state.phase {
        case .starting:
            failOldest(state.pool, now, &actions)
            kill(worker, .startTimeout, now, &actions)
        case .idle: lookAtIdle(worker, state, now, &actions)
        case .running:
            // Answered by `progressed`, which says when to look again.
            var next = Int64.max
            for (index, running) in state.jobs.enumerated() {
                if running.due <= now {
                    workers[worker]?.jobs[index].due = .max
                    actions.append(.check(worker, running.entry.job))
                } else {
                    next = min(next, running.due)
                }
            }
            schedule(worker, at: next)
        case .killed:
            workers[worker]?.due = .max
            actions.append(.abandon(worker))
        case .retired: kill(worker, .idle, now, &actions)
        }
    }

    private mutating func lookAtIdle(
        _ worker: WorkerID, _ state: Worker, _ now: Int64, _ actions: inout [Action]
    ) {
        if !state.isFrozen, let freezeAfter = configuration.freezeAfter, now >= state.since + freezeAfter {
            workers[worker]?.isFrozen = true
            counters.freezes += 1
            actions.append(.freeze(worker))
        }
        let end = state.since + grace(of: state.pool)
        if now >= end {
            expire(worker, now, &actions)
        } else {
            schedule(worker, at: end)
        }
    }

    mutating func progressed(
        _ worker: WorkerID, _ job: JobID, _ answered: Int, _ now: Int64, _ actions: inout [Action]
    ) {
        guard let state = workers[worker], state.phase == .running, let definition = pools[state.pool]?.definition,
            let index = state.jobs.firstIndex(where: { $0.entry.job == job })
        else { return }
        var running = state.jobs[index]
        if answered > running.answered {
            running.answered = answered
            running.since = now
        }
        if now - running.since >= definition.timeout {
            late(worker, state, index, now, &actions)
            return
        }
        running.due = min(
            running.since + definition.timeout, running.entry.calls == 1 ? .max : now + configuration.checkInterval)
        workers[worker]?.jobs[index] = running
        schedule(worker, at: min(running.due, workers[worker]?.due ?? .max))
    }

    /// A call has had its time. Where it is alone its worker is killed; else it is given up and the worker goes when the
    /// others are done.
    private mutating func late(
        _ worker: WorkerID, _ state: Worker, _ index: Int, _ now: Int64, _ actions: inout [Action]
    ) {
        guard state.jobs.count > 1 else {
            kill(worker, .timeout, now, &actions)
            return
        }
        workers[worker]?.isDraining = true
        pools[state.pool]?.open.removeAll { $0 == worker }
        workers[worker]?.jobs.remove(at: index)
        settle(worker, state.jobs[index], now)
        actions.append(.expire(worker, state.jobs[index].entry.job))
        unblock(after: state.pool, now, &actions)
        schedule(worker, at: workers[worker]?.jobs.map(\.due).min() ?? .max)
    }

    // MARK: The end

    mutating func kill(_ worker: WorkerID, _ reason: Reason, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase != .killed else { return }
        switch state.phase {
        case .idle:
            if pools[state.pool]?.idle.first == worker {
                pools[state.pool]?.idle.removeFirst()
            } else {
                pools[state.pool]?.idle.removeAll { $0 == worker }
            }
            delist(worker)
        case .starting:
            pools[state.pool]?.starting -= 1
            if reason == .misbehaved { failOldest(state.pool, now, &actions) }
            stems.startsUnderway -= 1
        case .running:
            if !state.jobs.isEmpty { pools[state.pool]?.busy -= 1 }
            pools[state.pool]?.open.removeAll { $0 == worker }
        case .killed, .retired: break
        }
        workers[worker]?.phase = .killed
        workers[worker]?.since = now
        if state.phase != .retired { beginDying(worker, state, now) }
        if state.phase == .idle {
            workers[worker]?.isLeaving = true
            leaving += 1
            memoryLeaving += state.memory
        }
        counters.note(killed: reason)
        actions.append(.kill(worker, reason))
        workers[worker]?.due = .max
        if !state.jobs.isEmpty { schedule(worker, at: now + configuration.killGrace) }
    }

    mutating func ended(_ worker: WorkerID, _ requeue: [Rest], _ now: Int64, _ actions: inout [Action]) {
        guard let before = workers[worker] else {
            stemEnded(worker, now, &actions)
            return
        }
        if before.phase == .starting { failedToStart(worker, now, &actions) }
        if before.phase == .idle || before.phase == .running { forgetLiving(worker, before, now) }
        for running in before.jobs {
            let rest = requeue.first { $0.job == running.entry.job && $0.calls > 0 }
            settle(worker, running, keepsKey: rest != nil, now)
            guard let rest else { continue }
            // Its first calls are settled; the rest keeps its place before those that came later.
            var entry = running.entry
            entry.calls = rest.calls
            namespaces[before.namespace].waiting += 1
            insert(entry, before.pool)
        }
        occupy(worker, false, now)
        workers[worker] = nil
        timers.cancel(.worker(worker))
        pools[before.pool]?.workers -= 1
        pools[before.pool]?.dying -= 1
        dying -= 1
        if before.isLeaving {
            leaving -= 1
            memoryLeaving -= before.memory
        }
        memoryUsed -= before.memory
        memoryDying -= before.memory
        serve(before.pool, now, &actions)
        unblock(after: before.pool, now, &actions)
        distribute(now, &actions)
        helpItself(before.namespace, now, &actions)
    }

    /// A worker that nobody has killed has ended.
    private mutating func forgetLiving(_ worker: WorkerID, _ state: Worker, _ now: Int64) {
        if state.phase == .idle {
            pools[state.pool]?.idle.removeAll { $0 == worker }
            delist(worker)
        } else {
            if !state.jobs.isEmpty { pools[state.pool]?.busy -= 1 }
            pools[state.pool]?.open.removeAll { $0 == worker }
        }
        workers[worker]?.phase = .killed
        beginDying(worker, state, now)
    }

    mutating func stop(_ now: Int64, _ actions: inout [Action]) {
        isStopping = true
        failParked(&actions)
        for pool in pools.keys.sorted() {
            withdraw(pool)
            unblock(pool)
            while pools[pool]?.queue.isEmpty == false { fail(first: pool, .stopped, &actions) }
            for worker in pools[pool]?.idle ?? [] { kill(worker, .idle, now, &actions) }
        }
        stopStems(now, &actions)
    }

    private mutating func failParked(_ actions: inout [Action]) {
        for key in keys.keys {
            while let (pool, entry) = keys[key]?.next() {
                pools[pool]?.parked -= 1
                if let number = pools[pool]?.namespace { namespaces[number].waiting -= 1 }
                actions.append(.fail(entry.job, .stopped))
            }
            if keys[key]?.isEmpty == true { keys[key] = nil }
        }
    }
}
