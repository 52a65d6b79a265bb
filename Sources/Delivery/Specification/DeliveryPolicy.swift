package import CloudEvents
package import Manifest

/// When, how often and in what order a subscription's events are delivered.
package struct DeliveryPolicy: Sendable, Hashable {
    package enum Order: String, Sendable, Hashable, CaseIterable {
        case none
        /// Nothing of a key is delivered while an earlier event of that key is unsettled.
        case key
    }

    /// Where a new subscription begins.
    package enum Start: Sendable, Hashable {
        case latest
        case earliest
        /// The first event appended at or after this time.
        case time(EventTime)
        /// An offset, in every partition.
        case offset(UInt64)
    }

    package var order = Order.none
    /// How often an event is tried in all, the first time included.
    package var attempts = 5
    /// Milliseconds before the second attempt, doubled for each further one, drawn evenly from 0 to that ("full jitter").
    package var backoff: Int64 = 1_000
    package var maximumBackoff: Int64 = 300_000
    /// Milliseconds that one attempt may take; functions have their own limit too.
    package var timeout: Int64 = 60_000
    /// The channel for what cannot be delivered; `nil`: it is counted and dropped.
    package var deadLetter: String?
    /// The largest number of events in one attempt.
    package var batchSize = 1
    /// Milliseconds to wait for a batch to fill.
    package var linger: Int64 = 0
    /// How many attempts may be under way at once.
    package var concurrency = 8
    package var start = Start.latest
    /// Milliseconds after which an event is no longer worth delivering, from when it was appended.
    package var expiry: Int64?
    /// The channel for reply events; the subscription's own when `nil`.
    package var reply: String?

    package init() {}

    package init(_ reader: inout DocumentReader?) throws(DocumentError) {
        self.init()
        guard var inner = reader else { return }
        if let word = try inner.word("order", of: Order.allCases.map(\.rawValue)) { order = Order(rawValue: word) ?? .none }
        if var retry = try inner.object("retry") {
            attempts = try retry.integer("attempts", in: 1...1_000) ?? attempts
            backoff = try retry.duration("backoff") ?? backoff
            maximumBackoff = max(try retry.duration("maxBackoff") ?? maximumBackoff, backoff)
            try retry.finish()
        }
        timeout = try inner.duration("timeout") ?? timeout
        guard timeout > 0 else {
            throw DocumentError(path: inner.path(of: "timeout"), message: "more than 0 is needed")
        }
        deadLetter = try inner.string("deadLetter")
        if var batch = try inner.object("batch") {
            batchSize = try batch.integer("size", in: 1...10_000) ?? 100
            linger = try batch.duration("linger") ?? linger
            try batch.finish()
        }
        concurrency = try inner.integer("concurrency", in: 1...1_000) ?? concurrency
        start = try DeliveryPolicy.start(&inner)
        expiry = try inner.duration("expiry")
        reply = try inner.string("reply")
        try inner.finish()
        reader = inner
    }

    private static func start(_ reader: inout DocumentReader) throws(DocumentError) -> Start {
        guard let value = reader.value("start") else { return .latest }
        if let offset = value.integer, offset >= 0 { return .offset(UInt64(offset)) }
        switch value.string {
        case "latest": return .latest
        case "earliest": return .earliest
        case let text?:
            if let time = EventTime(text) { return .time(time) }
        case nil: break
        }
        throw DocumentError(
            path: reader.path(of: "start"),
            message: "latest, earliest, a time such as 2026-05-20T12:00:00Z or an offset was expected")
    }

    /// The policy as a document, defaults written out.
    package var document: JSONValue {
        var document: JSONObject = [
            "order": .string(order.rawValue),
            "retry": [
                "attempts": .integer(Int64(attempts)), "backoff": .string(Quantity.text(milliseconds: backoff)),
                "maxBackoff": .string(Quantity.text(milliseconds: maximumBackoff)),
            ],
            "timeout": .string(Quantity.text(milliseconds: timeout)),
            "batch": ["size": .integer(Int64(batchSize)), "linger": .string(Quantity.text(milliseconds: linger))],
            "concurrency": .integer(Int64(concurrency)),
        ]
        switch start {
        case .latest: document["start"] = "latest"
        case .earliest: document["start"] = "earliest"
        case .time(let time): document["start"] = .string(time.text)
        case .offset(let offset): document["start"] = .integer(Int64(offset))
        }
        document["deadLetter"] = deadLetter.map { .string($0) }
        document["expiry"] = expiry.map { .string(Quantity.text(milliseconds: $0)) }
        document["reply"] = reply.map { .string($0) }
        return .object(document)
    }
}
