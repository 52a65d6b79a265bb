package import CloudEvents
internal import DequeModule
internal import Functions
internal import Sandboxes
internal import Synchronization

/// What the pools are like at one moment: what is shown live, and what metrics are made of.
package struct PoolSnapshot: Sendable {
    /// One version that has workers, or calls that wait.
    package struct Function: Sendable {
        package var namespace: String
        package var name: String
        package var version: String
        package var starting = 0
        package var running = 0
        package var idle = 0
        /// Of the idle ones.
        package var frozen = 0
        package var ending = 0
        package var queued = 0
        package var floor = 0
        package var ceiling = 0
        /// Why calls wait; `nil` when none does, or a worker is on its way.
        package var obstacle: String?
        /// Jobs a second, and the mean of their run and of their wait, milliseconds.
        package var rate = 0.0
        package var duration: Double?
        package var wait: Double?
        /// Of all its workers, bytes.
        package var memory: Int64 = 0
    }

    package struct Namespace: Sendable {
        package var name: String
        package var workers: Int
        package var running: Int
        package var queued: Int
        /// Its fair share of the places, and how many others must leave to it.
        package var share: Double
        package var claim: Int
        package var isActive: Bool
    }

    package struct StemKind: Sendable {
        package var name: String
        package var ready: Int
        package var starting: Int
        package var target: Int
        package var zygote: String?
        package var failures: Int
    }

    package struct Start: Sendable {
        package var way: String
        package var cause: String
        package var count: Int
    }

    package var functions: [Function]
    package var namespaces: [Namespace]
    package var stems: [StemKind]
    package var starts: [Start]
    /// Starts of each way that became ready, and the milliseconds that they took together.
    package var readiness: [(way: String, count: Int, milliseconds: Double)]
    package var kills: [(reason: String, count: Int)]
    package var places: Int
    package var memoryBudget: Int64
    package var memoryUsed: Int64
    package var handovers: Int
    package var freezes: Int
    package var failedStarts: Int
    package var lostStems: Int
}

extension FunctionInvoker {
    /// What the pools are like now. Looks at all that is alive: for people and for scrapes, not for each call.
    package func snapshot() -> PoolSnapshot {
        let now = MonotonicClock.milliseconds
        return state.withLock { state in
            var snapshot = state.machine.snapshot(now)
            for (index, pool) in state.machine.pools.keys.sorted().enumerated() where index < snapshot.functions.count {
                snapshot.functions[index].version = state.versions[pool]?.digest ?? ""
            }
            return snapshot
        }
    }
}

extension PoolMachine {
    /// Pools are listed in the order of their numbers.
    func snapshot(_ now: Int64) -> PoolSnapshot {
        let order = pools.keys.sorted()
        var functions: [PoolSnapshot.Function] = []
        var index: [Pool: Int] = [:]
        for pool in order {
            guard let state = pools[pool] else { continue }
            index[pool] = functions.count
            functions.append(function(state, now))
        }
        for worker in workers.values {
            guard let place = index[worker.pool] else { continue }
            functions[place].memory += worker.memory
            if worker.phase == .idle, worker.isFrozen { functions[place].frozen += 1 }
        }
        return PoolSnapshot(
            functions: functions, namespaces: namespaces.all.sorted().map { namespace($0) },
            stems: stems.flavours.keys.sorted().map { stemKind($0) },
            starts: counters.starts.map { .init(way: $0.key.way.rawValue, cause: $0.key.cause, count: $0.value) }
                .sorted { ($0.way, $0.cause) < ($1.way, $1.cause) },
            readiness: counters.readiness
                .map { (way: $0.key.rawValue, count: $0.value.count, milliseconds: $0.value.milliseconds) }
                .sorted { $0.way < $1.way },
            kills: counters.kills.map { (reason: $0.key.rawValue, count: $0.value) }.sorted { $0.reason < $1.reason },
            places: configuration.maximumWorkers, memoryBudget: configuration.memoryBudget, memoryUsed: memoryUsed,
            handovers: counters.handovers, freezes: counters.freezes, failedStarts: counters.failedStarts,
            lostStems: counters.lost)
    }

    private func function(_ state: PoolState, _ now: Int64) -> PoolSnapshot.Function {
        var function = PoolSnapshot.Function(
            namespace: state.definition.namespace, name: state.definition.function, version: "")
        function.starting = state.starting
        function.running = state.busy
        function.idle = state.idle.count
        function.ending = state.dying
        function.queued = state.queue.reduce(state.parked) { $0 + $1.calls }
        function.floor = state.definition.floor
        function.ceiling = state.definition.ceiling
        function.obstacle = state.queue.isEmpty ? (state.parked > 0 ? "key limit" : nil) : state.obstacle?.words
        function.rate = state.rate.perMillisecond(now) * 1_000
        function.duration = state.duration.value
        function.wait = state.wait.value
        return function
    }

    private func namespace(_ number: Int) -> PoolSnapshot.Namespace {
        let state = namespaces[number]
        return .init(
            name: namespaces.name(number), workers: state.places, running: state.running, queued: state.waiting,
            share: share(of: number), claim: state.claim, isActive: state.isActive)
    }

    private func stemKind(_ name: String) -> PoolSnapshot.StemKind {
        let flavour = stems.flavours[name]
        let zygote = stems.hasZygote(name) ? stems.canFork(name) ? "ready" : "starting" : nil
        return .init(
            name: name, ready: flavour?.ready.count ?? 0, starting: flavour?.starting ?? 0,
            target: flavour?.target ?? 0, zygote: zygote, failures: flavour?.failures ?? 0)
    }
}

extension PoolMachine.Obstacle {
    /// For people.
    var words: String {
        switch self {
        case .workers: "all workers are taken"
        case .memory: "memory"
        case .share: "others' share"
        case .namespaceLimit: "namespace limit"
        case .functionLimit: "function limit"
        case .ceiling: "its own workers"
        }
    }
}

extension PoolSnapshot {
    /// As the API shows it; one namespace only where one is named.
    package func document(namespace: String? = nil) -> JSONObject {
        let functions = functions.filter { namespace == nil || $0.namespace == namespace }
        let all = self.functions
        return [
            "workers": [
                "alive": .integer(Int64(all.reduce(0) { $0 + $1.starting + $1.running + $1.idle + $1.ending })),
                "starting": .integer(Int64(all.reduce(0) { $0 + $1.starting })),
                "running": .integer(Int64(all.reduce(0) { $0 + $1.running })),
                "idle": .integer(Int64(all.reduce(0) { $0 + $1.idle })),
                "frozen": .integer(Int64(all.reduce(0) { $0 + $1.frozen })),
                "most": .integer(Int64(places)),
            ],
            "memory": ["used": .integer(memoryUsed), "budget": .integer(memoryBudget)],
            "queued": .integer(Int64(all.reduce(0) { $0 + $1.queued })),
            "functions": .array(functions.map { .object($0.document) }),
            "namespaces": .array(
                namespaces.filter { namespace == nil || $0.name == namespace }.map { .object($0.document) }),
            "stems": .array(stems.map { .object($0.document) }),
            "starts": .array(
                starts.map {
                    ["way": .string($0.way), "cause": .string($0.cause), "count": .integer(Int64($0.count))]
                }),
            "ends": .object(
                JSONObject(members: kills.map { .init(name: $0.reason, value: .integer(Int64($0.count))) })),
            "handovers": .integer(Int64(handovers)), "freezes": .integer(Int64(freezes)),
            "failedStarts": .integer(Int64(failedStarts)), "lostStems": .integer(Int64(lostStems)),
        ]
    }
}

extension PoolSnapshot.Function {
    fileprivate var document: JSONObject {
        var document: JSONObject = [
            "namespace": .string(namespace), "name": .string(name), "version": .string(version),
            "starting": .integer(Int64(starting)), "running": .integer(Int64(running)),
            "idle": .integer(Int64(idle)), "frozen": .integer(Int64(frozen)), "ending": .integer(Int64(ending)),
            "queued": .integer(Int64(queued)), "min": .integer(Int64(floor)), "max": .integer(Int64(ceiling)),
            "memory": .integer(memory), "rate": .number((rate * 100).rounded() / 100),
        ]
        document["duration"] = duration.map { .number(($0 * 100).rounded() / 100) }
        document["wait"] = wait.map { .number(($0 * 100).rounded() / 100) }
        document["obstacle"] = obstacle.map { .string($0) }
        return document
    }
}

extension PoolSnapshot.Namespace {
    fileprivate var document: JSONObject {
        [
            "name": .string(name), "workers": .integer(Int64(workers)), "running": .integer(Int64(running)),
            "queued": .integer(Int64(queued)), "share": .number((share * 100).rounded() / 100),
            "claim": .integer(Int64(claim)), "active": .bool(isActive),
        ]
    }
}

extension PoolSnapshot.StemKind {
    fileprivate var document: JSONObject {
        var document: JSONObject = [
            "kind": .string(name), "ready": .integer(Int64(ready)), "starting": .integer(Int64(starting)),
            "target": .integer(Int64(target)), "failures": .integer(Int64(failures)),
        ]
        document["zygote"] = zygote.map { .string($0) }
        return document
    }
}
