import Channels
import CloudEvents
import Glibc
import Synchronization
import TestSupport
import Testing

/// Disks that fail while the log is in use.
@Suite struct FaultTests {
    private func open(
        _ disk: SimulatedDisk, _ spec: ChannelSpec = small()
    ) async throws -> (EmbeddedLogStore, EmbeddedChannel) {
        let store = try disk.store()
        return (store, try await store.open("c", spec))
    }

    @Test func `a full disk fails the append, keeps what was acknowledged and goes on when there is space`()
        async throws
    {
        let disk = SimulatedDisk()
        let (_, channel) = try await open(disk)
        _ = try await channel.append(events(5, "a", size: 100))
        let log = try #require(disk.paths(".log").first)
        let size = disk.contents(log).count
        disk.setFree(700)
        await #expect { _ = try await channel.append(events(5, "b", size: 300)) } throws: {
            ($0 as? ChannelError)?.code == .diskFull
        }
        #expect(disk.contents(log).count == size, "the half-written tail is cut")
        #expect(try await channel.readAll().ids == (0..<5).map { "a-\($0)" })
        disk.setFree(nil)
        // Not durable, so no duplicate.
        #expect(try await channel.append(events(5, "b", size: 300)).first == .appended(partition: 0, offset: 5))
        #expect(try await channel.readAll().ids.count == 10)
    }

    @Test func `a disk that is full when a segment must be begun leaves the log usable`() async throws {
        let disk = SimulatedDisk()
        let (_, channel) = try await open(disk)
        _ = try await channel.append(events(3, "a", size: 1_000))
        disk.setFree(20)
        await #expect { _ = try await channel.append(events(1, "b", size: 2_000)) } throws: {
            ($0 as? ChannelError)?.code == .diskFull
        }
        #expect(disk.paths(".log").count == 1, "no empty segment stays")
        disk.setFree(nil)
        _ = try await channel.append(events(1, "b", size: 2_000))
        disk.kill()
        let (_, again) = try await open(disk)
        #expect(try await again.readAll().ids == ["a-0", "a-1", "a-2", "b-0"])
    }

    @Test func `short and interrupted reads and writes are carried on`() async throws {
        let disk = SimulatedDisk()
        let (_, channel) = try await open(disk)
        let calls = Mutex(0)
        disk.setFault { call, _ in
            guard call == .write || call == .read else { return nil }
            let number = calls.withLock { number -> Int in
                number += 1
                return number
            }
            return number % 3 == 0 ? .error(EINTR) : .short(1 + number % 50)
        }
        let sent = events(20, size: 300)
        _ = try await channel.append(sent)
        let batch = try await channel.read(partition: 0, from: 0, limit: ReadLimit())
        #expect((0..<batch.count).allSatisfy { batch.record(at: $0) == sent[$0] } && batch.count > 0)
        #expect(calls.withLock { $0 } > 100)
    }

    @Test func `a failed sync is final until the channel is opened anew`() async throws {
        let disk = SimulatedDisk()
        let (store, channel) = try await open(disk)
        _ = try await channel.append(events(2, "a"))
        disk.setFault { call, _ in call == .sync ? .error(EIO) : nil }
        await #expect { _ = try await channel.append(events(2, "b")) } throws: {
            ($0 as? ChannelError)?.code == .ioFailure
        }
        disk.setFault(nil)
        let syncs = disk.syncs
        await #expect { _ = try await channel.append(events(2, "c")) } throws: {
            ($0 as? ChannelError)?.code == .ioFailure
        }
        #expect(disk.syncs == syncs, "a failed sync is not tried again")
        #expect(try await channel.readAll().ids == ["a-0", "a-1"])
        await store.close("c")
        let again = try await store.open("c", small())
        #expect(try await again.append(events(2, "b")).first == .appended(partition: 0, offset: 2))
        #expect(try await again.readAll().ids == ["a-0", "a-1", "b-0", "b-1"])
    }

    @Test func `when one partition fails its calls fail and the others go on`() async throws {
        let disk = SimulatedDisk()
        let (_, channel) = try await open(disk, small(partitions: 2))
        let keys = try await homes(channel)
        disk.setFault { call, path in call == .sync && path.contains("/p0/") ? .error(EIO) : nil }
        await #expect(throws: ChannelError.self) {
            _ = try await channel.append([event("x", key: keys[0]), event("y", key: keys[1])])
        }
        // The one in partition 1 became durable and is known as such; the other is not.
        #expect(try await channel.append([event("y", key: keys[1])]) == [.duplicate])
        await #expect(throws: ChannelError.self) { _ = try await channel.append([event("x", key: keys[0])]) }
        #expect(try await channel.append([event("z", key: keys[1])]).first != .duplicate)
    }

    /// A key for each of two partitions.
    private func homes(_ channel: EmbeddedChannel) async throws -> [String] {
        var keys = ["", ""]
        for number in 0..<32 {
            let outcome = try await channel.append([event("home-\(number)", key: "k\(number)")])
            if case .appended(let partition, _)? = outcome.first { keys[partition] = "k\(number)" }
        }
        try #require(!keys.contains(""))
        return keys
    }

    @Test func `a duplicate within a failing commit is not called durable`() async throws {
        let disk = SimulatedDisk()
        let (_, channel) = try await open(disk)
        disk.setFault { call, path in call == .write && path.hasSuffix(".log") ? .error(ENOSPC) : nil }
        let failures = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<10 {
                group.addTask { (try? await channel.append([event("same"), event("same")])) == nil }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(failures == 10)
        disk.setFault(nil)
        #expect(
            try await channel.append([event("same"), event("same")]) == [
                .appended(partition: 0, offset: 0), .duplicate,
            ]
        )
    }

    @Test func `an event that is too large is refused before anything is written`() async throws {
        let disk = SimulatedDisk()
        var options = EmbeddedLogStore.Options()
        options.largestRecord = 1_000
        let store = try EmbeddedLogStore(
            directory: "/log", options: options, fileSystem: disk.mounted, log: quietLogger())
        let channel = try await store.open("c")
        await #expect { _ = try await channel.append([event("a"), event("b", size: 1_000)]) } throws: {
            ($0 as? ChannelError)?.code == .recordTooLarge
        }
        #expect(channel.bounds(ofPartition: 0).next == 0)
    }

    @Test func `a closed channel refuses and lets its waiters go`() async throws {
        let (store, channel) = try await open(SimulatedDisk())
        async let waited: Void = channel.waitForRecords(partition: 0, from: 0)
        await store.close()
        await waited
        await #expect { _ = try await channel.append(events(1)) } throws: {
            ($0 as? ChannelError)?.code == .closed
        }
        await #expect { _ = try await store.open("d") } throws: { ($0 as? ChannelError)?.code == .closed }
    }

    @Test func `a second server on the same folder is told so`() async throws {
        let folder = try TemporaryDirectory("lock")
        let store = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
        #expect { _ = try EmbeddedLogStore(directory: folder.path, log: quietLogger()) } throws: {
            let error = $0 as? ChannelError
            return error?.code == .locked && error?.message.contains(folder.path) == true
        }
        await store.close()
        _ = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
    }
}
