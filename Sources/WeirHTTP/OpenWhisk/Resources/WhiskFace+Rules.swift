import CloudEvents
import HTTPTypes
import Hummingbird

/// Rules: what a trigger does.
extension WhiskFace {
    func listRules(_ request: WhiskRequest) async throws(WhiskError) -> Response {
        let page = try request.query.page("rules")
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskRules(namespace: request.namespace)
        }
        if try request.query.flag("count") {
            return WhiskAnswer.json(["rules": .integer(Int64(max(0, found.count - page.skip)))])
        }
        return WhiskAnswer.json(
            .array(found.dropFirst(page.skip).prefix(page.limit).map { .object($0.document) }))
    }

    func getRule(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        WhiskAnswer.json(try await rule(name, request).shown(isActive: nil))
    }

    func putRule(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let overwrite = try request.query.flag("overwrite")
        let body = try WhiskBody(try await request.object(limit: limits.document * 4))
        let trigger = try Self.reference(body["trigger"], "trigger", request)
        let action = try Self.reference(body["action"], "action", request)
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskRule(namespace: request.namespace, name: name)
        }
        var rule: WhiskRule
        if let found {
            guard overwrite else { throw .exists }
            rule = found
            rule.version = WhiskVersion.after(found.version, asked: body.version)
            rule.publish = body.publish ?? found.publish
            rule.annotations = body.annotations ?? found.annotations
            rule.trigger = trigger ?? found.trigger
            rule.action = action ?? found.action
        } else {
            let path = WhiskPath(namespace: request.namespace, name: name)
            if case .wrongCollection = try await absent(path, .rules) { throw .wrongCollection }
            guard let trigger, let action else {
                throw WhiskError(.badRequest, "rule requires a valid trigger and a valid action")
            }
            rule = WhiskRule(
                namespace: request.namespace, name: name, version: body.version ?? "0.0.1",
                publish: body.publish ?? false, annotations: body.annotations ?? [:], trigger: trigger, action: action)
        }
        try await check(rule, request)
        let made = rule
        let stored = try await asking { () async throws(Problem) in
            try await engine.whiskPut(made, isNew: found == nil)
        }
        return WhiskAnswer.json(stored.shown(isActive: nil))
    }

    func switchRule(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let body = try await request.object(limit: limits.document)
        let isActive: Bool
        switch body["status"]?.string {
        case "active": isActive = true
        case "inactive": isActive = false
        default: throw .malformed("status must be active or inactive")
        }
        let rule = try await self.rule(name, request)
        if isActive {
            let trigger = try await asking { () async throws(Problem) in
                try await engine.whiskTrigger(namespace: rule.trigger.namespace, name: rule.trigger.name)
            }
            guard trigger != nil else {
                throw WhiskError(.notFound, "Only rules with existing triggers can be activated")
            }
        }
        try await asking { () async throws(Problem) in try await engine.whiskSwitch(rule, isActive: isActive) }
        return WhiskAnswer.empty(.ok)
    }

    func deleteRule(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let rule = try await self.rule(name, request)
        try await asking { () async throws(Problem) in try await engine.whiskDelete(rule) }
        return WhiskAnswer.json(rule.shown(isActive: false))
    }

    private func rule(_ name: String, _ request: WhiskRequest) async throws(WhiskError) -> WhiskRule {
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskRule(namespace: request.namespace, name: name)
        }
        guard let found else {
            throw try await absent(WhiskPath(namespace: request.namespace, name: name), .rules)
        }
        return found
    }

    /// A full name, as text or in the form in which answers have it.
    private static func reference(
        _ value: JSONValue?, _ what: String, _ request: WhiskRequest
    ) throws(WhiskError) -> WhiskPath? {
        guard let value else { return nil }
        let own = request.caller.namespace
        if let text = value.string {
            // The Go client leaves out nothing, but sends "" for what it does not change.
            return text.isEmpty ? nil : try WhiskPath(reference: text, own: own)
        }
        if let path = value["path"]?.string, let name = value["name"]?.string {
            return try WhiskPath(reference: "\(path)/\(name)", own: own)
        }
        throw .malformed("\(what) must be the full name of a \(what): /namespace/name")
    }

    /// What a rule names must be there, and for the caller to use.
    private func check(_ rule: WhiskRule, _ request: WhiskRequest) async throws(WhiskError) {
        let ask = AccessRequest(
            action: .publish, target: .channel, namespace: rule.trigger.namespace, name: rule.trigger.name)
        guard case .allowed = await access.authorize(request.caller, ask) else {
            throw .forbidden([rule.trigger.description])
        }
        // The events of a trigger stay in its namespace, and so do those who take them.
        guard rule.trigger.namespace == rule.namespace else { throw .forbidden([rule.trigger.description]) }
        let trigger = try await asking { () async throws(Problem) in
            try await engine.whiskTrigger(namespace: rule.trigger.namespace, name: rule.trigger.name)
        }
        guard trigger != nil else {
            throw WhiskError(.badRequest, "trigger /\(rule.trigger) does not exist")
        }
        let resolution = try await asking { () async throws(Problem) in try engine.whiskResolve(rule.action) }
        guard case .found(let target) = resolution else {
            guard rule.action.namespace == rule.namespace else { throw .forbidden([rule.action.description]) }
            throw WhiskError(.badRequest, "action /\(rule.action) does not exist")
        }
        let owner = target.action.path.namespace
        guard owner != rule.namespace, !target.isPublic else { return }
        let question = AccessRequest(
            action: .invoke, target: .function, namespace: owner, name: target.action.path.local)
        if case .allowed = await access.authorize(request.caller, question) { return }
        throw .forbidden([rule.action.description])
    }
}

extension WhiskRule {
    fileprivate var document: JSONObject {
        [
            "namespace": .string(namespace), "name": .string(name), "version": .string(version),
            "publish": .bool(publish), "annotations": annotations.whiskList, "trigger": trigger.reference,
            "action": action.reference, "updated": .integer(updated),
        ]
    }

    fileprivate func shown(isActive: Bool?) -> JSONValue {
        var members = document
        members["status"] = (isActive ?? self.isActive) ? "active" : "inactive"
        return .object(members)
    }
}
