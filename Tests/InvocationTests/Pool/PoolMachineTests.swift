import Testing
import TestSupport

@testable import Invocation

/// The pool machine step by step.
struct PoolMachineTests {
    private typealias Action = PoolMachine.Action

    private static func machine(
        workers: Int = 4, overlap: Int = 0, concurrency: Int = 2, timeout: Int64 = 1_000, pools: Int = 2,
        _ change: (inout PoolMachine.Definition) -> Void = { _ in }
    ) -> PoolMachine {
        var configuration = PoolMachine.Configuration()
        configuration.maximumWorkers = workers
        configuration.overlap = overlap
        configuration.idleGrace = 500
        configuration.minimumStartTime = 2_000
        configuration.freezeAfter = nil
        var machine = PoolMachine(configuration)
        var actions: [Action] = []
        for pool in 1...pools {
            var definition = PoolMachine.Definition(namespace: "n", function: "f\(pool)", timeout: timeout)
            definition.ceiling = concurrency
            change(&definition)
            machine.define(pool, definition, now: 0, &actions)
        }
        return machine
    }

    /// What is decided, in words: `start 1 for 2 (busy, exec)`, `run 1 on 2`.
    private func send(_ machine: inout PoolMachine, _ event: PoolMachine.Event, at now: Int64 = 0) -> [String] {
        var actions: [Action] = []
        machine.handle(event, now: now, &actions)
        return actions.compactMap { action in
            switch action {
            case .start(let worker, let pool, let reason):
                "start \(worker) for \(pool) (\(reason.cause.word), \(reason.way.way.rawValue))"
            case .startStem(let id, let flavour): "stem \(id) \(flavour)"
            case .startZygote(let id, let flavour): "zygote \(id) \(flavour)"
            case .run(let worker, let job): "run \(job) on \(worker)"
            case .check(let worker, let job): "check \(job) on \(worker)"
            case .expire(let worker, let job): "expire \(job) on \(worker)"
            case .freeze(let worker): "freeze \(worker)"
            case .thaw(let worker): "thaw \(worker)"
            case .kill(let worker, let reason): "kill \(worker) (\(reason.rawValue))"
            case .abandon(let worker): "abandon \(worker)"
            case .retire(let worker): "retire \(worker)"
            case .fail(let job, let failure): "fail \(job) (\(failure))"
            case .wake: nil
            }
        }
    }

    @Test func aJobStartsAWorkerAndRunsWhenItIsReady() {
        var machine = Self.machine()
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == ["start 1 for 1 (no_worker, exec)"])
        #expect(send(&machine, .ready(1)) == ["run 1 on 1"])
        #expect(send(&machine, .finished(1, 1)) == [])
        #expect(send(&machine, .submitted(2, 1, calls: 1)) == ["run 2 on 1"])
    }

    @Test func jobsRunInTheirOrderWithinTheCeiling() {
        var machine = Self.machine()
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == ["start 1 for 1 (no_worker, exec)"])
        #expect(send(&machine, .submitted(2, 1, calls: 1)) == ["start 2 for 1 (busy, exec)"])
        #expect(send(&machine, .submitted(3, 1, calls: 1)) == [])
        #expect(send(&machine, .ready(2)) == ["run 1 on 2"])
        #expect(send(&machine, .ready(1)) == ["run 2 on 1"])
        #expect(send(&machine, .finished(1, 2)) == ["run 3 on 1"])
    }

    @Test func aTimeoutKillsTheWorkerAndTheRestOfTheJobComesFirst() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 5))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        _ = send(&machine, .ready(1))
        #expect(send(&machine, .tick, at: 200) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 2), at: 200) == [])
        #expect(send(&machine, .tick, at: 400) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 2), at: 400) == [])
        #expect(send(&machine, .tick, at: 1_199) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 2), at: 1_199) == [])
        #expect(send(&machine, .tick, at: 1_200) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 2), at: 1_200) == ["kill 1 (timeout)"])
        #expect(
            send(&machine, .ended(1, requeue: [.init(job: 1, calls: 2)]), at: 1_210)
                == ["start 2 for 1 (no_worker, exec)"])
        #expect(send(&machine, .ready(2), at: 1_220) == ["run 1 on 2"])
        #expect(send(&machine, .finished(2, 1), at: 1_230) == ["run 2 on 2"])
    }

    @Test func aSingleCallIsLookedAtWhenItsTimeIsOver() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        var actions: [Action] = []
        machine.handle(.ready(1), now: 10, &actions)
        #expect(actions == [.run(1, 1), .wake(1_010)])
        #expect(send(&machine, .tick, at: 1_009) == [])
        #expect(send(&machine, .tick, at: 1_010) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 0), at: 1_010) == ["kill 1 (timeout)"])
    }

    @Test func aProcessThatDoesNotDieIsAbandoned() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .tick, at: 1_000)
        _ = send(&machine, .progressed(1, 1, answered: 0), at: 1_000)
        #expect(send(&machine, .tick, at: 1_299) == [])
        #expect(send(&machine, .tick, at: 1_300) == ["abandon 1"])
        #expect(send(&machine, .tick, at: 9_000) == [])
    }

    @Test func aFailedStartFailsTheJobThatWaitedLongest() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        #expect(send(&machine, .failedToStart(1)) == ["fail 1 (startFailed)"])
        #expect(send(&machine, .ended(1, requeue: [])) == ["start 2 for 1 (no_worker, exec)"])
        #expect(send(&machine, .ended(2, requeue: [])) == ["fail 2 (startFailed)"])
        #expect(machine.isEmpty)
    }

    @Test func codeThatNeverLoadsIsGivenUp() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        #expect(send(&machine, .tick, at: 1_999) == [])
        #expect(send(&machine, .tick, at: 2_000) == ["fail 1 (startFailed)", "kill 1 (startTimeout)"])
        #expect(send(&machine, .ended(1, requeue: []), at: 2_001) == [])
        #expect(machine.isEmpty)
    }

    @Test func idleWorkersGoAfterTheGrace() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .finished(1, 1), at: 100)
        #expect(send(&machine, .tick, at: 599) == [])
        #expect(send(&machine, .tick, at: 600) == ["kill 1 (idle)"])
        // A job that comes while it dies gets a worker of its own.
        #expect(send(&machine, .submitted(2, 1, calls: 1), at: 601) == ["start 2 for 1 (no_worker, exec)"])
    }

    @Test func aVersionsOwnGraceRules() {
        var machine = Self.machine { $0.idleGrace = 50 }
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .finished(1, 1), at: 100)
        #expect(send(&machine, .tick, at: 150) == ["kill 1 (idle)"])
    }

    @Test func atTheGlobalLimitTheLongestIdleMakesRoomForTheOldestJob() {
        var machine = Self.machine(workers: 2, concurrency: 2, pools: 4)
        for pool in 1...2 {
            _ = send(&machine, .submitted(pool, pool, calls: 1))
            _ = send(&machine, .ready(pool))
        }
        _ = send(&machine, .finished(2, 2), at: 10)
        _ = send(&machine, .finished(1, 1), at: 20)
        #expect(send(&machine, .submitted(3, 3, calls: 1), at: 30) == ["kill 2 (evicted)"])
        #expect(send(&machine, .submitted(4, 4, calls: 1), at: 31) == ["kill 1 (evicted)"])
        #expect(send(&machine, .ended(1, requeue: []), at: 40) == ["start 3 for 3 (no_worker, exec)"])
        #expect(send(&machine, .ended(2, requeue: []), at: 41) == ["start 4 for 4 (no_worker, exec)"])
    }

    @Test func whatLeavesIsNotWaitedForAsLongAsFewDo() {
        var machine = Self.machine(workers: 2, overlap: 1, pools: 4)
        for pool in 1...2 {
            _ = send(&machine, .submitted(pool, pool, calls: 1))
            _ = send(&machine, .ready(pool))
        }
        _ = send(&machine, .finished(1, 1), at: 10)
        _ = send(&machine, .finished(2, 2), at: 20)
        let first = send(&machine, .submitted(3, 3, calls: 1), at: 30)
        #expect(first == ["kill 1 (evicted)", "start 3 for 3 (no_worker, exec)"])
        // One more may go, but comes to be only when one of them has gone.
        #expect(send(&machine, .submitted(4, 4, calls: 1), at: 31) == ["kill 2 (evicted)"])
        #expect(send(&machine, .ended(2, requeue: []), at: 40) == ["start 4 for 4 (no_worker, exec)"])
        #expect(send(&machine, .ended(1, requeue: []), at: 41) == [])
    }

    @Test func aProgramThatEndsAfterItsAnswerIsUsedOnce() {
        var machine = Self.machine(concurrency: 1)
        machine.noteEndsAfterAnswer(1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        _ = send(&machine, .ready(1))
        #expect(send(&machine, .finished(1, 1)) == ["retire 1"])
        #expect(send(&machine, .ended(1, requeue: [])) == ["start 2 for 1 (no_worker, exec)"])
    }

    @Test func stoppingFailsWhatWaitsAndLetsNothingIdle() {
        var machine = Self.machine(concurrency: 1)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .submitted(2, 1, calls: 1))
        #expect(send(&machine, .stop) == ["fail 2 (stopped)"])
        #expect(send(&machine, .submitted(3, 1, calls: 1)) == ["fail 3 (stopped)"])
        #expect(send(&machine, .finished(1, 1)) == ["kill 1 (idle)"])
        _ = send(&machine, .ended(1, requeue: []))
        #expect(machine.isEmpty)
    }

    @Test func anIdleWorkerIsFrozenAfterAMomentAndThawedForItsNextJob() {
        var configuration = PoolMachine.Configuration()
        configuration.freezeAfter = 20
        var machine = PoolMachine(configuration)
        var actions: [Action] = []
        machine.define(1, .init(namespace: "n", function: "f"), now: 0, &actions)
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        _ = send(&machine, .finished(1, 1), at: 100)
        #expect(send(&machine, .submitted(2, 1, calls: 1), at: 110) == ["run 2 on 1"])
        _ = send(&machine, .finished(1, 2), at: 120)
        #expect(send(&machine, .tick, at: 139) == [])
        #expect(send(&machine, .tick, at: 140) == ["freeze 1"])
        #expect(send(&machine, .submitted(3, 1, calls: 1), at: 200) == ["thaw 1", "run 3 on 1"])
    }

    @Test func oneWorkerTakesSeveralJobsWhereTheVersionAllowsIt() {
        var machine = Self.machine(concurrency: 2) { $0.slots = 3 }
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == ["start 1 for 1 (no_worker, exec)"])
        #expect(send(&machine, .submitted(2, 1, calls: 1)) == [])
        #expect(send(&machine, .ready(1)) == ["run 1 on 1", "run 2 on 1"])
        #expect(send(&machine, .submitted(3, 1, calls: 1)) == ["run 3 on 1"])
        #expect(send(&machine, .submitted(4, 1, calls: 1)) == ["start 2 for 1 (busy, exec)"])
        #expect(send(&machine, .finished(1, 2)) == ["run 4 on 1"])
        #expect(send(&machine, .ready(2)) == [])
    }

    @Test func aLateCallAmongOthersIsGivenUpAndItsWorkerGoesWhenTheOthersAreDone() {
        var machine = Self.machine(concurrency: 1) { $0.slots = 2 }
        _ = send(&machine, .submitted(1, 1, calls: 1))
        _ = send(&machine, .ready(1))
        #expect(send(&machine, .submitted(2, 1, calls: 1), at: 500) == ["run 2 on 1"])
        #expect(send(&machine, .tick, at: 1_000) == ["check 1 on 1"])
        #expect(send(&machine, .progressed(1, 1, answered: 0), at: 1_000) == ["expire 1 on 1"])
        #expect(send(&machine, .submitted(3, 1, calls: 1), at: 1_010) == [], "nothing new goes to it")
        #expect(send(&machine, .finished(1, 2), at: 1_100) == ["kill 1 (timeout)"])
        #expect(send(&machine, .ended(1, requeue: []), at: 1_101) == ["start 2 for 1 (no_worker, exec)"])
    }

    @Test func aJobThatCanNeverFitIsRefused() {
        var configuration = PoolMachine.Configuration()
        configuration.memoryBudget = 100
        var machine = PoolMachine(configuration)
        var actions: [Action] = []
        machine.define(1, .init(namespace: "n", function: "f", memory: 101), now: 0, &actions)
        #expect(send(&machine, .submitted(1, 1, calls: 1)) == ["fail 1 (tooLarge(100))"])
    }

    @Test func aVersionIsForgottenWhenNothingIsLeftOfIt() {
        var machine = Self.machine()
        _ = send(&machine, .submitted(1, 1, calls: 1))
        #expect(machine.forget(1) == false)
        _ = send(&machine, .ready(1))
        _ = send(&machine, .finished(1, 1), at: 100)
        _ = send(&machine, .tick, at: 600)
        #expect(machine.forget(1) == false)
        _ = send(&machine, .ended(1, requeue: []), at: 601)
        #expect(machine.forget(1) && machine.forget(2))
        #expect(machine.pools.isEmpty && machine.namespaces.count == 0 && machine.functions.count == 0)
    }
}
