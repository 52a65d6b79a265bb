import Channels
import CloudEvents

/// A shared channel as one server reads it that reads all of its partitions, whoever has them.
final class WholeChannel: Channel {
    private let channel: any Channel

    init(_ channel: any Channel) { self.channel = channel }

    var name: String { channel.name }
    var partitionCount: Int { channel.partitionCount }
    var appendMarks: [UInt64]? { channel.appendMarks }

    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        try await channel.append(events)
    }
    func bounds(ofPartition partition: Int) -> OffsetBounds { channel.bounds(ofPartition: partition) }
    func refreshBounds() async throws(ChannelError) { try await channel.refreshBounds() }
    func read(partition: Int, from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch {
        try await channel.read(partition: partition, from: offset, limit: limit)
    }
    func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 {
        try await channel.offset(partition: partition, atOrAfter: milliseconds)
    }
    func waitForRecords(partition: Int, from offset: UInt64) async {
        await channel.waitForRecords(partition: partition, from: offset)
    }
    func recall(from marks: [UInt64]) { channel.recall(from: marks) }
}
