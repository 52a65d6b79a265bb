@testable import Invocation

/// What must hold at every moment, counted from the processes and not from the machine's own books; and that the books
/// agree.
extension PoolWorld {
    func check() {
        let configuration = machine.configuration
        let workers = processes.values.filter { $0.pool != nil }
        expect(workers.count <= configuration.maximumWorkers + configuration.overlap, "\(workers.count) workers")
        let staying = workers.count { !$0.isDying }
        expect(staying <= configuration.maximumWorkers, "\(staying) workers that stay")
        var memory: Int64 = 0
        var leaving: [Int64] = []
        var perPool: [Int: Int] = [:]
        var perNamespace: [String: Int] = [:]
        var perFunction: [String: Int] = [:]
        var perKey: [String: Int] = [:]
        for worker in workers {
            guard let pool = worker.pool, let definition = definitions[pool] else { continue }
            if worker.isDying { leaving.append(definition.memory) } else { memory += definition.memory }
            perPool[pool, default: 0] += 1
            perNamespace[definition.namespace, default: 0] += worker.jobs.count
            perFunction[definition.namespace + "/" + definition.function, default: 0] += worker.jobs.count
            expect(worker.jobs.count <= definition.slots, "\(worker.jobs.count) jobs on one worker")
            for job in worker.jobs {
                if let key = records[job]?.job.key {
                    perKey["\(definition.namespace)/\(definition.function)/\(key)", default: 0] += 1
                }
            }
        }
        // Of those that are dying only a few are not counted.
        let counted = memory + leaving.sorted().dropLast(configuration.overlap).reduce(0, +)
        expect(counted <= configuration.memoryBudget, "\(counted) bytes promised of \(configuration.memoryBudget)")
        for (pool, count) in perPool {
            expect(count <= definitions[pool]?.ceiling ?? 0, "\(count) workers of pool \(pool)")
        }
        for definition in definitions.values {
            if let limit = configuration.namespaceRunsByName[definition.namespace] ?? configuration.namespaceRuns {
                expect(
                    (perNamespace[definition.namespace] ?? 0) <= limit,
                    "namespace \(definition.namespace) beyond its limit")
            }
            let name = definition.namespace + "/" + definition.function
            if let limit = definition.runs {
                expect((perFunction[name] ?? 0) <= limit, "function \(name) beyond its limit")
            }
            if let limit = definition.runsPerKey {
                for (key, count) in perKey where key.hasPrefix(name + "/") {
                    expect(count <= limit, "\(count) runs of \(key)")
                }
            }
        }
        let stems = processes.values.count { $0.flavour != nil && !$0.zygote && !$0.isDying && $0.pool == nil }
        expect(
            stems <= machine.stems.flavours.values.reduce(0) { $0 + $1.policy.maximum }, "\(stems) stems")
        checkBooks()
    }

    /// The machine's sums are those of its parts.
    private func checkBooks() {
        expect(machine.memoryUsed == machine.workers.values.reduce(0) { $0 + $1.memory }, "memory")
        expect(machine.dying == machine.workers.values.count { $0.isDying }, "dying")
        expect(machine.leaving == machine.workers.values.count { $0.isLeaving }, "leaving")
        let wanted = machine.pools.values.reduce(0) { $0 + ($1.isAhead ? 0 : $1.wanted) }
        expect(machine.wantedPlaces == wanted, "wanted places \(machine.wantedPlaces), not \(wanted)")
        for (pool, state) in machine.pools {
            let own = machine.workers.values.filter { $0.pool == pool }
            expect(state.workers == own.count, "workers of pool \(pool)")
            expect(state.starting == own.count { $0.phase == .starting }, "starting of pool \(pool)")
            expect(state.dying == own.count { $0.isDying }, "dying of pool \(pool)")
            expect(state.busy == own.count { $0.phase == .running && !$0.jobs.isEmpty }, "busy of pool \(pool)")
            expect(state.idle.count == own.count { $0.phase == .idle }, "idle of pool \(pool)")
            // A machine that stops gives nobody anything.
            expect(
                isStopped
                    || state.open.count
                        == own.count {
                            $0.phase == .running && !$0.isDraining && $0.jobs.count < state.definition.slots
                        },
                "open of pool \(pool)")
        }
        for number in machine.namespaces.all {
            let state = machine.namespaces[number]
            let own = machine.workers.values.filter { $0.namespace == number }
            let pools = machine.pools.values.filter { $0.namespace == number }
            expect(state.places == own.count { !$0.isDying }, "places of \(number)")
            expect(state.running == own.reduce(0) { $0 + $1.jobs.count }, "running of \(number)")
            expect(state.busy == own.count { $0.isOccupying }, "busy of \(number)")
            expect(state.waiting == pools.reduce(0) { $0 + $1.queue.count + $1.parked }, "waiting of \(number)")
            expect(state.idle.count + own.count { $0.phase == .idle } >= state.idle.count, "idle of \(number)")
        }
        expect(
            machine.shares.unmet == machine.namespaces.all.reduce(0) { $0 + machine.namespaces[$1].unmet },
            "unmet claims")
        let listed = machine.namespaces.all.reduce(0) { $0 + machine.namespaces[$1].idle.count } + machine.kept.count
        expect(listed == machine.workers.values.count { $0.phase == .idle }, "idle workers in the lists")
        expect(
            machine.memoryDying == machine.workers.values.reduce(0) { $0 + ($1.isDying ? $1.memory : 0) },
            "dying memory")
        expect(
            machine.stems.startsUnderway
                == machine.workers.values.count { $0.phase == .starting }, "starts")
    }

    /// What must hold at the end: every job was run to its end or failed, and nothing is left.
    func checkEnd() {
        let open = records.filter { $0.value.state != .done && $0.value.state != .failed }.keys.sorted()
        expect(open.isEmpty, "jobs without an end: \(open.prefix(10))")
        if isStopped {
            expect(machine.isEmpty, "something is left in the machine")
            expect(processes.isEmpty, "processes are left: \(processes)")
        }
    }

    /// What the machine has in its books, for a message.
    var books: String {
        let pools = machine.pools.sorted { $0.key < $1.key }.map { pool, state in
            "pool \(pool) \(state.definition): queue \(state.queue.map(\.job)) workers \(state.workers) wanted \(state.wanted) "
                + "blocked \(state.isBlocked) parked \(state.parked) obstacle \(String(describing: state.obstacle))"
        }
        let workers = machine.workers.sorted { $0.key < $1.key }.map { "worker \($0.key): \($0.value)" }
        let namespaces = machine.namespaces.all.sorted().map {
            "\(machine.namespaces.name($0)): \(machine.namespaces[$0])"
        }
        return (["\(machine.configuration)"] + pools + workers + namespaces).joined(separator: "\n")
    }
}
