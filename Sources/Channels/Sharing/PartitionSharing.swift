/// How servers share the partitions of a channel: each partition is delivered by one of them at a time, and what is kept
/// for it goes along when it moves.
public protocol PartitionSharing: Sendable {
    /// Asks for a share of the partitions. `holder` is told what comes and goes until ``leave()`` has returned.
    func join(_ holder: any PartitionHolder) async throws(ChannelError)

    /// Gives all partitions up, as ``PartitionHolder/release(_:isLost:)`` does, and asks for none any more.
    func leave() async

    /// What is kept for a partition, by key.
    func kept(partition: Int) async throws(ChannelError) -> [String: [UInt8]]

    /// Keeps values for a partition, `nil` removing a key; returns when they are durable.
    func keep(_ entries: [(key: String, value: [UInt8]?)], partition: Int) async throws(ChannelError)

    /// Tells all who look at the group that everything below these offsets is settled.
    func settled(below offsets: [Int: UInt64]) async

    /// Whether the partition is still this server's, asked of the brokers when there is reason to doubt it: a server that
    /// stood still for a while may find that another has gone on with its work.
    func confirms(partition: Int) async -> Bool
}

/// Who works on partitions that are shared. Called for one partition after the other.
public protocol PartitionHolder: Sendable {
    /// The partition is this server's from now on.
    func take(_ partition: Int) async

    /// The partition is to go; it does when this returns. One that is lost is another's already: nothing more is to be
    /// kept or appended on its behalf.
    func release(_ partition: Int, isLost: Bool) async
}
