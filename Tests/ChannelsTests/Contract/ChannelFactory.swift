import Channels
import Testing
import TestSupport

/// A way to make a channel; one suite holds all of them to the contract of ``Channel``.
struct ChannelFactory: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Makes an empty channel of so many partitions that lives as long as the lease.
    let make: @Sendable (Int) async throws -> Lease

    struct Lease: Sendable {
        let channel: any Channel
        let close: @Sendable () async -> Void
    }

    static let all: [ChannelFactory] = embedded + kafka

    private static let embedded: [ChannelFactory] =
        [
            ChannelFactory(testDescription: "embedded, on disk") { partitions in
                let folder = try TemporaryDirectory("channel")
                let store = try EmbeddedLogStore(directory: folder.path, log: quietLogger())
                let channel = try await store.open("storage", ChannelSpec(partitions: partitions))
                return Lease(channel: channel) {
                    await store.close()
                    withExtendedLifetime(folder) {}
                }
            },
            ChannelFactory(testDescription: "embedded, small segments in memory") { partitions in
                let store = try SimulatedDisk().store(openFiles: 3)
                let channel = try await store.open("storage", small(partitions: partitions))
                return Lease(channel: channel) { await store.close() }
            },
        ]
}
