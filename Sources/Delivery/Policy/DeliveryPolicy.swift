/// How a subscription delivers. Times are milliseconds.
package struct DeliveryPolicy: Sendable, Hashable {
    package enum Order: String, Sendable, CaseIterable {
        /// As it comes: the fastest.
        case none
        /// Events of one key (`partitionkey`, else the subject, else the source) one after another.
        case key
    }

    /// Where a new subscription begins.
    package enum Start: Sendable, Hashable {
        case latest
        case earliest
        /// The first event appended at or after this time (milliseconds since 1970).
        case time(Int64)
        /// The offset in every partition.
        case offset(UInt64)
        /// By partition; partitions not named begin at the end.
        case offsets([Int: UInt64])
    }

    package var order = Order.none
    /// How often an event is tried before it is a dead letter.
    package var attempts = 5
    package var backoff: Int64 = 1_000
    /// Whether an event is tried again at a function that has failed at it by its own fault; what the platform could not
    /// do is always tried again.
    package var retriesFailures = true
    package var maximumBackoff: Int64 = 300_000
    /// Whether the wait is drawn from 0 … backoff ("full jitter") instead of being the backoff.
    package var jitter = true
    /// How long one attempt of one event may take.
    package var timeout: Int64 = 60_000
    package var batchSize = 1
    /// How long an unfilled batch waits for more.
    package var linger: Int64 = 0
    /// How many batches may be under way.
    package var concurrency = 8
    /// An event that is older (since its append) is a dead letter; `nil`: never.
    package var expiry: Int64?
    package var start = Start.latest
    /// The channel for what could not be delivered; `nil`: it is counted and logged.
    package var deadLetter: String?
    /// The channel for reply events; `nil`: the subscription's own.
    package var reply: String?
    /// Events with a causal depth above this are dead letters.
    package var maximumDepth = 16
    /// How many unsettled events are held.
    package var maximumPending = 4096

    package init() {}
}
