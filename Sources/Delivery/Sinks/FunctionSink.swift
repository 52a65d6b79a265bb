import CloudEvents
package import Invocation

/// Delivers to a function: a batch goes to one worker in one frame.
package struct FunctionSink: Sink {
    private let invoker: any Invoker
    private let function: FunctionReference
    private let subscription: String
    private let channel: String
    private let name: Substring
    private let policy: DeliveryPolicy

    /// - Parameter subscription: `namespace/name`.
    package init(
        invoker: any Invoker, function: FunctionReference, subscription: String, channel: String,
        policy: DeliveryPolicy = DeliveryPolicy()
    ) {
        self.invoker = invoker
        self.function = function
        self.subscription = subscription
        self.channel = channel
        self.policy = policy
        name = subscription.drop { $0 != "/" }.dropFirst()
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var answers = [SinkAnswer?](repeating: nil, count: parcels.count)
        var indices: [Int] = []
        var calls: [FunctionCall] = []
        for (index, parcel) in parcels.enumerated() {
            if let call = call(parcel) {
                indices.append(index)
                calls.append(call)
            } else {
                answers[index] = SinkAnswer(.delivered)
            }
        }
        guard !calls.isEmpty else { return answers.compactMap { $0 } }
        for (index, answer) in zip(indices, await run(calls, indices.map { parcels[$0] })) { answers[index] = answer }
        return answers.map { $0 ?? SinkAnswer(.retry("the function gave no answer")) }
    }

    /// The call that a parcel is; `nil` when it is a firing that does not concern this subscription.
    private func call(_ parcel: Parcel) -> FunctionCall? {
        let (source, id, errand) = parcel.event.withView { view in
            (view.string("source") ?? "", view.string("id") ?? "", TriggerEvent.errand(view, subscription: name))
        }
        var call = FunctionCall(
            input: .event(parcel.event),
            cause: .init(
                subscription: subscription, channel: channel, partition: parcel.partition, offset: parcel.offset,
                eventID: id, attempt: parcel.attempt),
            idempotencyKey: Lineage.id("call", subscription, source, id))
        switch errand {
        case .event: break
        case .none: return nil
        case .call(let arguments, let activationID):
            call.input = .arguments(arguments)
            if parcel.attempt == 1 { call.activationID = activationID }
        }
        return call
    }

    private func run(_ calls: [FunctionCall], _ parcels: [Parcel]) async -> [SinkAnswer] {
        let activations =
            calls.count == 1
            ? [await invoker.invoke(function, call: calls[0])] : await invoker.invoke(function, calls: calls)
        var previous: String?
        return parcels.enumerated().map { index, parcel in
            guard index < activations.count else { return SinkAnswer(.retry("the function gave no answer")) }
            let activation = activations[index]
            defer { previous = activation.id }
            guard activation.status.isSuccess else { return failure(activation) }
            // Calls of one batch handler share an activation: what it published belongs to the first of them.
            guard activation.id != previous, !activation.published.isEmpty else { return SinkAnswer(.delivered) }
            return SinkAnswer(
                .delivered,
                replies: Lineage.replies(
                    activation.published, to: parcel.event, by: activation.function, time: activation.end))
        }
    }

    private func failure(_ activation: Activation) -> SinkAnswer {
        let text = "\(activation.status.rawValue): \(Self.text(activation.result))"
        guard !policy.retriesFailures, activation.status != .internalError else { return SinkAnswer(.retry(text)) }
        // The function had its say; a dead letter tells of it where somebody asked for one.
        return policy.deadLetter == nil ? SinkAnswer(.delivered) : SinkAnswer(.rejected(text))
    }

    private static func text(_ result: [UInt8]) -> String { String(decoding: result.prefix(500), as: UTF8.self) }
}
