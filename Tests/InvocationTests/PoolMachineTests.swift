import Testing
import TestSupport

@testable import Invocation

struct PoolMachineTests {
    private static func machine(
        workers: Int = 4, concurrency: Int = 2, timeout: Int64 = 1_000, pools: Int = 2
    ) -> PoolMachine {
        var configuration = PoolMachine.Configuration()
        configuration.maximumWorkers = workers
        configuration.idleGrace = 500
        configuration.minimumStartTime = 2_000
        var machine = PoolMachine(configuration)
        for pool in 1...pools { machine.define(pool, .init(concurrency: concurrency, timeout: timeout)) }
        return machine
    }

    private func send(_ machine: inout PoolMachine, _ event: PoolMachine.Event, at now: Int64 = 0) -> [PoolMachine
        .Action]
    {
        var actions: [PoolMachine.Action] = []
        machine.handle(event, now: now, &actions)
        return actions.filter { if case .wake = $0 { false } else { true } }
    }

    @Test func aJobStartsAWorkerAndRunsWhenItIsReady() {
        var machine = Self.machine()
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == [.start(1, 1)])
        #expect(send(&machine, .ready(1)) == [.run(1, 1)])
        #expect(send(&machine, .finished(1)) == [])
        #expect(send(&machine, .submitted(2, 1, calls: 1)) == [.run(1, 2)])
    }

    @Test func jobsRunInTheirOrderWithinTheConcurrencyLimit() {
        var machine = Self.machine()
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == [.start(1, 1)])
        #expect(send(&machine, .submitted(2, 1, calls: 1)) == [.start(2, 1)])
        #expect(send(&machine, .submitted(3, 1, calls: 1)) == [])
        #expect(send(&machine, .ready(2)) == [.run(2, 1)])
        #expect(send(&machine, .ready(1)) == [.run(1, 2)])
        #expect(send(&machine, .finished(1)) == [.run(1, 3)])
    }

    @Test func aTimeoutKillsTheWorkerAndTheRestOfTheJobComesFirst() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 5))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        _ = send(&machine, .ready(1))
        #expect(send(&machine, .tick, at: 200) == [.check(1)])
        #expect(send(&machine, .progressed(1, answered: 2), at: 200) == [])
        #expect(send(&machine, .tick, at: 400) == [.check(1)])
        #expect(send(&machine, .progressed(1, answered: 2), at: 400) == [])
        #expect(send(&machine, .tick, at: 1_199) == [.check(1)])
        #expect(send(&machine, .progressed(1, answered: 2), at: 1_199) == [])
        #expect(send(&machine, .tick, at: 1_200) == [.check(1)])
        #expect(send(&machine, .progressed(1, answered: 2), at: 1_200) == [.kill(1, .timeout)])
        #expect(send(&machine, .ended(1, requeue: 2), at: 1_210) == [.start(2, 1)])
        #expect(send(&machine, .ready(2), at: 1_220) == [.run(2, 1)])
        #expect(send(&machine, .finished(2), at: 1_230) == [.run(2, 2)])
    }

    @Test func aSingleCallIsLookedAtWhenItsTimeIsOver() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        var actions: [PoolMachine.Action] = []
        machine.handle(.ready(1), now: 10, &actions)
        #expect(actions == [.run(1, 1), .wake(1_010)])
        #expect(send(&machine, .tick, at: 1_009) == [])
        #expect(send(&machine, .tick, at: 1_010) == [.check(1)])
        #expect(send(&machine, .progressed(1, answered: 0), at: 1_010) == [.kill(1, .timeout)])
    }

    @Test func aProcessThatDoesNotDieIsAbandoned() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .tick, at: 1_000)
        _ = send(&machine, .progressed(1, answered: 0), at: 1_000)
        #expect(send(&machine, .tick, at: 1_299) == [])
        #expect(send(&machine, .tick, at: 1_300) == [.abandon(1)])
        #expect(send(&machine, .tick, at: 9_000) == [])
    }

    @Test func aFailedStartFailsTheJobThatWaitedLongest() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        #expect(send(&machine, .failedToStart(1)) == [.fail(1, .startFailed)])
        #expect(send(&machine, .ended(1, requeue: 0)) == [.start(2, 1)])
        #expect(send(&machine, .ended(2, requeue: 0)) == [.fail(2, .startFailed)])
        #expect(machine.isEmpty)
    }

    @Test func codeThatNeverLoadsIsGivenUp() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        #expect(send(&machine, .tick, at: 1_999) == [])
        #expect(send(&machine, .tick, at: 2_000) == [.fail(1, .startFailed), .kill(1, .startTimeout)])
        #expect(send(&machine, .ended(1, requeue: 0), at: 2_001) == [])
        #expect(machine.isEmpty)
    }

    @Test func idleWorkersGoAfterTheGrace() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .finished(1), at: 100)
        #expect(send(&machine, .tick, at: 599) == [])
        #expect(send(&machine, .tick, at: 600) == [.kill(1, .idle)])
        // A job that comes while it dies gets a worker of its own.
        #expect(send(&machine, .submitted(2, 1, calls: 1), at: 601) == [.start(2, 1)])
    }

    @Test func atTheGlobalLimitTheLongestIdleMakesRoomForTheOldestJob() {
        var machine = Self.machine(workers: 2, concurrency: 2, pools: 4)
        for pool in 1...2 {
            _ = send(&machine, .submitted(pool, pool, calls: 1))
            _ = send(&machine, .ready(pool))
        }
        _ = send(&machine, .finished(2), at: 10)
        _ = send(&machine, .finished(1), at: 20)
        #expect(send(&machine, .submitted(3, 3, calls: 1), at: 30) == [.kill(2, .idle)])
        #expect(send(&machine, .submitted(4, 4, calls: 1), at: 31) == [.kill(1, .idle)])
        #expect(send(&machine, .ended(1, requeue: 0), at: 40) == [.start(3, 3)])
        #expect(send(&machine, .ended(2, requeue: 0), at: 41) == [.start(4, 4)])
    }

    @Test func aProgramThatEndsAfterItsAnswerIsUsedOnce() {
        var machine = Self.machine(concurrency: 1)
        machine.noteEndsAfterAnswer(1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        _ = send(&machine, .ready(1))
        #expect(send(&machine, .finished(1)) == [.retire(1)])
        #expect(send(&machine, .ended(1, requeue: 0)) == [.start(2, 1)])
    }

    @Test func stoppingFailsWhatWaitsAndLetsNothingIdle() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        #expect(send(&machine, .stop) == [.fail(2, .stopped)])
        #expect(send(&machine, .submitted(3, 1, calls: 1)) == [.fail(3, .stopped)])
        #expect(send(&machine, .finished(1)) == [.kill(1, .idle)])
        _ = send(&machine, .ended(1, requeue: 0))
        #expect(machine.isEmpty)
    }

    /// Random histories: limits hold at every step, and at the end every job was run to its end or failed, once.
    @Test func whateverHappensLimitsHoldAndNoJobIsLost() {
        var random = SeededGenerator()
        for _ in 0..<300 {
            let workers = Int.random(in: 1...5, using: &random)
            let concurrency = Int.random(in: 1...3, using: &random)
            var world = World(Self.machine(workers: workers, concurrency: concurrency, pools: 3))
            for _ in 0..<200 { world.step(&random) }
            world.settle()
            let comment = Comment(rawValue: "WEIR_SEED=\(random.seed)")
            #expect(world.settled.sorted() == Array(1..<world.nextJob), comment)
            #expect(world.largestPool <= concurrency && world.largestTotal <= workers, comment)
            #expect(world.machine.workers.isEmpty, comment)
        }
    }

    /// Plays processes: does what the actions say, in an order that the dice choose.
    private struct World {
        var machine: PoolMachine
        var now: Int64 = 0
        var nextJob = 1
        var settled: [Int] = []
        var starting: Set<Int> = []
        var running: [Int: Int] = [:]
        var dying: Set<Int> = []
        var largestPool = 0
        var largestTotal = 0

        init(_ machine: PoolMachine) { self.machine = machine }

        mutating func send(_ event: PoolMachine.Event) {
            var actions: [PoolMachine.Action] = []
            machine.handle(event, now: now, &actions)
            for action in actions {
                switch action {
                case .start(let worker, _): starting.insert(worker)
                case .run(let worker, let job): running[worker] = job
                case .check(let worker): send(.progressed(worker, answered: 0))
                case .kill(let worker, _), .abandon(let worker), .retire(let worker): dying.insert(worker)
                case .fail(let job, _): settled.append(job)
                case .wake: break
                }
            }
            for pool in machine.pools.values { largestPool = max(largestPool, pool.workers) }
            largestTotal = max(largestTotal, machine.workers.count)
        }

        mutating func end(_ worker: Int, requeue: Bool) {
            starting.remove(worker)
            dying.remove(worker)
            let job = running.removeValue(forKey: worker)
            if let job, !requeue { settled.append(job) }
            send(.ended(worker, requeue: job != nil && requeue ? 1 : 0))
        }

        mutating func step(_ random: inout SeededGenerator) {
            now += Int64.random(in: 0...50, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                send(
                    .submitted(
                        nextJob, Int.random(in: 1...3, using: &random), calls: Int.random(in: 1...3, using: &random)))
                nextJob += 1
            case 2:
                if let worker = starting.subtracting(dying).sorted().first {
                    starting.remove(worker)
                    send(.ready(worker))
                }
            case 3:
                if let worker = starting.sorted().first { end(worker, requeue: false) }
            case 4:
                if let worker = running.keys.filter({ !dying.contains($0) }).sorted().first {
                    settled.append(running.removeValue(forKey: worker) ?? 0)
                    send(.finished(worker))
                }
            case 5:
                if let worker = running.keys.sorted().first { end(worker, requeue: Bool.random(using: &random)) }
            case 6:
                if let worker = dying.sorted().first { end(worker, requeue: Bool.random(using: &random)) }
            default: send(.tick)
            }
        }

        mutating func settle() {
            for _ in 0..<2_000 where !machine.isEmpty {
                now += 100
                send(.tick)
                for worker in starting.subtracting(dying).sorted() {
                    starting.remove(worker)
                    send(.ready(worker))
                }
                for worker in running.keys.filter({ !dying.contains($0) }).sorted() {
                    settled.append(running.removeValue(forKey: worker) ?? 0)
                    send(.finished(worker))
                }
                for worker in dying.sorted() { end(worker, requeue: false) }
            }
        }
    }
}
