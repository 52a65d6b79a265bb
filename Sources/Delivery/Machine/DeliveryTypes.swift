/// What a sink says about one event of a batch.
package enum DeliveryOutcome: Sendable, Hashable {
    /// Done, replies included.
    case delivered
    /// Not now; again after the backoff, or after this many milliseconds if the sink said so.
    case retry(String, after: Int64? = nil)
    /// Never: a dead letter at once.
    case rejected(String)
}

/// Why an event became a dead letter; the words stand in `weirdlreason`.
package enum DeadLetterReason: Sendable, Hashable {
    case attemptsExhausted(String)
    case rejected(String)
    case expired
    case loop

    /// The word for programs.
    package var code: String {
        switch self {
        case .attemptsExhausted: "attempts-exhausted"
        case .rejected: "rejected"
        case .expired: "expired"
        case .loop: "loop"
        }
    }

    /// The last error, if the sink gave one.
    package var detail: String? {
        switch self {
        case .attemptsExhausted(let text), .rejected(let text): text
        case .expired, .loop: nil
        }
    }
}

/// What the owner of a machine has to do.
package enum DeliveryAction: Sendable {
    /// Hand these events to the sink; answer with ``DeliveryMachine/completed(_:outcomes:now:random:)``.
    case deliver(batch: UInt32, slots: [UInt32], deadline: Int64)
    /// Give the batch up: its time is over and its events go on without it; a late answer is ignored.
    case cancel(batch: UInt32)
    /// Keep the event as a dead letter; answer with ``DeliveryMachine/deadLettered(_:isDurable:now:)``.
    case deadLetter(slot: UInt32, attempts: Int, DeadLetterReason)
    /// The event is settled; what was kept for its slot may go.
    case settled(slot: UInt32)
}

/// Counters of a subscription since its start.
package struct DeliveryCounts: Sendable, Hashable {
    package var delivered: UInt64 = 0
    package var retried: UInt64 = 0
    package var deadLettered: UInt64 = 0
    package var lastError: String?

    package init() {}
}
