import HTTPTypes
import Synchronization

/// What a namespace may ask for: calls and firings a calendar minute, and calls at once.
package struct WhiskRates: Sendable, Hashable {
    package var invocationsPerMinute = 1_000_000
    package var firesPerMinute = 1_000_000
    package var concurrentInvocations = 1_000

    package init() {}
}

/// Counts what namespaces ask for. Refused requests count as well, and a minute begins with the clock's.
final class WhiskThrottle: Sendable {
    enum Kind: Hashable { case invocation, fire }

    private struct Key: Hashable {
        var namespace: String
        var kind: Kind
    }

    private struct State {
        var minute: Int64 = 0
        var counts: [Key: Int] = [:]
        var running: [String: Int] = [:]
    }

    let rates: WhiskRates
    private let state = Mutex(State())

    init(_ rates: WhiskRates) {
        self.rates = rates
    }

    /// Counts one; refuses it beyond the rate.
    ///
    /// - Parameter now: milliseconds since 1970.
    func count(_ kind: Kind, of namespace: String, now: Int64) throws(WhiskError) {
        let allowed = kind == .invocation ? rates.invocationsPerMinute : rates.firesPerMinute
        let count = state.withLock { state in
            if state.minute != now / 60_000 {
                state.minute = now / 60_000
                state.counts.removeAll(keepingCapacity: true)
            }
            state.counts[Key(namespace: namespace, kind: kind), default: 0] += 1
            return state.counts[Key(namespace: namespace, kind: kind), default: 0]
        }
        guard count > allowed else { return }
        throw WhiskError(
            .tooManyRequests, "Too many requests in the last minute (count: \(count), allowed: \(allowed)).",
            headers: [.retryAfter: "\(60 - now / 1_000 % 60)"])
    }

    /// Whether a call would be let in now. Nothing is counted.
    func admits(_ namespace: String, now: Int64) -> Bool {
        state.withLock { state in
            let count = state.minute == now / 60_000 ? state.counts[Key(namespace: namespace, kind: .invocation)] : 0
            return count ?? 0 < rates.invocationsPerMinute
                && state.running[namespace] ?? 0 < rates.concurrentInvocations
        }
    }

    /// Takes a place among the running ones; give it back with ``leave(_:)``.
    func enter(_ namespace: String) throws(WhiskError) {
        let allowed = rates.concurrentInvocations
        let running = state.withLock { state in
            let running = state.running[namespace, default: 0]
            if running < allowed { state.running[namespace] = running + 1 }
            return running
        }
        guard running >= allowed else { return }
        throw WhiskError(
            .tooManyRequests, "Too many concurrent requests in flight (count: \(running), allowed: \(allowed)).",
            headers: [.retryAfter: "1"])
    }

    func leave(_ namespace: String) {
        state.withLock { state in
            let running = (state.running[namespace] ?? 1) - 1
            state.running[namespace] = running > 0 ? running : nil
        }
    }
}
