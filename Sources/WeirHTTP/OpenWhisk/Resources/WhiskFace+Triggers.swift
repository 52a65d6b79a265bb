import CloudEvents
import HTTPTypes
import Hummingbird

/// Triggers: made, shown, fired.
extension WhiskFace {
    func listTriggers(_ request: WhiskRequest) async throws(WhiskError) -> Response {
        let page = try request.query.page("triggers")
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskTriggers(namespace: request.namespace)
        }
        if try request.query.flag("count") {
            return WhiskAnswer.json(["triggers": .integer(Int64(max(0, found.count - page.skip)))])
        }
        return WhiskAnswer.json(
            .array(
                found.dropFirst(page.skip).prefix(page.limit).map { trigger in
                    var document = trigger.head
                    document["updated"] = .integer(trigger.updated)
                    return .object(document)
                }))
    }

    func getTrigger(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        WhiskAnswer.json(try await trigger(name, request).document)
    }

    func putTrigger(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let overwrite = try request.query.flag("overwrite")
        let body = try WhiskBody(try await request.object(limit: limits.document * 4))
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskTrigger(namespace: request.namespace, name: name)
        }
        var trigger: WhiskTrigger
        if let found {
            guard overwrite else { throw .exists }
            trigger = found
            trigger.version = WhiskVersion.after(found.version, asked: body.version)
            trigger.publish = body.publish ?? found.publish
            trigger.parameters = body.parameters ?? found.parameters
            trigger.annotations = body.annotations ?? found.annotations
        } else {
            if case .wrongCollection = try await absent(
                WhiskPath(namespace: request.namespace, name: name), .triggers)
            {
                throw .wrongCollection
            }
            trigger = WhiskTrigger(
                namespace: request.namespace, name: name, version: body.version ?? "0.0.1",
                publish: body.publish ?? false, parameters: body.parameters ?? [],
                annotations: body.annotations ?? [:])
            if let feed = trigger.annotations["feed"] { try Self.check(feed: feed) }
        }
        let made = trigger
        let stored = try await asking { () async throws(Problem) in
            try await engine.whiskPut(made, isNew: found == nil)
        }
        return WhiskAnswer.json(stored.document)
    }

    func deleteTrigger(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let trigger = try await self.trigger(name, request)
        try await asking { () async throws(Problem) in try await engine.whiskDelete(trigger) }
        return WhiskAnswer.json(trigger.document)
    }

    /// 202 when the firing is on disk; 204 when no rule is active, and nothing is kept.
    func fireTrigger(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        try throttle.count(.fire, of: request.caller.namespace, now: now())
        let payload = try await request.payload(limit: WhiskBounds.payload)
        let trigger = try await self.trigger(name, request)
        let headers = request.actionHeaders()
        let id = try await asking { () async throws(Problem) in
            try await engine.whiskFire(trigger, payload: payload, headers: headers)
        }
        guard let id else { return WhiskAnswer.empty(.noContent) }
        return WhiskAnswer.json(["activationId": .string(id)], status: .accepted, headers: [.whiskActivation: id])
    }

    private func trigger(_ name: String, _ request: WhiskRequest) async throws(WhiskError) -> WhiskTrigger {
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskTrigger(namespace: request.namespace, name: name)
        }
        guard let found else {
            throw try await absent(WhiskPath(namespace: request.namespace, name: name), .triggers)
        }
        return found
    }

    /// The annotation names the action that serves the feed; only its form is looked at.
    private static func check(feed: JSONValue) throws(WhiskError) {
        guard let text = feed.string else { throw WhiskError(.badRequest, "Feed name is not valid") }
        var parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.first?.isEmpty ?? false { parts.removeFirst() }
        guard (1...3).contains(parts.count), parts.allSatisfy({ WhiskName.isName($0) }) else {
            throw WhiskError(.badRequest, "Feed name is not valid")
        }
    }
}

extension WhiskTrigger {
    fileprivate var head: JSONObject {
        [
            "namespace": .string(namespace), "name": .string(name), "version": .string(version),
            "publish": .bool(publish), "annotations": annotations.whiskList,
        ]
    }

    fileprivate var document: JSONValue {
        var members = head
        members["parameters"] = .array(parameters.map(\.document))
        members["limits"] = [:]
        members["updated"] = .integer(updated)
        if !rules.isEmpty {
            members["rules"] = .object(
                JSONObject(
                    members: rules.map { rule in
                        .init(
                            name: "\(rule.namespace)/\(rule.name)",
                            value: [
                                "action": rule.action.reference,
                                "status": .string(rule.isActive ? "active" : "inactive"),
                            ])
                    }))
        }
        return .object(members)
    }
}

extension WhiskPath {
    /// As it stands in answers.
    var reference: JSONValue { ["path": .string(holder), "name": .string(name)] }
}
