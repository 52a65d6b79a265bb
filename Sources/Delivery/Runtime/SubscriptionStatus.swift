/// How a subscription is doing.
package struct SubscriptionStatus: Sendable, Hashable {
    package enum State: Sendable, Hashable {
        case running
        case paused
        /// Its last attempts failed; why.
        case failing(String)
    }

    package struct Partition: Sendable, Hashable {
        package var partition: Int
        /// All below is settled.
        package var floor: UInt64
        /// The end of the partition.
        package var end: UInt64
        /// Events from the floor to the end, matching or not.
        package var lag: UInt64 { end > floor ? end - floor : 0 }
        /// Milliseconds since the oldest unsettled known event was appended; 0 when there is none.
        package var age: Int64
    }

    /// What a subscription that gathers has in hand.
    package struct Gathering: Sendable, Hashable {
        /// Groups that are not complete.
        package var open: Int
        /// Events that came when their group had fired, since the start.
        package var late: Int
        /// Events that belong to no group, since the start.
        package var strangers: Int
        /// Why something cannot be kept or told now.
        package var failure: String?
    }

    package var state: State
    package var partitions: [Partition]
    /// Batches with the sink.
    package var inFlight: Int
    /// Events taken and not settled.
    package var pending: Int
    /// Of these, events that wait for another attempt.
    package var waiting: Int
    package var counts: DeliveryCounts
    package var gathering: Gathering?
}

/// Names a subscription.
package struct SubscriptionKey: Sendable, Hashable, CustomStringConvertible {
    package var namespace: String
    package var name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { "\(namespace)/\(name)" }
    /// What a subscription that gathers reads by.
    var gathering: SubscriptionKey { SubscriptionKey(namespace: namespace, name: name + "/gather") }
    /// Where its progress is kept, before the partition.
    var statePrefix: String { "subscription/\(namespace)/\(name)/" }
}
