import Testing

@testable import Invocation

/// Limits on runs at the same time: of a namespace, a function, a key.
struct RunLimitTests {
    private static func world(_ change: (inout PoolMachine.Configuration) -> Void = { _ in }) -> PoolWorld {
        var configuration = PoolMachine.Configuration()
        change(&configuration)
        return PoolWorld(configuration)
    }

    /// When jobs ran, in the order of their submission.
    private func times(_ world: PoolWorld) -> [ClosedRange<Int64>] {
        world.records.sorted { $0.key < $1.key }.map { $0.value.began...$0.value.ended }
    }

    private func overlaps(_ times: [ClosedRange<Int64>]) -> Int {
        times.map { one in times.count { $0.lowerBound < one.upperBound && one.lowerBound < $0.upperBound } }.max() ?? 0
    }

    @Test func callsOfOneKeyRunOneAfterTheOtherInTheirOrderAndOthersPass() {
        var world = Self.world()
        world.define(1, .init(namespace: "n", function: "f", ceiling: 8, timeout: 60_000, runsPerKey: 1))
        for _ in 0..<10 { world.submit(.init(pool: 1, duration: 50, key: "a")) }
        world.submit(.init(pool: 1, duration: 50, key: "b"))
        world.submit(.init(pool: 1, duration: 50))
        world.run(until: 10_000)
        let times = times(world)
        #expect(overlaps(Array(times[0..<10])) == 1)
        #expect(zip(times[0..<9], times[1..<10]).allSatisfy { $0.upperBound <= $1.lowerBound })
        #expect(times[10].upperBound < 200 && times[11].upperBound < 200, "other keys do not wait for them")
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func allVersionsOfAFunctionShareItsLimit() {
        var world = Self.world()
        for pool in 1...2 {
            world.define(pool, .init(namespace: "n", function: "f", ceiling: 8, timeout: 60_000, runs: 3))
        }
        for index in 0..<20 { world.submit(.init(pool: index % 2 + 1, duration: 30)) }
        world.run(until: 10_000)
        #expect(overlaps(times(world)) == 3)
        #expect(world.records.values.allSatisfy { $0.state == .done })
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func aNamespaceAtItsLimitHoldsUpNobodyElseAndItsOwnComeInTheirOrder() {
        var world = Self.world { $0.namespaceRunsByName = ["small": 2] }
        for pool in 1...3 {
            world.define(pool, .init(namespace: "small", function: "f\(pool)", ceiling: 8, timeout: 60_000))
        }
        world.define(4, .init(namespace: "free", function: "g", ceiling: 8, timeout: 60_000))
        for index in 0..<12 { world.submit(.init(pool: index % 3 + 1, duration: 30)) }
        for _ in 0..<4 { world.submit(.init(pool: 4, duration: 30)) }
        world.run(until: 10_000)
        let times = times(world)
        #expect(overlaps(Array(times[0..<12])) == 2)
        #expect(times[12...].allSatisfy { $0.upperBound < 100 })
        let begins = times[0..<12].map(\.lowerBound)
        #expect(begins == begins.sorted(), "\(begins)")
        #expect(world.problems.isEmpty, "\(world.problems)")
    }

    @Test func aKeyIsFreeAgainWhateverBecomesOfItsRun() {
        var world = Self.world()
        world.define(1, .init(namespace: "n", function: "f", ceiling: 8, timeout: 100, runsPerKey: 1))
        world.submit(.init(pool: 1, duration: 50, key: "a", crashesAfter: 10))
        world.submit(.init(pool: 1, key: "a", hangs: true))
        world.submit(.init(pool: 1, duration: 5, key: "a"))
        world.run(until: 10_000)
        #expect(world.records[1]?.state == .failed && world.records[2]?.state == .failed)
        #expect(world.records[3]?.state == .done)
        #expect(world.machine.keys.isEmpty)
        #expect(world.problems.isEmpty, "\(world.problems)")
    }
}
