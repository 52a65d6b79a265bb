import CloudEvents
package import Invocation

/// Delivers to a function: a batch goes to one worker in one frame.
package struct FunctionSink: Sink {
    private let invoker: any Invoker
    private let function: FunctionReference
    private let subscription: String
    private let channel: String

    package init(invoker: any Invoker, function: FunctionReference, subscription: String, channel: String) {
        self.invoker = invoker
        self.function = function
        self.subscription = subscription
        self.channel = channel
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        let calls = parcels.map { parcel in
            let (source, id) = parcel.event.withView { ($0.string("source") ?? "", $0.string("id") ?? "") }
            return FunctionCall(
                input: .event(parcel.event),
                cause: .init(
                    subscription: subscription, channel: channel, partition: parcel.partition, offset: parcel.offset,
                    eventID: id, attempt: parcel.attempt),
                idempotencyKey: Lineage.id("call", subscription, source, id))
        }
        let activations =
            calls.count == 1
            ? [await invoker.invoke(function, call: calls[0])] : await invoker.invoke(function, calls: calls)
        var previous: String?
        return parcels.enumerated().map { index, parcel in
            guard index < activations.count else { return SinkAnswer(.retry("the function gave no answer")) }
            let activation = activations[index]
            defer { previous = activation.id }
            guard activation.status.isSuccess else {
                return SinkAnswer(.retry("\(activation.status.rawValue): \(Self.text(activation.result))"))
            }
            // Calls of one batch handler share an activation: what it published belongs to the first of them.
            guard activation.id != previous, !activation.published.isEmpty else { return SinkAnswer(.delivered) }
            return SinkAnswer(
                .delivered,
                replies: Lineage.replies(
                    activation.published, to: parcel.event, by: activation.function, time: activation.end))
        }
    }

    private static func text(_ result: [UInt8]) -> String { String(decoding: result.prefix(500), as: UTF8.self) }
}
