package import CloudEvents

/// A channel that is another one but for what it says itself.
package protocol ForwardingChannel: Channel {
    var channel: any Channel { get }
}

extension ForwardingChannel {
    package var name: String { channel.name }
    package var partitionCount: Int { channel.partitionCount }
    package var appendMarks: [UInt64]? { channel.appendMarks }
    package var sharing: (any PartitionSharing)? { channel.sharing }

    package func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        try await channel.append(events)
    }
    package func bounds(ofPartition partition: Int) -> OffsetBounds { channel.bounds(ofPartition: partition) }
    package func refreshBounds() async throws(ChannelError) { try await channel.refreshBounds() }
    package func read(partition: Int, from offset: UInt64, limit: ReadLimit) async throws(ChannelError) -> RecordBatch {
        try await channel.read(partition: partition, from: offset, limit: limit)
    }
    package func offset(partition: Int, atOrAfter milliseconds: Int64) async throws(ChannelError) -> UInt64 {
        try await channel.offset(partition: partition, atOrAfter: milliseconds)
    }
    package func waitForRecords(partition: Int, from offset: UInt64) async {
        await channel.waitForRecords(partition: partition, from: offset)
    }
    package func recall(from marks: [UInt64]) { channel.recall(from: marks) }
}
