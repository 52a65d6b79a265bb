internal import Synchronization

/// What a trial container told.
final class TrialWitness: ContainerHandler {
    private let state = Mutex((text: "", end: WorkerEnd?.none))

    var end: WorkerEnd? { state.withLock { $0.end } }

    func containerStarted(_ container: any RunningContainer) {}

    func container(_ container: any RunningContainer, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        let text = String(decoding: bytes.prefix(2_000), as: UTF8.self)
        state.withLock { if $0.text.utf8.count < 2_000 { $0.text += text } }
    }

    func container(_ container: any RunningContainer, ended end: WorkerEnd) { state.withLock { $0.end = end } }

    /// Waits until the container can be reached, kills it and waits for its end.
    func judge(
        _ container: any RunningContainer, isReached: @Sendable () -> Bool
    ) async throws(ContainerError) {
        // Nothing tells when a container of a runtime stands; ten seconds are far beyond what any takes.
        for _ in 0..<1_000 {
            if end != nil { break }
            if isReached() {
                container.kill()
                await waitForEnd()
                return
            }
            // A container that cannot be reached says why.
            _ = try container.connect()
            try? await Task.sleep(for: .milliseconds(10))
        }
        container.kill()
        await waitForEnd()
        throw ContainerError(.unavailable, reason)
    }

    private func waitForEnd() async {
        for _ in 0..<1_000 where end == nil { try? await Task.sleep(for: .milliseconds(5)) }
    }

    private var reason: String {
        let (text, end) = state.withLock { ($0.text.split(separator: "\n").last.map(String.init), $0.end) }
        if case .notStarted(let error)? = end { return error.message }
        return "a trial container did not come to stand" + (text.map { ": \($0)" } ?? "")
    }
}
