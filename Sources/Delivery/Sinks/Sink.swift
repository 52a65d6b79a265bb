package import CloudEvents

/// One event on its way to a sink.
package struct Parcel: Sendable {
    package var event: EventRecord
    package var partition: Int
    package var offset: UInt64
    /// Which attempt this is, from 1.
    package var attempt: Int
    /// When the channel took it; milliseconds since 1970.
    package var appended: Int64
    /// All of the partition below is settled, and that is kept: it will not come again. 0 when that is not known.
    package var floor: UInt64

    package init(
        event: EventRecord, partition: Int, offset: UInt64, attempt: Int, appended: Int64 = 0, floor: UInt64 = 0
    ) {
        self.appended = appended
        self.floor = floor
        self.event = event
        self.partition = partition
        self.offset = offset
        self.attempt = attempt
    }
}

/// What became of one parcel.
package struct SinkAnswer: Sendable {
    package var outcome: DeliveryOutcome
    /// Events to be appended, durably, before the parcel counts as delivered.
    package var replies: [EventRecord]

    package init(_ outcome: DeliveryOutcome, replies: [EventRecord] = []) {
        self.outcome = outcome
        self.replies = replies
    }
}

/// Where events go.
package protocol Sink: Sendable {
    /// Delivers events in their order; one answer each, in the same order. Cancelled when the time is over.
    func deliver(_ parcels: [Parcel]) async -> [SinkAnswer]

    /// Nothing more will be delivered: what it holds open is closed.
    func close() async

    /// The subscription is gone for good: what was remembered of its deliveries goes too.
    func removed() async
}

extension Sink {
    package func close() async {}
    package func removed() async {}
}
