import Channels
import Synchronization

/// A clock that tests move.
final class TestClock: Sendable {
    private let now: Mutex<Int64>

    init(_ start: Int64 = 1_000_000) { now = Mutex(start) }

    var milliseconds: Int64 {
        get { now.withLock { $0 } }
    }

    func advance(_ by: Int64) { now.withLock { $0 += by } }

    var read: @Sendable () -> Int64 { { self.milliseconds } }
}

extension SimulatedDisk {
    /// Mounts the disk and opens a store on it.
    func store(_ clock: TestClock = TestClock(), openFiles: Int = 512) throws -> EmbeddedLogStore {
        var options = EmbeddedLogStore.Options()
        options.openFiles = openFiles
        return try EmbeddedLogStore(
            directory: "/log", options: options, fileSystem: mounted, clock: clock.read, log: quietLogger())
    }
}

/// A channel of one partition with small segments.
func small(
    partitions: Int = 1, segment: Int64 = 4 << 10, window: Int = 1_000, age: Int64? = nil, bytes: Int64? = nil
) -> ChannelSpec {
    ChannelSpec(
        retentionAge: age, retentionBytes: bytes, partitions: partitions, segmentBytes: segment,
        duplicateWindow: window)
}
