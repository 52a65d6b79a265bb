import Channels
import CloudEvents
import TestSupport
import Testing

/// Files that are not as they were written.
@Suite struct DamageTests {
    /// A log of `count` events of about 200 bytes in segments of 4 KiB, after a kill.
    private func log(_ count: Int, batch: Int = 1) async throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small())
        for start in stride(from: 0, to: count, by: batch) {
            _ = try await channel.append((start..<min(count, start + batch)).map { event("e-\($0)", size: 100) })
        }
        disk.kill()
        return disk
    }

    private func reopen(_ disk: SimulatedDisk, window: Int = 1_000) async throws -> EmbeddedChannel {
        try await disk.store().open("c", small(window: window))
    }

    private func base(_ path: String) -> UInt64 { UInt64(path.suffix(24).prefix(20)) ?? .max }

    @Test func `every flipped bit costs the record it hits, wherever it is, and is reported`() async throws {
        var random = SeededGenerator()
        let clean = try await log(60)
        let names = clean.paths(".log")
        #expect(names.count >= 3)
        for _ in 0..<120 {
            let disk = try await log(60)
            let name = try #require(names.randomElement(using: &random))
            // Not in the last record of the last segment: that is a torn tail, tested below.
            let size = disk.contents(name).count - (name == names.last ? 400 : 0)
            let position = Int.random(in: 0..<size, using: &random)
            disk.flip(name, at: position)
            let channel = try await reopen(disk)
            let reading = try await channel.readAll(limit: ReadLimit(records: 5))
            let comment = "seed \(random.seed): \(name) at \(position)"
            #expect(channel.bounds(ofPartition: 0).next == 60, "\(comment)")
            if position < 48 {
                #expect(reading.ids == (0..<60).map { "e-\($0)" }, "a segment's header is not needed: \(comment)")
            } else {
                #expect(reading.ids.count == 59 && reading.gaps.count == 1, "\(comment)")
                #expect(reading.gaps.first?.offsets.count == 1 && reading.gaps.first?.reason == .damaged, "\(comment)")
            }
            #expect(reading.ids == (0..<60).map { "e-\($0)" }.filter { reading.ids.contains($0) }, "\(comment)")
        }
    }

    @Test func `damage while the log is open is found at reading and passed over`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small())
        _ = try await channel.append(events(60, size: 100))
        _ = try await channel.append(events(60, "f", size: 100))
        let name = try #require(disk.paths(".log").first)
        disk.damage(name) { bytes in for index in 1_000..<2_000 { bytes[index] = 0xFF } }
        for limit in [1, 3, 1_000] {
            let reading = try await channel.readAll(limit: ReadLimit(records: limit))
            #expect(reading.gaps.count == 1 && reading.gaps[0].reason == .damaged)
            #expect(reading.records.count + (reading.gaps.first?.offsets.count ?? 0) == 120)
        }
        // Also for one that begins within the damage.
        let gap = try #require(try await channel.readAll().gaps.first).offsets
        let within = try await channel.readAll(from: gap.lowerBound + 1)
        #expect(within.gaps.first?.offsets == (gap.lowerBound + 1)..<gap.upperBound)
        #expect(within.records.first?.offset == gap.upperBound)
    }

    @Test func `a torn tail is cut at any byte and no whole record with it`() async throws {
        let whole = try await log(10, batch: 10)
        let name = try #require(whole.paths(".log").last)
        let bytes = whole.contents(name)
        let span = (bytes.count - 48) / 10
        for size in stride(from: 0, through: bytes.count, by: 7) {
            let disk = try await log(10, batch: 10)
            disk.damage(name) { $0 = Array($0[..<size]) }
            let channel = try await reopen(disk)
            let count = max(0, size - 48) / span
            #expect(try await channel.readAll().ids == (0..<count).map { "e-\($0)" }, "cut at \(size)")
            #expect(disk.contents(name).count == 48 + count * span)
            // What was cut is new again, what was not is known.
            let outcome = try await channel.append((0..<10).map { event("e-\($0)", size: 100) })
            #expect(outcome.filter { $0 == .duplicate }.count == count)
        }
    }

    @Test func `zeros or noise behind the last record are cut`() async throws {
        var random = SeededGenerator()
        for noise in [false, true] {
            let disk = try await log(5)
            let name = try #require(disk.paths(".log").last)
            let size = disk.contents(name).count
            let junk = (0..<5_000).map { _ in noise ? UInt8.random(in: 0...255, using: &random) : 0 }
            disk.damage(name) { $0 += junk }
            let channel = try await reopen(disk)
            #expect(try await channel.readAll().ids.count == 5)
            #expect(disk.contents(name).count == size)
            #expect(try await channel.append([event("new")]) == [.appended(partition: 0, offset: 5)])
        }
    }

    @Test func `damage in the last segment does not cut the valid records behind it`() async throws {
        let disk = try await log(15)
        let name = try #require(disk.paths(".log").last)
        let start = base(name)
        disk.damage(name) { bytes in for index in 60..<90 { bytes[index] ^= 0xA5 } }
        let channel = try await reopen(disk)
        let reading = try await channel.readAll()
        #expect(reading.gaps == [.init(offsets: start..<(start + 1), reason: .damaged)])
        #expect(reading.ids.last == "e-14")
        #expect(try await channel.append([event("new")]) == [.appended(partition: 0, offset: 15)])
        disk.kill()
        #expect(try await reopen(disk).readAll().records.count == 15)
    }

    @Test func `a segment that is missing in the middle, in front or at the end is a gap`() async throws {
        for place in 0..<3 {
            let disk = try await log(80)
            let names = disk.paths(".log")
            try #require(names.count >= 4)
            let index = [1, 0, names.count - 1][place]
            let from = base(names[index])
            let to = index + 1 < names.count ? base(names[index + 1]) : 80
            disk.remove(names[index])
            let channel = try await reopen(disk)
            let next = channel.bounds(ofPartition: 0).next
            #expect(next >= 80, "offsets that readers have settled are not given again")
            #expect(try await channel.append([event("new")]) == [.appended(partition: 0, offset: next)])
            let reading = try await channel.readAll(limit: ReadLimit(records: 3))
            #expect(reading.gaps == [.init(offsets: from..<max(to, place == 2 ? next : 0), reason: .missing)])
            #expect(reading.records.count == 81 - Int(to - from))
        }
    }

    @Test func `a segment that goes missing while the log is open is a gap`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store(openFiles: 1).open("c", small())
        for number in 0..<80 { _ = try await channel.append([event("e-\(number)", size: 100)]) }
        let names = disk.paths(".log")
        disk.remove(names[1])
        let reading = try await channel.readAll()
        #expect(reading.gaps == [.init(offsets: base(names[1])..<base(names[2]), reason: .missing)])
    }

    @Test func `a sealed segment that was cut short is a gap`() async throws {
        let disk = try await log(80)
        let names = disk.paths(".log")
        disk.damage(names[1]) { $0.removeLast(1_000) }
        let reading = try await reopen(disk).readAll()
        #expect(reading.gaps.count == 1 && reading.gaps[0].offsets.upperBound == base(names[2]))
        #expect(reading.records.count + reading.gaps[0].offsets.count == 80)
    }

    @Test(arguments: [".index", ".ids"], [true, false])
    func `files beside a segment are made again when absent or damaged`(_ suffix: String, _ removed: Bool)
        async throws
    {
        let disk = try await log(80)
        let before = disk.paths(suffix).dropLast().map { disk.contents($0) }
        for name in disk.paths(suffix) {
            if removed { disk.remove(name) } else { disk.damage(name) { for i in $0.indices { $0[i] ^= 1 } } }
        }
        let channel = try await reopen(disk)
        #expect(try await channel.readAll().ids.count == 80)
        for number in stride(from: 0, to: 80, by: 9) {
            #expect(try await channel.append([event("e-\(number)", size: 100)]) == [.duplicate])
        }
        #expect(disk.paths(suffix).prefix(before.count).map { disk.contents($0) } == before && before.count > 1)
    }

    @Test func `a damaged meta file is made again from the partitions`() async throws {
        let disk = try await log(30)
        disk.flip("/log/c/channel", at: 20)
        let channel = try await reopen(disk)
        #expect(try await channel.readAll().ids.count == 30)
        #expect(try await channel.append([event("e-3", size: 100)]) == [.duplicate], "under a new key")
        disk.kill()
        #expect(try await reopen(disk).append([event("e-29", size: 100)]) == [.duplicate])
    }

    @Test func `a reader from an offset finds its place in any segment, whatever the index says`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small(segment: 1 << 20))
        for start in stride(from: 0, to: 3_000, by: 100) {
            _ = try await channel.append((start..<(start + 100)).map { event("e-\($0)", size: 1_000) })
        }
        for name in disk.paths(".index") {
            disk.damage(name) { bytes in for index in 68..<bytes.count where index % 5 == 0 { bytes[index] ^= 3 } }
        }
        for offset in stride(from: UInt64(0), to: 3_000, by: 97) {
            let batch = try await channel.read(partition: 0, from: offset, limit: ReadLimit(records: 1))
            #expect(batch.entries.first?.offset == offset && batch.gaps.isEmpty)
        }
    }
}
