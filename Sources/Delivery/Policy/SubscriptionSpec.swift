public import CloudEvents
public import Manifest

/// What a person says about a subscription.
public struct SubscriptionSpec: Sendable, Hashable {
    package var channel: String
    package var filters: [Filter]
    package var sink: SinkSpec
    package var policy: DeliveryPolicy
    /// When set, the sink gets an event for each group of events in place of them.
    package var gather: GatherSpec?
    /// What becomes of an event on its way to the sink.
    package var transform: EventTransform?
    package var paused: Bool

    /// How long an attempt at a function may take when nothing is said: beyond what any function may run (24 h).
    static let functionTimeout: Int64 = 90_000_000

    /// Reads a subscription of a manifest or a request.
    ///
    /// - Throws: ``DocumentError`` with the place and what would be right.
    public init(_ value: JSONValue, path: String = "") throws(DocumentError) {
        var reader = try DocumentReader(value, path: path)
        channel = try reader.requiredString("channel")
        filters = []
        if let list = reader.value("filters") {
            do throws(FilterError) {
                filters = try Filter.list(parsing: list, path: reader.path(of: "filters"))
            } catch {
                throw DocumentError(path: error.path, message: error.reason)
            }
        }
        guard let sinkValue = reader.value("sink") else {
            throw DocumentError(path: reader.path(of: "sink"), message: "this is required")
        }
        sink = try SinkSpec(sinkValue, path: reader.path(of: "sink"))
        policy = DeliveryPolicy()
        if let delivery = try reader.object("delivery") { policy = try DeliveryPolicy(delivery) }
        // A function has a time limit of its own: giving an attempt up earlier would run it twice side by side.
        if case .function = sink, value["delivery"]?["timeout"] == nil { policy.timeout = Self.functionTimeout }
        let batch = value["delivery"]?["batch"]
        if batch?["size"] == nil { policy.batchSize = sink.usualBatch.size }
        if batch?["linger"] == nil, batch?["size"] == nil { policy.linger = sink.usualBatch.linger }
        policy.maximumPending = max(policy.maximumPending, policy.batchSize * 4)
        if let document = try reader.object("gather") { gather = try GatherSpec(document) }
        if let document = try reader.object("transform") { transform = try EventTransform(document) }
        paused = try reader.bool("paused") ?? false
        try reader.finish()
    }

    /// The same in one normal form, everything that is not the default written out.
    public var document: JSONValue {
        var object: JSONObject = ["channel": .string(channel)]
        if !filters.isEmpty { object["filters"] = .array(filters.map(\.json)) }
        if let gather { object["gather"] = .object(gather.document) }
        if let transform { object["transform"] = .object(transform.document) }
        object["sink"] = sink.document
        var delivery = policy.document
        if case .function = sink, policy.timeout == Self.functionTimeout { delivery["timeout"] = nil }
        let usual = sink.usualBatch
        if usual.size != 1 {
            // Of a sink with other habits than one at a time it is written out whole.
            delivery["batch"] = nil
            if policy.batchSize != usual.size || policy.linger != usual.linger {
                delivery["batch"] = [
                    "size": .integer(Int64(policy.batchSize)),
                    "linger": .string(Quantity.text(milliseconds: policy.linger)),
                ]
            }
        }
        if !delivery.isEmpty { object["delivery"] = .object(delivery) }
        if paused { object["paused"] = true }
        return .object(object)
    }
}
