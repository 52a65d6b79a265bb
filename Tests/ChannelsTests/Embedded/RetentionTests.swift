import Channels
import CloudEvents
import Synchronization
import TestSupport
import Testing

@Suite struct RetentionTests {
    private let hour: Int64 = 3_600_000

    @Test func `events are removed by age, in whole segments, and readers are told`() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        let channel = try await disk.store(clock).open("c", small(age: 10 * hour))
        for number in 0..<100 {
            _ = try await channel.append([event("e-\(number)", size: 100)])
            clock.advance(hour / 5)
        }
        try await channel.maintain(now: clock.milliseconds)
        let bounds = channel.bounds(ofPartition: 0)
        // Twenty hours of events, ten are wanted, a segment is about a tenth.
        #expect(bounds.first > 35 && bounds.first <= 50)
        let reading = try await channel.readAll()
        #expect(reading.gaps == [.init(offsets: 0..<bounds.first, reason: .expired)])
        #expect(reading.records.first?.offset == bounds.first && reading.ids.last == "e-99")
        disk.kill()
        let again = try await disk.store(clock).open("c", small(age: 10 * hour))
        #expect(again.bounds(ofPartition: 0) == bounds)
        #expect(try await again.readAll().gaps == [.init(offsets: 0..<bounds.first, reason: .expired)])
    }

    @Test func `a quiet channel is emptied too and keeps counting`() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        let channel = try await disk.store(clock).open("c", small(age: hour))
        _ = try await channel.append(events(5))
        clock.advance(2 * hour)
        try await channel.maintain(now: clock.milliseconds)
        #expect(channel.bounds(ofPartition: 0).first == 5)
        #expect(try await channel.readAll().records.isEmpty)
        disk.kill()
        let again = try await disk.store(clock).open("c", small(age: hour))
        #expect(try await again.append(events(1, "new")) == [.appended(partition: 0, offset: 5)])
        #expect(try await again.readAll().gaps == [.init(offsets: 0..<5, reason: .expired)])
    }

    @Test func `the oldest segments go when the channel takes too much`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small(partitions: 2, bytes: 40_000))
        for number in 0..<400 {
            _ = try await channel.append([event("e-\(number)", subject: "/\(number % 5)/f", size: 200)])
        }
        try await channel.maintain(now: 0)
        let bounds = (0..<2).map { channel.bounds(ofPartition: $0) }
        #expect(bounds[0].bytes + bounds[1].bytes <= 40_000 && bounds[0].bytes + bounds[1].bytes > 25_000)
        let kept = disk.paths(".log").map { disk.contents($0).count }.reduce(0, +)
        #expect(UInt64(kept) == bounds[0].bytes + bounds[1].bytes)
    }

    @Test func `retention that is interrupted anywhere loses nothing that is wanted`() async throws {
        for cut in 1...14 {
            let disk = SimulatedDisk()
            let clock = TestClock()
            let channel = try await disk.store(clock).open("c", small(age: 10 * hour))
            for number in 0..<100 {
                _ = try await channel.append([event("e-\(number)", size: 100)])
                clock.advance(hour / 5)
            }
            disk.state.withLock { $0.cutAt = $0.changes + cut }
            _ = try? await channel.maintain(now: clock.milliseconds)
            var random = SeededGenerator()
            disk.cutPower(&random)
            let again = try await disk.store(clock).open("c", small(age: 10 * hour))
            let reading = try await again.readAll()
            #expect(reading.gaps.allSatisfy { $0.reason == .expired }, "cut at \(cut), seed \(random.seed)")
            #expect(reading.ids.suffix(50) == (50..<100).map { "e-\($0)" }, "cut at \(cut), seed \(random.seed)")
            try await again.maintain(now: clock.milliseconds)
            #expect(try await again.readAll().ids.suffix(50) == (50..<100).map { "e-\($0)" })
        }
    }

    @Test func `reading by time finds the first record at or after it`() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock(10_000)
        let channel = try await disk.store(clock).open("c", small())
        for number in 0..<100 {
            _ = try await channel.append([event("e-\(number)", size: 100)])
            clock.advance(10)
        }
        for reopened in [false, true] {
            if reopened { disk.kill() }
            let channel = reopened ? try await disk.store(clock).open("c", small()) : channel
            for time in stride(from: Int64(9_990), to: 10_995, by: 3) {
                let wanted = UInt64(max(0, (time - 10_000 + 9) / 10))
                #expect(try await channel.offset(partition: 0, atOrAfter: time) == wanted)
            }
            #expect(try await channel.offset(partition: 0, atOrAfter: .max) == 100)
        }
    }

    @Test func `times never go back within a partition, also over a restart`() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock(10_000)
        var channel = try await disk.store(clock).open("c", small())
        for number in 0..<60 {
            _ = try await channel.append([event("e-\(number)", size: 100)])
            clock.advance(number % 3 == 0 ? 500 : -400)
            if number == 30 {
                disk.kill()
                clock.advance(-5_000)
                channel = try await disk.store(clock).open("c", small())
            }
        }
        var last: Int64 = 0
        for offset in UInt64(0)..<60 {
            let batch = try await channel.read(partition: 0, from: offset, limit: ReadLimit(records: 1))
            let appended = try #require(batch.entries.first).appended
            #expect(appended >= last)
            last = appended
        }
        #expect(try await channel.offset(partition: 0, atOrAfter: last) < 60)
    }
}
