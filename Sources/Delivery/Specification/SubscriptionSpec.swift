package import CloudEvents
package import Manifest

/// A subscription as a person declares it: a filter over a channel, a sink, a policy.
package struct SubscriptionSpec: Sendable, Hashable {
    package var channel: String
    /// All must pass; none passes every event.
    package var filters: [Filter]
    package var sink: SinkSpec
    package var policy: DeliveryPolicy

    package init(channel: String, filters: [Filter] = [], sink: SinkSpec, policy: DeliveryPolicy = DeliveryPolicy()) {
        self.channel = channel
        self.filters = filters
        self.sink = sink
        self.policy = policy
    }

    /// Reads the keys of a subscription; the caller finishes the reader.
    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        channel = try reader.requiredString("channel")
        if let value = reader.value("filters") {
            do throws(FilterError) {
                filters = try Filter.list(parsing: value, path: reader.path(of: "filters"))
            } catch {
                throw DocumentError(path: error.path, message: error.message)
            }
        } else {
            filters = []
        }
        guard let sink = reader.value("sink") else {
            throw DocumentError(path: reader.path(of: "sink"), message: "this is required")
        }
        self.sink = try SinkSpec(sink, path: reader.path(of: "sink"))
        var delivery = try reader.object("delivery")
        policy = try DeliveryPolicy(&delivery)
        if case .http(let endpoint) = self.sink, endpoint.mode == .binary, policy.batchSize > 1 {
            throw DocumentError(
                path: reader.path(of: "delivery.batch.size"),
                message: "binary mode carries one event a request: use mode structured for batches")
        }
    }

    /// The subscription as a document, defaults written out; reading it gives the same value.
    package var document: JSONValue {
        .object([
            "channel": .string(channel), "filters": .array(filters.map(\.json)), "sink": sink.document,
            "delivery": policy.document,
        ])
    }
}
