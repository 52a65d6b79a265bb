package import Channels

/// One event that a subscription has taken on.
package struct DeliveryItem: Sendable {
    /// The batch that holds the event, and where.
    package let batch: RecordBatch
    package let index: Int
    /// The hash of the event's key; 0 when order does not matter.
    package let key: UInt64
    /// Which attempt is next or under way, from 1.
    package var attempt: Int

    package init(batch: RecordBatch, index: Int, key: UInt64 = 0, attempt: Int = 1) {
        self.batch = batch
        self.index = index
        self.key = key
        self.attempt = attempt
    }

    package var partition: Int { batch.partition }
    package var offset: UInt64 { batch.entries[index].offset }
    /// Milliseconds since 1970.
    package var appended: Int64 { batch.entries[index].appended }
}

/// What became of one event in one attempt.
package enum DeliveryOutcome: Sendable, Hashable {
    case delivered
    /// Worth another attempt; `after` are the milliseconds that the sink asked for (`Retry-After`).
    case failed(reason: String, after: Int64? = nil)
    /// Not worth another attempt.
    case rejected(reason: String)
}
