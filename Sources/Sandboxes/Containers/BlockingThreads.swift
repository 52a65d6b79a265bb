internal import Dispatch

/// Threads for work that blocks (files, child programs), so that no task's thread is held.
struct BlockingThreads: Sendable {
    private let queue: DispatchQueue

    init(_ label: String) {
        queue = DispatchQueue(label: "dev.weir.\(label)", attributes: .concurrent)
    }

    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ContainerError) -> Value
    ) async throws(ContainerError) -> Value {
        let outcome: Result<Value, ContainerError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(ContainerError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }
}
