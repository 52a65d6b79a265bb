import CloudEvents
import Invocation
import Synchronization

/// Runs a closure in place of functions and remembers what it was called with.
final class FakeInvoker: Invoker {
    typealias Handler = @Sendable (FunctionReference, FunctionCall) async -> (Activation.Status, [Activation.Published])

    private let state = Mutex<[FunctionCall.Cause]>([])
    private let number = Mutex(0)
    private let handler: Handler

    init(_ handler: @escaping Handler) { self.handler = handler }

    var causes: [FunctionCall.Cause] { state.withLock { $0 } }

    func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation {
        let (status, published) = await handler(function, call)
        state.withLock { $0.append(call.cause) }
        let id = number.withLock { number in
            number += 1
            return number
        }
        return Activation(
            id: String(id), function: function, cause: call.cause, status: status, result: Array("{}".utf8),
            published: published, start: 0, end: 0)
    }

    func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation] {
        var activations: [Activation] = []
        for call in calls { activations.append(await invoke(function, call: call)) }
        return activations
    }
}
