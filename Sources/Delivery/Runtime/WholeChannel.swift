import Channels

/// A shared channel as one server reads it that reads all of its partitions, whoever has them.
final class WholeChannel: ForwardingChannel {
    let channel: any Channel
    let sharing: (any PartitionSharing)? = nil

    init(_ channel: any Channel) { self.channel = channel }
}
