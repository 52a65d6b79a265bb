import Channels
import CloudEvents
import EventSources
import WeirHTTP

extension ServerEngine {
    func take(_ hook: HookRequest) async throws(Problem) -> JSONObject {
        let id = SourceID(namespace: hook.namespace, name: hook.source)
        do {
            guard let (spec, output) = try await parts.sources.webhook(id) else {
                throw WebhookError(.refused, "nothing is taken here without its secret")
            }
            let outcome = try await parts.webhooks.take(
                WebhookRequest(headers: hook.headers, token: hook.token, body: hook.body), id, spec, output)
            return ["events": .integer(Int64(outcome.events)), "unreadable": .integer(Int64(outcome.unreadable))]
        } catch let error as WebhookError {
            switch error.code {
            // Who does not know the secret is not told whether there is such a source.
            case .refused: throw .unauthenticated("nothing is taken here without its secret")
            case .unavailable: throw .unavailable(error.message)
            }
        } catch let error as ChannelError {
            throw Problem(error)
        } catch {
            throw .unavailable("the source \"\(hook.source)\" cannot take it now: \(error)")
        }
    }
}
