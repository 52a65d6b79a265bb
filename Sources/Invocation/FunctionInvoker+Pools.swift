package import Functions
internal import Sandboxes
internal import Synchronization

/// Which versions have a pool.
extension FunctionInvoker {
    /// The pool of a version, made when there is none.
    func pool(
        of version: FunctionVersion, _ state: inout State, _ now: Int64, _ actions: inout [PoolMachine.Action]
    ) -> PoolMachine.Pool {
        if version.limits.scaling.isShared, version.name != FunctionVersion.hostName {
            return pool(of: version.host, &state, now, &actions)
        }
        let key = PoolKey(version)
        if let known = state.pools[key] { return known }
        let pool = state.nextPool
        state.nextPool += 1
        state.pools[key] = pool
        state.versions[pool] = version
        var definition = PoolMachine.Definition(version)
        definition.flavour = kinds.first { $0.runs(version) }?.flavour(of: version)
        definition.canFork = definition.flavour.map(canFork) ?? false
        definition.endsAfterAnswer = state.endAfterAnswer.contains(version.digest)
        state.machine.define(pool, definition, now: now, &actions)
        return pool
    }

    /// Lets go of a version that has no workers and no work.
    func forget(_ pool: PoolMachine.Pool, _ state: inout State) {
        guard state.machine.forget(pool), let version = state.versions.removeValue(forKey: pool) else { return }
        state.pools[PoolKey(version)] = nil
    }

    /// The current version of a function is this one now (`nil`: there is no such function any more): it gets the workers
    /// that it wants to be kept ready, other versions keep none.
    package func settle(namespace: String, name: String, current: FunctionVersion?) {
        handle { state, now, actions in
            for (key, pool) in state.pools
            where key.namespace == namespace && key.name == name && key.digest != current?.digest {
                guard var definition = state.machine.pools[pool]?.definition, definition.floor > 0 else { continue }
                definition.floor = 0
                state.machine.define(pool, definition, now: now, &actions)
                forget(pool, &state)
            }
            guard let current, current.limits.scaling.minimum > 0, !isStopping else { return }
            _ = pool(of: current, &state, now, &actions)
        }
    }

    /// Whether there can be a zygote for stems of a flavour.
    private func canFork(_ flavour: String) -> Bool { kinds.contains { $0.forks(flavour) } }

    /// Stems that are to wait for functions of these runtimes though none has been called yet.
    package func prepareStems(for runtimes: Set<FunctionVersion.Runtime>) {
        handle { state, now, actions in
            for flavour in runtimes.compactMap({ runtime in kinds.lazy.compactMap { $0.flavour(of: runtime) }.first }) {
                state.machine.know(flavour, isUsual: true, canFork: canFork(flavour), now)
            }
            state.machine.handle(.tick, now: now, &actions)
        }
    }
}

extension PoolMachine.Definition {
    init(_ version: FunctionVersion) {
        let limits = version.limits
        namespace = version.namespace
        function = version.name
        floor = limits.scaling.minimum
        ceiling = max(1, limits.concurrency)
        idleGrace = limits.scaling.idle
        burst = limits.scaling.burst
        timeout = max(1, limits.timeout)
        memory = limits.memory + version.staging.outputMemory
        runs = limits.scaling.runs
        runsPerKey = limits.scaling.runsPerKey
        slots = limits.scaling.concurrentEvents
        isContainer = version.runtime == .container
    }
}

extension PoolMachine.Configuration {
    init(_ configuration: InvocationConfiguration) {
        self.init()
        maximumWorkers = configuration.maximumWorkers
        // Of a few workers each counts.
        overlap = configuration.maximumWorkers / 8
        memoryBudget = configuration.memoryBudget
        idleGrace = configuration.idleGrace
        freezeAfter = configuration.freezeAfter
        namespaceRuns = configuration.namespaceRuns
        namespaceRunsByName = configuration.namespaceRunsByName
        weights = configuration.namespaceWeights
        stems = configuration.stems
        stemsByFlavour = configuration.stemsByFlavour
        // As long as a first call takes.
        stemRest = 3
    }
}
