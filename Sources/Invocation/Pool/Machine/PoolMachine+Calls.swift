internal import DequeModule

/// A job's way: past the limit of its key into its pool's queue, past the limits of function and namespace to a worker.
extension PoolMachine {
    mutating func submit(
        _ job: JobID, _ pool: Pool, _ calls: Int, _ value: String?, _ now: Int64, _ actions: inout [Action]
    ) {
        guard !isStopping, let number = pools[pool]?.namespace, let definition = pools[pool]?.definition else {
            actions.append(.fail(job, .stopped))
            return
        }
        guard definition.memory <= configuration.memoryBudget else {
            actions.append(.fail(job, .tooLarge(configuration.memoryBudget)))
            return
        }
        pools[pool]?.rate.note(now)
        let key = callKey(pool, value)
        let entry = Waiting(job: job, calls: calls, key: key, sequence: takeSequence(), since: now)
        namespaces[number].waiting += 1
        noteWork(number, now, &actions)
        if let key, let limit = definition.runsPerKey {
            if keys[key, default: KeyState()].admitted >= limit {
                keys[key]?.parked.append((pool, entry))
                pools[pool]?.parked += 1
                return
            }
            keys[key, default: KeyState()].admitted += 1
        }
        pools[pool]?.queue.append(entry)
        serve(pool, now, &actions)
    }

    private func callKey(_ pool: Pool, _ value: String?) -> CallKey? {
        guard let value, let state = pools[pool], state.definition.runsPerKey != nil else { return nil }
        return CallKey(function: state.function, value: value)
    }

    /// Gives waiting jobs to workers that are free, and asks for more workers where that does not do.
    mutating func serve(_ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        if isStopping {
            while pools[pool]?.queue.isEmpty == false { fail(first: pool, .stopped, &actions) }
            return
        }
        while let first = pools[pool]?.queue.first {
            guard mayRun(pool) else {
                block(pool, first.sequence)
                return
            }
            guard let worker = freeWorker(pool), let entry = pools[pool]?.queue.popFirst() else { break }
            run(worker, pool, entry, now, &actions)
        }
        grow(pool, now, &actions)
    }

    /// A worker that takes a job now: the last used one, as its memory is warm and the others may then go.
    private mutating func freeWorker(_ pool: Pool) -> WorkerID? {
        if let open = pools[pool]?.open.last { return open }
        guard let worker = pools[pool]?.idle.popLast() else { return nil }
        delist(worker)
        return worker
    }

    /// Puts a job on a worker that is in no list of idle ones.
    mutating func run(_ worker: WorkerID, _ pool: Pool, _ entry: Waiting, _ now: Int64, _ actions: inout [Action]) {
        guard let definition = pools[pool]?.definition, let state = workers[worker] else { return }
        let due = now + (entry.calls == 1 ? definition.timeout : min(definition.timeout, configuration.checkInterval))
        let isFirst = state.jobs.isEmpty
        workers[worker]?.phase = .running
        workers[worker]?.jobs.append(Running(entry: entry, began: now, since: now, due: due))
        if isFirst { pools[pool]?.busy += 1 }
        pools[pool]?.wait.add(Double(now - entry.since))
        occupy(worker, true, now)
        namespaces[state.namespace].waiting -= 1
        namespaces[state.namespace].running += 1
        if namespaces[state.namespace].runLimit != nil { updateTurn(state.namespace) }
        if let function = pools[pool]?.function { functions[function].running += 1 }
        if definition.slots > 1 {
            let isFull = state.jobs.count + 1 >= definition.slots
            if isFull {
                pools[pool]?.open.removeAll { $0 == worker }
            } else if isFirst {
                pools[pool]?.open.append(worker)
            }
        }
        if state.isFrozen {
            workers[worker]?.isFrozen = false
            actions.append(.thaw(worker))
        }
        schedule(worker, at: isFirst ? due : min(due, state.due))
        actions.append(.run(worker, entry.job))
        if pools[pool]?.wanted != 0 { reconsider(pool, now) }
    }

    /// A job of a worker has ended, well or not: everything that counted it counts it no more. The limit of its key is
    /// kept when its rest comes back.
    mutating func settle(_ worker: WorkerID, _ running: Running, keepsKey: Bool = false, _ now: Int64) {
        guard let state = workers[worker] else { return }
        pools[state.pool]?.duration.add(Double(now - running.began))
        namespaces[state.namespace].running -= 1
        namespaces[state.namespace].lastWork = now
        if let function = pools[state.pool]?.function { functions[function].running -= 1 }
        if !keepsKey, let key = running.entry.key { release(key) }
    }

    /// One job of a key less: the next of the key is let into its pool's queue, which is served when the event is done.
    mutating func release(_ key: CallKey) {
        keys[key]?.admitted -= 1
        if let (pool, entry) = keys[key]?.next() {
            keys[key]?.admitted += 1
            pools[pool]?.parked -= 1
            insert(entry, pool)
            released.append(pool)
        }
        if keys[key]?.isEmpty == true { keys[key] = nil }
    }

    /// Puts a job at its place in a queue: it is older than most.
    mutating func insert(_ entry: Waiting, _ pool: Pool) {
        guard let queue = pools[pool]?.queue, let last = queue.last, last.sequence > entry.sequence else {
            pools[pool]?.queue.append(entry)
            return
        }
        let place = queue.firstIndex { $0.sequence > entry.sequence } ?? queue.endIndex
        pools[pool]?.queue.insert(entry, at: place)
    }

    mutating func finished(_ worker: WorkerID, _ job: JobID, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], state.phase == .running,
            let index = state.jobs.firstIndex(where: { $0.entry.job == job })
        else { return }
        let pool = state.pool
        workers[worker]?.jobs.remove(at: index)
        settle(worker, state.jobs[index], now)
        takeNext(worker, pool, now, &actions)
        unblock(after: pool, now, &actions)
    }

    /// What a worker does after a job, or after its start.
    mutating func takeNext(_ worker: WorkerID, _ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        guard let state = workers[worker], let definition = pools[pool]?.definition else { return }
        guard state.jobs.isEmpty else {
            if !state.isDraining, !isStopping { open(worker, pool, now, &actions) }
            return
        }
        if state.phase == .running { pools[pool]?.busy -= 1 }
        if definition.slots > 1 { pools[pool]?.open.removeAll { $0 == worker } }
        if state.isDraining {
            kill(worker, .timeout, now, &actions)
        } else if definition.endsAfterAnswer, state.phase == .running {
            retire(worker, now, &actions)
        } else if isStopping {
            kill(worker, .idle, now, &actions)
        } else if state.phase == .running, handsOver(worker, now) {
            counters.handovers += 1
            kill(worker, .evicted, now, &actions)
            grow(pool, now, &actions)
        } else if goesOn(pool), let entry = pools[pool]?.queue.popFirst() {
            run(worker, pool, entry, now, &actions)
            if definition.slots > 1 { serve(pool, now, &actions) }
        } else {
            idle(worker, pool, now)
            unblock(after: pool, now, &actions)
            if pools[pool]?.queue.isEmpty == false { serve(pool, now, &actions) }
            if !contenders.isEmpty {
                distribute(now, &actions)
                helpItself(state.namespace, now, &actions)
            }
        }
    }

    /// A worker that takes several jobs has room for one.
    private mutating func open(_ worker: WorkerID, _ pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        if pools[pool]?.open.contains(worker) == false { pools[pool]?.open.append(worker) }
        serve(pool, now, &actions)
    }

    /// Whether a pool's own queue comes next: else those that share its limits are asked first who has waited longest.
    private func goesOn(_ pool: Pool) -> Bool {
        guard let state = pools[pool], namespaces[state.namespace].blocked.isEmpty, mayRun(pool) else { return false }
        return functions[state.function].limit == nil || functions[state.function].pools.count == 1
    }

    /// A job that cannot run.
    mutating func fail(first pool: Pool, _ failure: Failure, _ actions: inout [Action]) {
        guard let entry = pools[pool]?.queue.popFirst(), let number = pools[pool]?.namespace else { return }
        namespaces[number].waiting -= 1
        actions.append(.fail(entry.job, failure))
        if let key = entry.key { release(key) }
    }

    // MARK: Limits

    func mayRun(_ pool: Pool) -> Bool {
        guard let state = pools[pool] else { return false }
        let function = functions[state.function]
        return namespaces[state.namespace].mayRun && function.limit.map { function.running < $0 } ?? true
    }

    /// A pool's jobs wait for a limit: it is served when a run of its function or namespace has ended.
    private mutating func block(_ pool: Pool, _ sequence: Int) {
        guard let number = pools[pool]?.namespace else { return }
        pools[pool]?.isBlocked = true
        withdraw(pool)
        if namespaces[number].mayRun {
            pools[pool]?.obstacle = .functionLimit
        } else {
            pools[pool]?.obstacle = .namespaceLimit
            namespaces[number].blocked.set(pool, sequence)
        }
    }

    mutating func unblock(_ pool: Pool) {
        guard pools[pool]?.isBlocked == true, let number = pools[pool]?.namespace else { return }
        pools[pool]?.isBlocked = false
        pools[pool]?.obstacle = nil
        namespaces[number].blocked.remove(pool)
    }

    /// A run of this pool has ended: those that its limits kept waiting may go on, the oldest first.
    mutating func unblock(after pool: Pool, _ now: Int64, _ actions: inout [Action]) {
        guard let number = pools[pool]?.namespace, let function = pools[pool]?.function else { return }
        if functions[function].limit != nil {
            for other in functions[function].pools.sorted()
            where pools[other]?.isBlocked == true && namespaces[number].blocked[other] == nil {
                unblock(other)
                serve(other, now, &actions)
            }
        }
        guard namespaces[number].runLimit != nil else { return }
        updateTurn(number)
        while namespaces[number].mayRun, let first = namespaces[number].blocked.first {
            unblock(first.member)
            serve(first.member, now, &actions)
        }
    }
}
