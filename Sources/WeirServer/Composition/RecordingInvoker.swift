import CloudEvents
import Functions
import Invocation
import WeirHTTP

/// Runs functions and keeps the record of every run, whoever asked for it.
///
/// What is no function of its own becomes runs of others here: names that lead through a binding, sequences and
/// compositions. So a subscription, the native API and the OpenWhisk API all run the same things.
final class RecordingInvoker: Invoker {
    let invoker: FunctionInvoker
    let directory: ActionDirectory
    private let store: ActivationStore
    /// A key for runs that ask for one, by namespace.
    private let key: @Sendable (_ namespace: String) -> String

    init(
        _ invoker: FunctionInvoker, store: ActivationStore, directory: ActionDirectory,
        key: @escaping @Sendable (_ namespace: String) -> String
    ) {
        self.invoker = invoker
        self.store = store
        self.directory = directory
        self.key = key
    }

    func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation {
        await invoke(function, calls: [call])[0]
    }

    func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation] {
        guard let entry = entry(of: function), !calls.isEmpty else { return await run(function, calls) }
        if entry.isSequence || entry.isConductor {
            var activations: [Activation] = []
            for call in calls { activations.append(await compose(entry, function, call)) }
            return activations
        }
        return await run(entry, asked: function, calls)
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

    /// Runs a function that is one, where that can begin without waiting; `false`, and nothing has begun, where it cannot.
    func begin(
        _ function: FunctionReference, call: FunctionCall, then: @escaping @Sendable (Activation) -> Void
    ) -> Bool {
        guard let entry = entry(of: function), !entry.isSequence, !entry.isConductor else { return false }
        let path = entry.target.action.path
        let store = store
        return invoker.begin(
            FunctionReference(namespace: path.namespace, name: path.local),
            call: prepared(call, entry, namespace: call.cause.namespace ?? function.namespace)
        ) { activation in
            store.record([activation])
            then(activation)
        }
    }

    func record(_ activations: [Activation]) { store.record(activations) }

    /// What a reference leads to; `nil` when that is nothing, or a version that was named by its digest.
    private func entry(of function: FunctionReference) -> ActionDirectory.Entry? {
        guard function.version == nil, let entry = try? directory.entry(WhiskPath(function)) else { return nil }
        // What another namespace owns runs only as long as its package is public, whoever has bound or named it.
        guard entry.target.action.path.namespace == function.namespace || entry.target.isPublic else { return nil }
        return entry
    }

    /// Whether a reference leads to something that can be run.
    func canRun(_ function: FunctionReference) -> Bool { entry(of: function) != nil }

    private func run(_ function: FunctionReference, _ calls: [FunctionCall]) async -> [Activation] {
        let activations = await invoker.invoke(function, calls: calls)
        store.record(activations)
        return activations
    }

    /// Runs the function that an action is.
    func run(
        _ entry: ActionDirectory.Entry, asked: FunctionReference, _ calls: [FunctionCall]
    ) async -> [Activation] {
        let path = entry.target.action.path
        return await run(
            FunctionReference(namespace: path.namespace, name: path.local),
            calls.map { prepared($0, entry, namespace: $0.cause.namespace ?? asked.namespace) })
    }

    /// A call with what it inherits, and with what its record and its environment are to hold.
    private func prepared(_ call: FunctionCall, _ entry: ActionDirectory.Entry, namespace: String) -> FunctionCall {
        var call = call
        switch call.input {
        case .event: return call
        case .arguments(let arguments):
            if !entry.target.inherited.isEmpty {
                // The function's own parameters are laid over these, and the call's over those.
                call.input = .arguments(entry.target.arguments.overlaid(with: arguments))
            }
        case .list: break
        }
        call.cause.namespace = namespace
        if call.cause.notes == nil { call.cause.notes = entry.notes }
        if call.environment == nil, !entry.target.action.isNative {
            call.environment = environment(entry, namespace: namespace, transaction: call.cause.eventID ?? "")
        }
        return call
    }

    /// The variables of a run.
    func environment(
        _ entry: ActionDirectory.Entry, namespace: String, transaction: String
    ) -> [UInt8] {
        var out = entry.environment
        func add(_ name: StaticString, _ value: String) {
            out.append(contentsOf: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
            JSONWriter.string(value, into: &out)
        }
        add(",\"__OW_NAMESPACE\":", namespace)
        add(",\"__OW_TRANSACTION_ID\":", transaction)
        // Where the annotation is missing upstream hands the key out; this API sets it when an action is made.
        if entry.target.action.annotations["provide-api-key"].map({ $0 == .bool(true) }) ?? true {
            add(",\"__OW_API_KEY\":", key(namespace))
        }
        out.append(0x7D)
        return out
    }
}
