internal import Synchronization

/// Lets many who want the same thing at the same time wait for one attempt at it.
final class Flights<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let running = Mutex<[Key: Task<Result<Value, ContainerError>, Never>]>([:])

    /// The attempt goes on when who began it no longer waits: others may.
    func run(
        _ key: Key, _ body: @escaping @Sendable () async throws(ContainerError) -> Value
    ) async throws(ContainerError) -> Value {
        let task = running.withLock { running in
            if let task = running[key] { return task }
            let task = Task<Result<Value, ContainerError>, Never> { [self] in
                defer { self.running.withLock { $0[key] = nil } }
                do throws(ContainerError) {
                    return .success(try await body())
                } catch {
                    return .failure(error)
                }
            }
            running[key] = task
            return task
        }
        return try await task.value.get()
    }
}
