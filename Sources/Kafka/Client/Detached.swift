import CLinux
import Glibc

/// Threads for calls that block: the cooperative pool has as many threads as cores, so nothing that waits runs there.
enum Detached {
    /// Runs `body` on a new thread; whether there is one.
    static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        final class Start: Sendable {
            let name: String
            let body: @Sendable () -> Void
            init(_ name: String, _ body: @escaping @Sendable () -> Void) {
                self.name = name
                self.body = body
            }
        }
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        let argument = Unmanaged.passRetained(Start(name, body))
        let outcome = pthread_create(
            &thread, &attributes,
            { pointer in
                guard let pointer else { return nil }
                let start = Unmanaged<Start>.fromOpaque(pointer).takeRetainedValue()
                weir_name_thread(start.name)
                start.body()
                return nil
            }, argument.toOpaque())
        if outcome != 0 { argument.release() }
        return outcome == 0
    }
}

/// Runs a call that blocks on a thread of its own (some 20 µs to make).
func onThread<Success: Sendable>(
    _ name: String, _ body: @escaping @Sendable () -> Result<Success, KafkaError>
) async -> Result<Success, KafkaError> {
    await withCheckedContinuation { continuation in
        let started = Detached.start(name: name) { continuation.resume(returning: body()) }
        if !started { continuation.resume(returning: .failure(KafkaError(.fatal, "no thread can be started"))) }
    }
}
