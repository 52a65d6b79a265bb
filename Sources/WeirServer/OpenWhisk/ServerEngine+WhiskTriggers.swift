import Channels
import CloudEvents
import Delivery
import HTTPTypes
import Invocation
import Manifest
import Persistence
import WeirHTTP

/// Triggers are channels, and what OpenWhisk adds to one is kept beside it: a resource that holds only as long as the
/// channel is the same one.
extension ServerEngine {
    /// How long a firing is kept for those who look later, and how small a trigger's files are.
    private static let triggerChannel = ChannelSpec(
        retentionAge: 7 * 86_400_000, segmentBytes: 8 << 20, duplicateWindow: 1_024)

    func whiskTrigger(namespace: String, name: String) async throws(Problem) -> WhiskTrigger? {
        try await reading { () async throws(PersistenceError) in
            guard let channel = try parts.registry.resource(ResourceKey(.channel, namespace, name)) else { return nil }
            return try trigger(channel)
        }
    }

    func whiskTriggers(namespace: String) async throws(Problem) -> [WhiskTrigger] {
        try await reading { () async throws(PersistenceError) in
            var found: [WhiskTrigger] = []
            for channel in parts.registry.all(.channel) where channel.namespace == namespace {
                found.append(try trigger(channel))
            }
            return found.sorted { ($1.updated, $0.name) < ($0.updated, $1.name) }
        }
    }

    private func trigger(_ channel: ResourceDocument) throws(PersistenceError) -> WhiskTrigger {
        let key = ResourceKey(.trigger, channel.namespace, channel.name)
        let kept = try parts.registry.resource(key)
        let own = kept.flatMap { $0.document["uid"]?.string == channel.uid ? $0 : nil }
        let rules = rules(of: channel.name, namespace: channel.namespace)
        return WhiskTrigger(
            namespace: channel.namespace, name: channel.name, version: own?.document["version"]?.string ?? "0.0.1",
            publish: own?.document["publish"]?.bool ?? false,
            parameters: (own?.document["parameters"]?.object ?? [:]).members.map {
                WhiskParameter(key: $0.name, value: $0.value)
            }, annotations: own?.document["annotations"]?.object ?? [:],
            updated: max(own?.updated ?? 0, channel.updated), generation: kept?.generation ?? 0, rules: rules)
    }

    func whiskPut(_ trigger: WhiskTrigger, isNew: Bool) async throws(Problem) -> WhiskTrigger {
        let key = ResourceKey(.channel, trigger.namespace, trigger.name)
        return try await reading { () async throws(PersistenceError) in
            var kept = trigger.generation
            if isNew {
                _ = try await parts.writer.apply(
                    .put(key, document: Self.triggerChannel.document, expectedGeneration: 0))
                await parts.reconciler.reconcile(key)
                // What is left of a channel of the same name counts no more.
                kept = try parts.registry.resource(ResourceKey(.trigger, key.namespace, key.name))?.generation ?? 0
            }
            guard let channel = try parts.registry.resource(key) else {
                throw PersistenceError(.conflict, "there is no \(key)")
            }
            var document: JSONObject = ["uid": .string(channel.uid), "version": .string(trigger.version)]
            if trigger.publish { document["publish"] = true }
            if !trigger.parameters.isEmpty { document["parameters"] = .object(trigger.arguments) }
            if !trigger.annotations.isEmpty { document["annotations"] = .object(trigger.annotations) }
            _ = try await parts.writer.put(
                .trigger, trigger.namespace, trigger.name, .object(document), expectedGeneration: kept)
            return try self.trigger(channel)
        }
    }

    /// Removes a trigger. Rules that name it stay, inactive, as they do upstream.
    func whiskDelete(_ trigger: WhiskTrigger) async throws(Problem) {
        let key = ResourceKey(.channel, trigger.namespace, trigger.name)
        await settle(trigger.rules)
        do {
            for reader in parts.registry.all(.subscription)
            where reader.namespace == key.namespace && reader.document["channel"]?.string == key.name {
                if !reader.isPaused { try await parts.writer.apply(.setPaused(reader.key, true)) }
                // Where it stood means nothing in a channel that will come later.
                try await parts.subscriptions.remove(SubscriptionKey(namespace: reader.namespace, name: reader.name))
            }
            if try parts.registry.resource(ResourceKey(.trigger, key.namespace, key.name)) != nil {
                try await parts.writer.delete(.trigger, key.namespace, key.name)
            }
            try await parts.writer.apply(.delete(key, expectedGeneration: nil))
            await parts.reconciler.reconcile(key)
        } catch let error as PersistenceError {
            throw Problem(error)
        } catch {
            throw .internalError("\(error)")
        }
    }

    /// Lets what was fired reach its functions before the trigger goes, as long as that goes on quickly.
    private func settle(_ rules: [WhiskRule]) async {
        let deadline = ContinuousClock.now + .seconds(2)
        for rule in rules where rule.isActive {
            let key = SubscriptionKey(namespace: rule.namespace, name: rule.name)
            while ContinuousClock.now < deadline, let status = await parts.subscriptions.status(key),
                status.partitions.contains(where: { $0.lag > 0 })
            {
                // A subscription says how far it is when it is asked, and calls nobody.
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    // MARK: Firing

    func whiskFire(
        _ trigger: WhiskTrigger, payload: JSONObject, headers: JSONObject
    ) async throws(Problem) -> String? {
        let readers = parts.registry.all(.subscription).filter {
            $0.namespace == trigger.namespace && $0.document["channel"]?.string == trigger.name && !$0.isAsleep
        }
        guard !readers.isEmpty else { return nil }
        let id = parts.pool.makeID()
        let now = ServerEngine.now
        let arguments = trigger.arguments.overlaid(with: ["__ow_headers": .object(headers)]).overlaid(with: payload)
        var event = CloudEvent(
            id: id, source: "/v1/namespaces/\(trigger.namespace)/channels/\(trigger.name)".percentEncoded,
            type: TriggerEvent.type, time: EventTime(nanoseconds: now * 1_000_000),
            datacontenttype: "application/json", data: .json(JSONValue.object(arguments).encoded()))
        var runs = JSONObject()
        var logs: [String] = []
        for rule in trigger.rules {
            let (line, run) = plan(rule, EventRecord(event))
            logs.append(JSONValue.object(line).text)
            runs[rule.name] = run.map { .string($0) }
        }
        event[TriggerEvent.runs] = .string(JSONValue.object(runs).text)
        let channel = try self.channel(trigger.name, trigger.namespace)
        do throws(ChannelError) {
            _ = try await channel.append([EventRecord(event)])
        } catch {
            throw Problem(error)
        }
        recordFiring(trigger, id: id, payload: payload, logs: logs, now: now)
        return id
    }

    /// What a firing does to a rule: the text for the trigger's record, and the id of the run, if there is to be one.
    private func plan(_ rule: WhiskRule, _ event: EventRecord) -> (line: JSONObject, run: String?) {
        let names: JSONObject = ["rule": .string("\(rule.namespace)/\(rule.name)")]
        func refused(_ text: String) -> (JSONObject, String?) {
            let head: JSONObject = ["statusCode": 1, "success": false]
            return (
                head.overlaid(with: names).overlaid(with: [
                    "error": .string(text), "action": .string(rule.action.description),
                ]), nil
            )
        }
        guard rule.isActive else {
            return refused(
                "Rule '\(rule.namespace)/\(rule.name)' is inactive, action '\(rule.action)' was not activated.")
        }
        guard case .found? = try? parts.directory.resolve(rule.action) else {
            return refused("The requested resource does not exist.")
        }
        let key = ResourceKey(.subscription, rule.namespace, rule.name)
        if let document = try? parts.registry.resource(key)?.document, let spec = try? SubscriptionSpec(document),
            !spec.filters.isEmpty, !event.withView({ CompiledFilter(spec.filters).matches($0) })
        {
            return refused(
                "Rule '\(rule.namespace)/\(rule.name)' has a filter that this does not pass, action '\(rule.action)' "
                    + "was not activated.")
        }
        let id = parts.pool.makeID()
        let head: JSONObject = ["statusCode": 0, "success": true, "activationId": .string(id)]
        return (
            head.overlaid(with: names).overlaid(with: ["action": .string(rule.action.description)]), id
        )
    }

    private func recordFiring(
        _ trigger: WhiskTrigger, id: String, payload: JSONObject, logs: [String], now: Int64
    ) {
        var notes = WhiskNotes()
        notes.entity = .trigger
        notes.path = "\(trigger.namespace)/\(trigger.name)"
        notes.version = trigger.version
        notes.logs = logs
        parts.invoker.record([
            Activation(
                id: id, function: FunctionReference(namespace: trigger.namespace, name: trigger.name),
                cause: .init(notes: JSONValue.object(notes.document).encoded()), status: .success,
                result: JSONValue.object(payload).encoded(), start: now, end: now)
        ])
    }
}

extension ResourceDocument {
    /// Whether a subscription takes nothing now.
    var isAsleep: Bool { isPaused || document["paused"]?.bool ?? false }
}

extension String {
    /// As a URI reference: what is not unreserved or a slash is escaped.
    fileprivate var percentEncoded: String {
        var out: [UInt8] = []
        let hex = Array("0123456789ABCDEF".utf8)
        for byte in utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F, 0x7E: out.append(byte)
            default: out.append(contentsOf: [0x25, hex[Int(byte >> 4)], hex[Int(byte & 15)]])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
