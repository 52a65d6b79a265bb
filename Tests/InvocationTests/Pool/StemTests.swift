import Testing

@testable import Invocation

/// Unspecialised workers that wait: how many, for how long, and who gets them.
struct StemTests {
    private static func world(
        floor: Int = 1, maximum: Int = 4, zygote: Bool = false,
        _ change: (inout PoolMachine.Configuration) -> Void = { _ in }
    ) -> PoolWorld {
        var configuration = PoolMachine.Configuration()
        configuration.maximumWorkers = 64
        var policy = StemPolicy(floor: floor, maximum: maximum)
        policy.hasZygote = zygote
        policy.ttl = 5_000
        configuration.stemsByFlavour = ["python": policy]
        change(&configuration)
        var world = PoolWorld(configuration)
        for pool in 1...40 {
            world.define(
                pool, .init(namespace: "n", function: "f\(pool)", idleGrace: 1_000, timeout: 60_000, flavour: "python"))
        }
        return world
    }

    private func waiting(_ world: PoolWorld) -> Int { world.machine.stems.flavours["python"]?.ready.count ?? 0 }
    private func ways(_ world: PoolWorld) -> [String] { world.starts.map { $0.way.way.rawValue } }

    @Test func aFirstCallGetsTheStemAndAnotherIsMade() {
        var world = Self.world()
        world.run(until: 100)
        #expect(waiting(world) == 1)
        world.at(100, .submit(.init(pool: 1, duration: 5)))
        world.run(until: 1_000)
        #expect(ways(world) == ["stem"])
        #expect(world.starts.first?.sentence == "no worker of this version was alive; a stem was ready")
        #expect(world.records[1]?.latency == 6)
        #expect(waiting(world) == 2, "the floor, and one as one was used")
    }

    /// Who has just got a worker has the processors to itself for a moment.
    @Test func theNextStemIsMadeWhenAFirstCallHasHadItsTime() {
        var world = Self.world { $0.stemRest = 500 }
        world.run(until: 1_000)
        #expect(waiting(world) == 1)
        world.at(1_000, .submit(.init(pool: 1, duration: 5)))
        world.run(until: 1_400)
        #expect(world.records[1]?.latency == 6 && waiting(world) == 0 && world.machine.stems.members.isEmpty)
        world.run(until: 2_000)
        #expect(waiting(world) == 2)
    }

    /// First calls without a pause between them do not put the stems off for ever: the rest is taken once, then a stem is
    /// begun whenever nobody waits.
    @Test func firstCallsWithoutAPauseGetStemsToo() {
        func stems(_ rest: Int64) -> Int {
            var world = Self.world(maximum: 8, zygote: true) { $0.stemRest = rest }
            world.stemTime = 4
            for pool in 1...40 { world.at(200 + Int64(pool) * 6, .submit(.init(pool: pool, duration: 1))) }
            world.run(until: 600)
            return ways(world).count { $0 == "stem" }
        }
        #expect(stems(0) > 15 && stems(3) > stems(0) / 2, "\(stems(3)) of \(stems(0))")
    }

    @Test func anUnusualFlavourHasStemsOnlyAfterItWasAskedFor() {
        var world = Self.world { $0.stemsByFlavour = [:] }
        world.run(until: 1_000)
        #expect(waiting(world) == 0)
        world.at(1_000, .submit(.init(pool: 1, duration: 5)))
        world.run(until: 2_000)
        #expect(ways(world) == ["exec"] && waiting(world) == 1)
        world.run(until: 200_000)
        #expect(waiting(world) == 0)
    }

    @Test func whoComesWhenNoneIsReadyIsForkedOrStartedAnew() {
        for (zygote, way) in [(false, "exec"), (true, "zygote")] {
            var world = Self.world(zygote: zygote)
            for pool in 1...3 { world.at(200, .submit(.init(pool: pool, duration: 5))) }
            world.run(until: 220)
            #expect(ways(world) == ["stem", way, way])
        }
    }

    @Test func aZygoteForksForTheOtherLimitsOfItsFamilyToo() {
        var world = Self.world(zygote: true) { $0.stems = $0.stemsByFlavour["python"] ?? $0.stems }
        let limits = ["python-16MiB", "python-64MiB", "nodejs-64MiB"]
        for (index, flavour) in limits.enumerated() {
            world.define(
                50 + index,
                .init(namespace: "n", function: flavour, timeout: 60_000, flavour: flavour, canFork: index < 2))
            world.at(200, .submit(.init(pool: 50 + index, duration: 5)))
        }
        world.run(until: 5_000)
        #expect(ways(world) == ["zygote", "zygote", "exec"])
        #expect(world.machine.stems.flavours.values.compactMap(\.zygote).count == 1, "one for all")
    }

    @Test func noStemIsMadeWhileSomebodyWaitsForAStart() {
        var world = Self.world(floor: 3, maximum: 8)
        world.run(until: 500)
        #expect(waiting(world) == 3)
        // A slow start of another kind: whatever was used is made again only after it.
        world.times[.exec] = 400
        world.define(50, .init(namespace: "n", function: "program", timeout: 60_000))
        world.at(500, .submit(.init(pool: 50, duration: 1)))
        world.at(501, .submit(.init(pool: 1, duration: 1)))
        world.run(until: 899)
        #expect(waiting(world) == 2)
        world.run(until: 1_500)
        #expect(waiting(world) == 4)
    }

    @Test func manyUsesMakeManyAndTheyGoWhenNobodyComes() {
        var world = Self.world(maximum: 6)
        for pool in 1...40 { world.at(Int64(pool) * 100, .submit(.init(pool: pool, duration: 1))) }
        world.run(until: 5_000)
        #expect(waiting(world) == 6, "as many as are allowed")
        #expect(ways(world).count { $0 == "stem" } >= 38)
        world.run(until: 120_000)
        #expect(waiting(world) == 1, "the floor")
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func aStemThatWasLostCostsNoCallAndAnotherWayIsTaken() {
        var world = Self.world()
        world.run(until: 100)
        var actions: [PoolMachine.Action] = []
        world.records[99] = .init(job: .init(pool: 1, duration: 5), submitted: 100, left: 1)
        world.machine.handle(.submitted(99, 1, calls: 1), now: 100, &actions)
        guard case .start(let worker, 1, let reason)? = actions.first else {
            Issue.record("nothing was started: \(actions)")
            return
        }
        #expect(reason.way == .stem)
        actions = []
        world.machine.handle(.lostOnTheWay(worker), now: 101, &actions)
        world.machine.handle(.ended(worker, requeue: []), now: 101, &actions)
        let again = actions.compactMap { action -> StartWay? in
            if case .start(_, 1, let reason) = action { reason.way } else { nil }
        }
        #expect(again == [.exec(.noneReady)])
        #expect(!actions.contains { if case .fail = $0 { true } else { false } })
    }

    @Test func stemsThatDieAreMadeAgainEverMoreSlowly() {
        var world = Self.world()
        var made: [Int64] = []
        // Each dies as soon as it is ready.
        for time in stride(from: Int64(0), to: 60_000, by: 5) {
            world.run(until: time)
            for (id, process) in world.processes where process.flavour != nil && process.isReady {
                made.append(time)
                world.at(time, .end(id))
            }
        }
        #expect(made.count >= 4 && made.count <= 8, "\(made)")
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func theFloorOfAFunctionIsKeptReadyAndComesBack() {
        var world = Self.world()
        world.define(60, .init(namespace: "n", function: "kept", floor: 2, ceiling: 4, idleGrace: 50, timeout: 60_000))
        world.run(until: 1_000)
        func alive() -> [Int] { world.processes.filter { $0.value.pool == 60 }.keys.sorted() }
        #expect(alive().count == 2)
        #expect(world.starts.last?.sentence.hasPrefix("2 workers are kept ready; ") == true)
        for _ in 0..<4 { world.at(1_000, .submit(.init(pool: 60, duration: 20))) }
        world.run(until: 3_000)
        #expect(alive().count == 2, "back to the floor after the grace")
        if let one = alive().first { world.at(3_000, .end(one)) }
        world.run(until: 4_000)
        #expect(alive().count == 2)
        world.define(60, .init(namespace: "n", function: "kept", floor: 0, ceiling: 4, idleGrace: 50, timeout: 60_000))
        world.run(until: 5_000)
        #expect(alive().isEmpty, "scaled to zero when nothing is to be kept")
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func aFloorThatCannotStartIsTriedAgainEverMoreSlowly() {
        var world = Self.world()
        world.failsToStart = { _ in true }
        world.define(60, .init(namespace: "n", function: "broken", floor: 1, timeout: 60_000))
        world.run(until: 60_000)
        let starts = world.starts.count
        #expect(starts >= 4 && starts <= 8, "\(starts) starts in a minute")
    }

    @Test func whatIsKeptReadyMakesRoomWhenNothingElseCan() {
        var world = Self.world { $0.maximumWorkers = 2 }
        world.define(60, .init(namespace: "n", function: "kept", floor: 2, timeout: 60_000))
        world.run(until: 1_000)
        world.at(1_000, .submit(.init(pool: 1, duration: 5)))
        world.run(until: 1_100)
        #expect(world.records[1]?.state == .done)
        world.run(until: 10_000)
        #expect(world.processes.values.count { $0.pool == 60 } == 2, "and comes back when there is room")
    }
}
