import Channels
import CloudEvents
import TestSupport
import Testing

/// What every kind of channel must do.
@Suite struct ChannelContractTests {
    private func with(
        _ factory: ChannelFactory, partitions: Int = 1, _ body: (any Channel) async throws -> Void
    ) async throws {
        let lease = try await factory.make(partitions)
        do {
            try await body(lease.channel)
        } catch {
            await lease.close()
            throw error
        }
        await lease.close()
    }

    @Test(.enabled(if: KafkaBroker.unreachable == nil, "\(KafkaBroker.unreachable ?? "")"))
    func `the contract is held against a real Kafka broker too`() {}

    @Test(arguments: ChannelFactory.all)
    func `what was appended is read back in order, byte for byte`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            let sent = (0..<200).map { event("e-\($0)", subject: "/a/\($0)", size: $0 * 7) }
            #expect(try await channel.append(sent) == (0..<200).map { .appended(partition: 0, offset: $0) })
            var offset: UInt64 = 0
            while offset < 200 {
                let batch = try await channel.read(
                    partition: 0, from: offset, limit: ReadLimit(records: 7, bytes: 5_000))
                #expect(!batch.isEmpty && batch.count <= 7 && batch.gaps.isEmpty)
                for index in 0..<batch.count {
                    #expect(batch.entries[index].offset == offset)
                    #expect(batch.record(at: index) == sent[Int(offset)])
                    offset += 1
                }
                #expect(batch.nextOffset == offset)
            }
            let bounds = channel.bounds(ofPartition: 0)
            #expect(bounds.first == 0 && bounds.next == 200 && bounds.bytes > 0)
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `an empty append and an empty channel are fine`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            #expect(try await channel.append([]).isEmpty)
            let batch = try await channel.read(partition: 0, from: 0, limit: ReadLimit())
            #expect(batch.isEmpty && batch.nextOffset == 0 && batch.gaps.isEmpty)
            #expect(try await channel.offset(partition: 0, atOrAfter: 0) == 0)
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `reading beyond the end or of an unknown partition is refused`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            _ = try await channel.append(events(3))
            for (partition, offset) in [(0, UInt64(4)), (1, 0), (-1, 0)] {
                await #expect {
                    _ = try await channel.read(partition: partition, from: offset, limit: ReadLimit())
                } throws: { ($0 as? ChannelError)?.code == .outOfRange }
            }
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `a limit brings at least one record, and the one that crosses it`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            _ = try await channel.append(events(10, size: 100_000))
            let one = try await channel.read(partition: 0, from: 0, limit: ReadLimit(records: 10, bytes: 1))
            #expect(one.count == 1)
            let two = try await channel.read(partition: 0, from: 0, limit: ReadLimit(records: 10, bytes: 100_200))
            #expect(two.count >= 1 && two.count <= 2)
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `an id seen before is not stored again`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            let first = try await channel.append([event("a"), event("b"), event("a"), event("a", source: "other")])
            #expect(first[2] == .duplicate)
            #expect(first.filter { $0 == .duplicate }.count == 1)
            #expect(try await channel.append([event("b"), event("c")])[0] == .duplicate)
            #expect(try await channel.readAll().ids == ["a", "b", "a", "c"])
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `of many that append the same ids at once each id is stored once`(_ factory: ChannelFactory) async throws {
        try await with(factory, partitions: 3) { channel in
            let outcomes = try await withThrowingTaskGroup(of: [AppendOutcome].self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await channel.append((0..<50).map { event("e-\($0)", subject: "/d\($0 % 9)/f") })
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(outcomes.filter { $0 != .duplicate }.count == 50)
            var ids: [String] = []
            for partition in 0..<3 { ids += try await channel.readAll(partition).ids }
            #expect(ids.sorted() == (0..<50).map { "e-\($0)" }.sorted())
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `events of one key stay in one partition and in order`(_ factory: ChannelFactory) async throws {
        try await with(factory, partitions: 4) { channel in
            #expect(channel.partitionCount == 4)
            for round in 0..<20 {
                _ = try await channel.append((0..<10).map { event("\($0)/\(round)", key: "key-\($0)") })
            }
            var seen: [String: [Int]] = [:]
            var homes: [String: Set<Int>] = [:]
            for partition in 0..<4 {
                for id in try await channel.readAll(partition).ids {
                    let parts = id.split(separator: "/")
                    seen[String(parts[0]), default: []].append(Int(parts[1])!)
                    homes[String(parts[0]), default: []].insert(partition)
                }
            }
            #expect(seen.count == 10 && seen.values.allSatisfy { $0 == Array(0..<20) })
            #expect(homes.values.allSatisfy { $0.count == 1 } && Set(homes.values).count > 1)
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `a waiter is woken by an append, at once when the record is there, and by cancellation`(
        _ factory: ChannelFactory
    ) async throws {
        try await with(factory) { channel in
            async let waited: Void = channel.waitForRecords(partition: 0, from: 1)
            _ = try await channel.append(events(2))
            await waited
            await channel.waitForRecords(partition: 0, from: 0)
            let task = Task { await channel.waitForRecords(partition: 0, from: 2) }
            task.cancel()
            await task.value
        }
    }

    @Test(arguments: ChannelFactory.all)
    func `a reader that follows misses nothing while many append`(_ factory: ChannelFactory) async throws {
        try await with(factory) { channel in
            let reader = Task {
                var ids: [String] = []
                var offset: UInt64 = 0
                while ids.count < 400 {
                    await channel.waitForRecords(partition: 0, from: offset)
                    let batch = try await channel.read(partition: 0, from: offset, limit: ReadLimit(records: 13))
                    for index in 0..<batch.count {
                        ids.append(batch.withView(at: index) { $0.string("id") ?? "" })
                    }
                    offset = batch.nextOffset
                }
                return ids
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<8 {
                    group.addTask {
                        for number in 0..<50 { _ = try await channel.append([event("\(writer)-\(number)")]) }
                    }
                }
                try await group.waitForAll()
            }
            let ids = try await reader.value
            #expect(Set(ids).count == 400)
            for writer in 0..<8 {
                #expect(ids.filter { $0.hasPrefix("\(writer)-") } == (0..<50).map { "\(writer)-\($0)" })
            }
        }
    }
}
