import CKafka
import Synchronization

/// One call of ``KafkaProducer``: its records' outcomes as the delivery reports bring them.
///
/// librdkafka hands each record's ticket back with its report. The tickets of a call are one block of memory, and the
/// call is retained once while reports are due.
final class SendCall: Sendable {
    struct Ticket {
        let call: Unmanaged<SendCall>
        let index: Int
    }

    private struct State {
        var outcomes: [Result<KafkaPlace, KafkaError>?]
        var due: Int
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>
    // Written in `init`, read by librdkafka's caller only; freed with the call.
    private nonisolated(unsafe) let tickets: UnsafeMutablePointer<Ticket>
    private let count: Int

    init(count: Int) {
        self.count = count
        // One more is due while the records are being handed over, so that the call cannot end before.
        state = Mutex(State(outcomes: Array(repeating: nil, count: count), due: count + 1))
        tickets = .allocate(capacity: max(1, count))
        let own = Unmanaged.passRetained(self)
        for index in 0..<count { (tickets + index).initialize(to: Ticket(call: own, index: index)) }
    }

    deinit { tickets.deallocate() }

    func opaque(_ index: Int) -> UnsafeMutableRawPointer { UnsafeMutableRawPointer(tickets + index) }

    static func ticket(_ opaque: UnsafeMutableRawPointer) -> Ticket {
        opaque.assumingMemoryBound(to: Ticket.self).pointee
    }

    /// Notes what became of a record.
    func end(_ index: Int, _ outcome: Result<KafkaPlace, KafkaError>) { settle { $0.outcomes[index] = outcome } }

    /// All records have been handed over.
    func handedOver() { settle { _ in } }

    private func settle(_ change: (inout State) -> Void) {
        let (isLast, continuation) = state.withLock { state in
            change(&state)
            state.due -= 1
            guard state.due == 0 else { return (false, CheckedContinuation<Void, Never>?.none) }
            defer { state.continuation = nil }
            return (true, state.continuation)
        }
        continuation?.resume()
        if isLast { Unmanaged.passUnretained(self).release() }
    }

    /// Returns when every record has its outcome.
    func outcomes() async -> [Result<KafkaPlace, KafkaError>] {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.due > 0 { state.continuation = continuation }
                return state.due == 0
            }
            if isDone { continuation.resume() }
        }
        return state.withLock { $0.outcomes }.map { $0 ?? .failure(KafkaError(.other, "no outcome")) }
    }
}
