import CloudEvents
import Delivery
import HTTPTypes
import Invocation
import Manifest
import Persistence
import WeirHTTP

/// Rules are subscriptions whose sink is a function; what OpenWhisk adds to one is kept beside it.
extension ServerEngine {
    func whiskRule(namespace: String, name: String) async throws(Problem) -> WhiskRule? {
        try await reading { () async throws(PersistenceError) in
            try parts.registry.resource(ResourceKey(.subscription, namespace, name)).flatMap { rule($0) }
        }
    }

    func whiskRules(namespace: String) async throws(Problem) -> [WhiskRule] {
        parts.registry.all(.subscription).filter { $0.namespace == namespace }.compactMap { rule($0) }
            .sorted { ($1.updated, $0.name) < ($0.updated, $1.name) }
    }

    /// The rules of a channel, by name.
    func rules(of channel: String, namespace: String) -> [WhiskRule] {
        parts.registry.all(.subscription)
            .filter { $0.namespace == namespace && $0.document["channel"]?.string == channel }
            .compactMap { rule($0) }.sorted { $0.name < $1.name }
    }

    /// A subscription as a rule; `nil` when it is none.
    private func rule(_ subscription: ResourceDocument) -> WhiskRule? {
        guard let sink = subscription.document["sink"]?.string, sink.hasPrefix("function:"),
            let channel = subscription.document["channel"]?.string
        else { return nil }
        let (namespace, name) = (subscription.namespace, subscription.name)
        let kept = try? parts.registry.resource(ResourceKey(.rule, namespace, name))
        let own = kept.flatMap { $0.document["uid"]?.string == subscription.uid ? $0 : nil }
        let hasTrigger = (try? parts.registry.resource(ResourceKey(.channel, namespace, channel))) != nil
        return WhiskRule(
            namespace: namespace, name: name, version: own?.document["version"]?.string ?? "0.0.1",
            publish: own?.document["publish"]?.bool ?? false, annotations: own?.document["annotations"]?.object ?? [:],
            trigger: WhiskPath(namespace: namespace, name: channel),
            action: WhiskPath(.init(namespace: namespace, name: String(sink.dropFirst("function:".count)))),
            isActive: !subscription.isAsleep && hasTrigger, updated: max(own?.updated ?? 0, subscription.updated),
            generation: kept?.generation ?? 0)
    }

    func whiskPut(_ rule: WhiskRule, isNew: Bool) async throws(Problem) -> WhiskRule {
        let key = ResourceKey(.subscription, rule.namespace, rule.name)
        let sink =
            rule.action.namespace == rule.namespace
            ? "function:\(rule.action.local)" : "function:/\(rule.action)"
        do {
            let current = try parts.registry.resource(key)
            // Filter, retry, dead letters, order: whatever the native API has set stays.
            var document = current?.document.object ?? ["delivery": ["retry": Self.retry]]
            let moves = document["channel"]?.string.map { $0 != rule.trigger.name } ?? false
            document["channel"] = .string(rule.trigger.name)
            document["sink"] = .string(sink)
            let normal = try SubscriptionSpec(.object(document)).document
            if moves {
                // Where it stood in the other channel means nothing in this one.
                try await parts.subscriptions.remove(SubscriptionKey(namespace: rule.namespace, name: rule.name))
            }
            let change = try await parts.writer.apply(
                .put(key, document: normal, expectedGeneration: isNew ? 0 : current?.generation ?? 0))
            if case .unchanged = change {} else { await parts.reconciler.reconcile(key) }
            var kept: JSONObject = ["uid": .string(change.resource.uid), "version": .string(rule.version)]
            if rule.publish { kept["publish"] = true }
            if !rule.annotations.isEmpty { kept["annotations"] = .object(rule.annotations) }
            let old = try parts.registry.resource(ResourceKey(.rule, rule.namespace, rule.name))
            try await parts.writer.put(
                .rule, rule.namespace, rule.name, .object(kept), expectedGeneration: old?.generation ?? 0)
            guard let stored = self.rule(change.resource) else { throw Problem.internalError("no rule was made") }
            return stored
        } catch let error as PersistenceError {
            throw Problem(error)
        } catch let error as DocumentError {
            throw Problem(error)
        } catch let problem as Problem {
            throw problem
        } catch {
            throw .internalError("\(error)")
        }
    }

    /// What a function makes of an event is its own affair, as upstream; what the platform cannot do is done later.
    private static let retry: JSONValue = ["attempts": 100, "maxBackoff": "1m", "failures": false]

    func whiskSwitch(_ rule: WhiskRule, isActive: Bool) async throws(Problem) {
        let key = ResourceKey(.subscription, rule.namespace, rule.name)
        do {
            guard let current = try parts.registry.resource(key) else { throw Problem.notFound("rule", rule.name) }
            if isActive, current.document["paused"]?.bool == true, var document = current.document.object {
                document["paused"] = nil
                try await parts.writer.apply(
                    .put(key, document: .object(document), expectedGeneration: current.generation))
            }
            if current.isPaused != !isActive { try await parts.writer.apply(.setPaused(key, !isActive)) }
            let id = SubscriptionKey(namespace: rule.namespace, name: rule.name)
            if await parts.subscriptions.status(id) == nil {
                await parts.reconciler.reconcile(key)
            } else if isActive {
                await parts.subscriptions.resume(id)
            } else {
                await parts.subscriptions.pause(id)
            }
        } catch let error as PersistenceError {
            throw Problem(error)
        } catch let problem as Problem {
            throw problem
        } catch {
            throw .internalError("\(error)")
        }
    }

    func whiskDelete(_ rule: WhiskRule) async throws(Problem) {
        let key = ResourceKey(.subscription, rule.namespace, rule.name)
        try await reading { () async throws(PersistenceError) in
            if try parts.registry.resource(ResourceKey(.rule, rule.namespace, rule.name)) != nil {
                try await parts.writer.delete(.rule, rule.namespace, rule.name)
            }
            try await parts.writer.apply(.delete(key, expectedGeneration: nil))
        }
        await parts.reconciler.reconcile(key)
    }
}
