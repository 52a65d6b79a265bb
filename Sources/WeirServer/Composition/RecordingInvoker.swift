import Invocation

/// Runs functions and keeps the record of every run, whoever asked for it.
final class RecordingInvoker: Invoker {
    private let invoker: FunctionInvoker
    private let store: ActivationStore

    init(_ invoker: FunctionInvoker, store: ActivationStore) {
        self.invoker = invoker
        self.store = store
    }

    func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation {
        let activation = await invoker.invoke(function, call: call)
        store.record([activation])
        return activation
    }

    func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation] {
        let activations = await invoker.invoke(function, calls: calls)
        store.record(activations)
        return activations
    }

    /// Runs a function without waiting; the activation can be looked for by the id that is returned.
    func start(_ function: FunctionReference, call: FunctionCall) -> String {
        var call = call
        let id = invoker.makeID()
        call.activationID = id
        let named = call
        // The run outlives the request that asked for it; the invoker fails it when the server stops.
        Task { _ = await self.invoke(function, call: named) }
        return id
    }
}
