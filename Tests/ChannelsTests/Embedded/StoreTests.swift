import Channels
import CloudEvents
import TestSupport
import Testing

@Suite struct StoreTests {
    @Test func `channels of any name live side by side and are there after a restart`() async throws {
        let folder = try TemporaryDirectory("store")
        let names = ["a", "team/raw data", "..", "ünï", "x.y", "lock"]
        let store = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
        for name in names { _ = try await store.open(name).append([event(name)]) }
        await store.close()
        let again = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
        #expect(try again.names() == names.sorted())
        for name in names { #expect(try await again.open(name).readAll().ids == [name]) }
        await again.close()
    }

    @Test func `a deleted channel is gone and can be made anew`() async throws {
        let folder = try TemporaryDirectory("store")
        let store = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
        _ = try await store.open("c").append(events(3))
        try await store.delete("c")
        #expect(try store.names() == [])
        #expect(try await store.open("c").append(events(3)).first == .appended(partition: 0, offset: 0))
        await store.close()
    }

    @Test func `partitions can be added, open or not, and never be taken away`() async throws {
        let disk = SimulatedDisk()
        let store = try disk.store()
        let channel = try await store.open("c", small(partitions: 1))
        _ = try await channel.append((0..<20).map { event("a\($0)", key: "\($0)") })
        _ = try await store.open("c", small(partitions: 3))
        #expect(channel.partitionCount == 3)
        let outcome = try await channel.append((0..<20).map { event("b\($0)", key: "\($0)") })
        #expect(Set(outcome.map { if case .appended(let number, _) = $0 { number } else { -1 } }) == [0, 1, 2])
        await #expect { _ = try await store.open("c", small(partitions: 2)) } throws: {
            ($0 as? ChannelError)?.code == .conflict
        }
        #expect(try await store.open("c", small(partitions: 3)) === channel, "the refusal changed nothing")
        disk.kill()
        let later = try disk.store()
        await #expect { _ = try await later.open("c", small(partitions: 2)) } throws: {
            ($0 as? ChannelError)?.code == .conflict
        }
        let again = try await later.open("c", small(partitions: 4))
        #expect(again.partitionCount == 4)
        #expect(try await again.readAll(0).ids.prefix(20) == (0..<20).map { "a\($0)" }[...])
    }

    @Test func `a folder of a newer format is refused and left alone`() async throws {
        let disk = SimulatedDisk()
        _ = try await disk.store().open("c", small())
        disk.kill()
        disk.damage("/log/c/channel") { bytes in
            bytes[8] = 2
            let checksum = bytes.dropLast(4).withUnsafeBytes { CRC32C.checksum($0) }
            for index in 0..<4 { bytes[bytes.count - 4 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
        }
        let before = disk.contents("/log/c/channel")
        await #expect { _ = try await disk.store().open("c", small()) } throws: {
            ($0 as? ChannelError)?.code == .format
        }
        #expect(disk.contents("/log/c/channel") == before)
    }

    @Test func `events written under a larger limit stay readable under a smaller one`() async throws {
        let disk = SimulatedDisk()
        _ = try await disk.store().open("c", small()).append([event("large", size: 5_000), event("next")])
        disk.kill()
        var options = EmbeddedLogStore.Options()
        options.largestRecord = 1_000
        let store = try EmbeddedLogStore(
            directory: "/log", options: options, fileSystem: disk.mounted, log: quietLogger())
        #expect(try await store.open("c", small()).readAll().ids == ["large", "next"])
    }

    @Test func `opening does not read sealed segments`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small())
        for number in 0..<200 { _ = try await channel.append([event("e-\(number)", size: 100)]) }
        disk.kill()
        let sealed = disk.paths(".log").dropLast()
        // If it did, it would find them empty.
        for name in sealed { disk.damage(name) { for index in 48..<$0.count { $0[index] = 0 } } }
        let again = try await disk.store().open("c", small())
        #expect(again.bounds(ofPartition: 0) == channel.bounds(ofPartition: 0))
        #expect(try await again.append([event("e-20", size: 100)]) == [.duplicate])
    }

    @Test func `what queues up during a sync shares the next one`() async throws {
        let disk = SimulatedDisk()
        let channel = try await disk.store().open("c", small(segment: 1 << 30))
        let before = disk.syncs
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 { group.addTask { _ = try await channel.append([event("e-\(number)")]) } }
            try await group.waitForAll()
        }
        #expect(disk.syncs - before < 500)
        #expect(try await channel.readAll().ids.count == 500)
    }
}
