import Channels
import CloudEvents
import TestSupport
import Testing

/// Which events the channel remembers to have seen.
@Suite struct WindowTests {
    @Test func `the window holds as many as it should and forgets the oldest first`() {
        var window = DuplicateWindow(capacity: 100)
        let ids = (0..<1_000).map { EventIdentity(low: UInt64($0) << 40, high: UInt64($0)) }
        for (index, id) in ids.enumerated() {
            #expect(window.insert(id).isNew)
            #expect(!window.insert(id).isNew)
            #expect(window.count == min(index + 1, 100))
            if index >= 100 { #expect(!window.contains(ids[index - 100]) && window.contains(ids[index - 99])) }
        }
    }

    @Test func `inserts and withdrawals agree with a plain model`() {
        var random = SeededGenerator()
        var window = DuplicateWindow(capacity: 50)
        var order: [EventIdentity?] = []
        for _ in 0..<20_000 {
            // Few low bits, so that runs of the table collide and wrap.
            let id = EventIdentity(low: UInt64.random(in: 0..<90, using: &random) & 0x7B, high: random.next() % 3)
            let known = order.contains(id)
            #expect(window.contains(id) == known, "seed \(random.seed)")
            if known, Bool.random(using: &random) {
                window.withdraw(id)
                order[order.firstIndex(of: id)!] = nil
            } else if !known {
                #expect(window.insert(id).isNew)
                order.append(id)
                if order.count > 50 { order.removeFirst() }
            }
            #expect(window.count == order.count { $0 != nil })
        }
    }

    @Test func `a commit larger than the window knows which of its events it repeats`() async throws {
        let channel = try await SimulatedDisk().store().open("c", small(window: 4))
        let outcome = try await channel.append(["a", "b", "c", "d", "e", "f", "e", "a"].map { event($0) })
        #expect(outcome.map { $0 == .duplicate } == [false, false, false, false, false, false, true, false])
    }

    @Test func `the window takes nothing when empty and at most 40 bytes an entry when full`() {
        var window = DuplicateWindow(capacity: 262_144)
        #expect(window.footprint == 0)
        for number in UInt64(0)..<300_000 { _ = window.insert(EventIdentity(low: number &* 0x9E37_79B9, high: number)) }
        #expect(window.count == 262_144 && window.footprint <= 40 * 262_144)
    }

    @Test(arguments: [1, 3])
    func `the window survives a kill, in size and in order`(_ partitions: Int) async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        let spec = small(partitions: partitions, window: 100)
        var channel = try await disk.store(clock).open("c", spec)
        func send(_ number: Int) async throws -> Bool {
            try await channel.append([event("e-\(number)", subject: "/\(number % 11)/f", size: 50)]) != [.duplicate]
        }
        for number in 0..<350 {
            #expect(try await send(number))
            clock.advance(1)
        }
        disk.kill()
        channel = try await disk.store(clock).open("c", spec)
        for number in (250..<350).reversed() { #expect(try await !send(number), "\(number) is within the window") }
        #expect(try await send(249))
        #expect(try await send(250), "249 came again and pushed the oldest out")
        #expect(try await !send(349))
    }

    @Test func `a window of none stores everything, and can be changed`() async throws {
        let disk = SimulatedDisk()
        let store = try disk.store()
        let channel = try await store.open("c", small(window: 0))
        #expect(try await channel.append([event("a"), event("a")]).contains(.duplicate) == false)
        let same = try await store.open("c", small(window: 10))
        #expect(same === channel)
        #expect(
            try await channel.append([event("a"), event("b")]) == [.duplicate, .appended(partition: 0, offset: 2)])
    }
}
