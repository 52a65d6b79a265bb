import Foundation
import Testing
import TestSupport

@testable import Invocation

/// Random histories of whole machine rooms: crashes, time-outs, failed starts, floods. Limits hold at every step, the
/// machine's sums are right at every step, and at the end every job was run to its end or failed, once.
struct PoolSimulationTests {
    /// `WEIR_ROUNDS` for more.
    private static let rounds = ProcessInfo.processInfo.environment["WEIR_ROUNDS"].flatMap { Int($0) } ?? 40

    private static func configuration(_ random: inout SeededGenerator) -> PoolMachine.Configuration {
        var configuration = PoolMachine.Configuration()
        configuration.maximumWorkers = Int.random(in: 1...8, using: &random)
        configuration.overlap = Int.random(in: 0...2, using: &random)
        configuration.memoryBudget = Bool.random(using: &random) ? .max : Int64.random(in: 20...100, using: &random)
        configuration.idleGrace = Int64.random(in: 10...2_000, using: &random)
        configuration.freezeAfter = Bool.random(using: &random) ? Int64.random(in: 0...50, using: &random) : nil
        configuration.minimumStartTime = Int64.random(in: 10...500, using: &random)
        configuration.quantum = Int64.random(in: 0...200, using: &random)
        configuration.memoryPatience = Int64.random(in: 0...500, using: &random)
        configuration.activityWindow = Int64.random(in: 10...3_000, using: &random)
        if Int.random(in: 0..<3, using: &random) == 0 {
            configuration.namespaceRuns = Int.random(in: 1...4, using: &random)
        }
        configuration.weights = ["n1": 3]
        configuration.stems = StemPolicy(
            floor: Int.random(in: 0...2, using: &random), maximum: Int.random(in: 0...4, using: &random))
        configuration.stems.ttl = Int64.random(in: 0...1_000, using: &random)
        configuration.stems.hasZygote = Bool.random(using: &random)
        configuration.stemsByFlavour = ["python": configuration.stems]
        return configuration
    }

    private static func definition(_ pool: Int, _ random: inout SeededGenerator) -> PoolMachine.Definition {
        var definition = PoolMachine.Definition(
            namespace: "n\(pool % 3)", function: "f\(pool / 2)", timeout: Int64.random(in: 20...400, using: &random))
        definition.ceiling = Int.random(in: 1...4, using: &random)
        definition.floor =
            Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 0...definition.ceiling, using: &random) : 0
        definition.memory = Int64.random(in: 1...30, using: &random)
        definition.slots = Int.random(in: 0..<3, using: &random) == 0 ? Int.random(in: 2...4, using: &random) : 1
        definition.burst = Int64.random(in: 0...300, using: &random)
        if Int.random(in: 0..<3, using: &random) == 0 { definition.runs = Int.random(in: 1...3, using: &random) }
        if Int.random(in: 0..<3, using: &random) == 0 { definition.runsPerKey = Int.random(in: 1...2, using: &random) }
        if Bool.random(using: &random) { definition.flavour = ["python", "nodejs"].randomElement(using: &random) }
        definition.endsAfterAnswer = definition.slots == 1 && Int.random(in: 0..<6, using: &random) == 0
        return definition
    }

    private static func job(_ pools: Int, _ random: inout SeededGenerator) -> PoolWorld.Job {
        var job = PoolWorld.Job(pool: Int.random(in: 1...pools, using: &random))
        job.calls = Bool.random(using: &random) ? 1 : Int.random(in: 1...20, using: &random)
        job.duration = Int64.random(in: 0...100, using: &random)
        if Int.random(in: 0..<12, using: &random) == 0 { job.crashesAfter = Int64.random(in: 0...50, using: &random) }
        if Int.random(in: 0..<25, using: &random) == 0 { job.hangs = true }
        job.key = ["a", "b", "c", nil].randomElement(using: &random) ?? nil
        return job
    }

    @Test func whateverHappensLimitsHoldAndNoJobIsLostOrRunTwice() {
        var random = SeededGenerator()
        print("seed \(random.seed)")
        for round in 0..<Self.rounds {
            var world = PoolWorld(Self.configuration(&random))
            let pools = Int.random(in: 1...6, using: &random)
            for pool in 1...pools { world.define(pool, Self.definition(pool, &random)) }
            let salt = Int.random(in: 0...20, using: &random)
            world.failsToStart = { ($0 &* 7 &+ salt) % 23 == 0 }
            world.endTime = Int64.random(in: 0...400, using: &random)
            let length = Int64.random(in: 100...5_000, using: &random)
            for _ in 0..<Int.random(in: 1...150, using: &random) {
                world.at(Int64.random(in: 0...length, using: &random), .submit(Self.job(pools, &random)))
            }
            if Bool.random(using: &random) {
                world.at(Int64.random(in: 0...length, using: &random), .stop)
                world.run()
            } else {
                // Long enough for whatever a floor that fails to start waits for.
                world.run(until: length + 600_000)
                if world.problems.isEmpty { world.checkEnd() }
                world.at(world.now, .stop)
                world.run()
            }
            if world.problems.isEmpty { world.checkEnd() }
            #expect(world.problems.isEmpty, "round \(round), seed \(random.seed): \(world.problems)\n\(world.books)")
            guard world.problems.isEmpty else { return }
        }
    }

    /// The same history comes out the same: nothing depends on the order of a hash table.
    @Test func theSameHappeningsLeadToTheSameDecisions() {
        func history() -> [String] {
            var random = SeededGenerator(seed: 7)
            var world = PoolWorld(Self.configuration(&random))
            for pool in 1...5 { world.define(pool, Self.definition(pool, &random)) }
            for _ in 0..<100 {
                world.at(Int64.random(in: 0...1_000, using: &random), .submit(Self.job(5, &random)))
            }
            world.run(until: 5_000)
            return world.starts.map(\.sentence) + world.records.sorted { $0.key < $1.key }.map { "\($0.value)" }
        }
        #expect(history() == history())
    }
}
