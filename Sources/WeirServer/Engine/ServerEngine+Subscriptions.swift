import Channels
import CloudEvents
import Delivery
import Persistence
import WeirHTTP

extension ServerEngine {
    func setPaused(
        _ paused: Bool, subscription: String, namespace: String, caller: Caller
    ) async throws(Problem) -> Resource? {
        guard try stored(.subscriptions, namespace, subscription) != nil else { return nil }
        do {
            try await parts.writer.setPaused(.subscription, namespace, subscription, paused)
        } catch {
            throw Problem(error)
        }
        let key = SubscriptionKey(namespace: namespace, name: subscription)
        if paused { await parts.subscriptions.pause(key) } else { await parts.subscriptions.resume(key) }
        return try await resource(.subscriptions, namespace: namespace, name: subscription)
    }
}

extension ServerEngine {
    func deadLetters(
        subscription: String, namespace: String, page: PageRequest, scope: ReadScope
    ) async throws(Problem) -> Page<JSONValue>? { nil }
    func replay(_ request: ReplayRequest) async throws(Problem) -> JSONObject? { nil }
    func replays(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue> { Page(items: []) }
    func replay(id: String, namespace: String) async throws(Problem) -> JSONObject? { nil }
    func cancelReplay(id: String, namespace: String) async throws(Problem) -> Bool { false }
}
