internal import DequeModule

extension PoolMachine {
    /// What a pool is: a version of a function with what it may have.
    struct Definition: Sendable, Equatable {
        var namespace = ""
        /// Names the function within all; the versions of one share their limits on runs.
        var function = ""
        /// Workers that are kept ready.
        var floor = 0
        /// Workers at the same time.
        var ceiling = 4
        /// How long an idle worker is kept, milliseconds; `nil`: as configured.
        var idleGrace: Int64?
        /// A backlog of so many milliseconds starts all workers that are allowed at once.
        var burst: Int64 = 500
        var timeout: Int64 = 60_000
        /// Of one worker, bytes.
        var memory: Int64 = 0
        /// Jobs that one worker takes at the same time.
        var slots = 1
        /// Jobs of the function that run at the same time, and such of one key.
        var runs: Int?
        var runsPerKey: Int?
        /// Which stems and which zygote become its workers; `nil`: none.
        var flavour: String?
        /// Whether there can be a zygote for them.
        var canFork = true
        var isContainer = false
        /// Its program ends after one answer, so workers are not kept.
        var endsAfterAnswer = false
    }

    /// Jobs of one function, all versions together.
    struct Function: Sendable {
        var limit: Int?
        var running = 0
        var pools: Set<Pool> = []
    }

    /// Jobs of one key that are in a queue or run, and those that wait to be let in.
    struct KeyState: Sendable {
        var admitted = 0
        var parked: [(pool: Pool, entry: Waiting)] = []
        var first = 0

        /// The next one that waits to be let in.
        mutating func next() -> (pool: Pool, entry: Waiting)? {
            guard first < parked.count else { return nil }
            defer {
                first += 1
                if first > 32, 2 * first > parked.count {
                    parked.removeFirst(first)
                    first = 0
                }
            }
            return parked[first]
        }

        var isEmpty: Bool { admitted == 0 && first == parked.count }
    }

    /// Makes a pool known, or gives it other limits.
    mutating func define(_ pool: Pool, _ definition: Definition, now: Int64, _ actions: inout [Action]) {
        if pools[pool] == nil {
            let name = definition.namespace
            let (weight, limit) = (configuration.weights[name] ?? 1, runLimit(of: name))
            let namespace = namespaces.take(name) { Namespace(weight: weight, runLimit: limit) }
            let function = functions.take(name + "/" + definition.function) { Function() }
            functions[function].pools.insert(pool)
            pools[pool] = PoolState(definition: definition, namespace: namespace, function: function)
        }
        guard let state = pools[pool] else { return }
        pools[pool]?.definition = definition
        functions[state.function].limit = definition.runs
        if let flavour = definition.flavour { know(flavour, canFork: definition.canFork, now) }
        if state.definition.floor > definition.floor {
            // Those that were kept ready are like others now.
            for worker in state.idle where kept[worker] != nil {
                delist(worker)
                let since = workers[worker]?.since ?? now
                enlist(worker)
                schedule(worker, at: since + grace(of: pool))
            }
        }
        grow(pool, now, &actions)
    }

    private func runLimit(of namespace: String) -> Int? {
        configuration.namespaceRunsByName[namespace] ?? configuration.namespaceRuns
    }

    /// Drops a pool that has neither workers nor work; `false` when it must stay.
    mutating func forget(_ pool: Pool) -> Bool {
        guard let state = pools[pool], state.workers == 0, state.queue.isEmpty, state.definition.floor == 0,
            state.parked == 0
        else { return false }
        withdraw(pool)
        timers.cancel(.pool(pool))
        functions[state.function].pools.remove(pool)
        unblock(pool)
        pools[pool] = nil
        functions.release(state.function)
        if namespaces.release(state.namespace) { forgetShare(of: state.namespace) }
        return true
    }

    /// The program of this pool ends after each answer: from now on its workers are used once.
    mutating func noteEndsAfterAnswer(_ pool: Pool) { pools[pool]?.definition.endsAfterAnswer = true }

    func grace(of pool: Pool) -> Int64 { pools[pool]?.definition.idleGrace ?? configuration.idleGrace }
}
