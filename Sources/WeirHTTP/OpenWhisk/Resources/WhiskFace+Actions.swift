import CloudEvents
import Functions
import HTTPTypes
import Hummingbird

/// Actions: list, get, delete. How one is made stands in the file beside this.
extension WhiskFace {
    func listActions(_ request: WhiskRequest, package name: String?) async throws(WhiskError) -> Response {
        let page = try request.query.page("actions")
        var (namespace, package) = (request.namespace, name)
        if let name {
            // Through a binding the provider's actions are seen.
            let found = try await self.package(name, request)
            if let binding = found.binding {
                _ = try await provider(of: found, binding, request)
                (namespace, package) = (binding.namespace, binding.name)
            }
        }
        if try request.query.flag("count") {
            let count = try await asking { () async throws(Problem) in
                try await engine.whiskActionCount(namespace: namespace, package: package)
            }
            return WhiskAnswer.json(["actions": .integer(Int64(max(0, count - page.skip)))])
        }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskActions(
                namespace: namespace, package: package, limit: page.limit, skip: page.skip)
        }
        return WhiskAnswer.json(.array(found.map { .object($0.summary) }))
    }

    func getAction(_ request: WhiskRequest, _ path: WhiskPath) async throws(WhiskError) -> Response {
        let target = try await self.target(path, request)
        var action = target.action
        action.parameters = Self.inherited(target)
        let withCode = request.query["code"] == nil ? true : try request.query.flag("code")
        return WhiskAnswer.json(try await document(action, withCode: withCode))
    }

    func deleteAction(_ request: WhiskRequest, _ path: WhiskPath) async throws(WhiskError) -> Response {
        try await refuseBinding(path, request)
        guard let action = try await asking({ () async throws(Problem) in try engine.whiskAction(path) }) else {
            throw try await absent(path, .actions)
        }
        let document = try await document(action, withCode: true)
        try await asking { () async throws(Problem) in try await engine.whiskDelete(action) }
        return WhiskAnswer.json(document)
    }

    // MARK: Finding

    /// The action that a path leads to, for one who may see and run it.
    func target(_ path: WhiskPath, _ request: WhiskRequest) async throws(WhiskError) -> WhiskTarget {
        let resolution = try await asking { () async throws(Problem) in try engine.whiskResolve(path) }
        switch resolution {
        case .found(let target):
            guard request.isOwn || target.isPublic else { throw .forbidden([path.description]) }
            try await checkOwner(of: target, request)
            return target
        case .circular(let name):
            throw WhiskError(.unprocessableContent, "Package binding '\(name)' contains a circular reference.")
        case .missing:
            // To strangers a missing thing looks like a forbidden one.
            guard request.isOwn else { throw .forbidden([path.description]) }
            throw try await absent(path, .actions)
        }
    }

    /// Through a binding an action of another's package is reached, which must (still) be public.
    private func checkOwner(of target: WhiskTarget, _ request: WhiskRequest) async throws(WhiskError) {
        let owner = target.action.path.namespace
        guard owner != request.namespace, !target.isPublic else { return }
        let question = AccessRequest(
            action: .invoke, target: .function, namespace: owner, name: target.action.path.local)
        if case .allowed = await access.authorize(request.caller, question) { return }
        throw .forbidden([target.action.path.description])
    }

    /// Why a name is not in a collection: it is nowhere, or elsewhere.
    func absent(_ path: WhiskPath, _ collection: WhiskCollection) async throws(WhiskError) -> WhiskError {
        guard path.package == nil else { return .notFound }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskCollection(of: path.name, namespace: path.namespace)
        }
        return found == nil || found == collection ? .notFound : .wrongCollection
    }

    /// Nothing is made or removed through a binding.
    func refuseBinding(_ path: WhiskPath, _ request: WhiskRequest) async throws(WhiskError) {
        guard let name = path.package else { return }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: path.namespace, name: name)
        }
        if found?.binding != nil { throw .notAllowedOnBinding }
    }

    /// A package that the caller may look into.
    func package(_ name: String, _ request: WhiskRequest) async throws(WhiskError) -> WhiskPackage {
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: request.namespace, name: name)
        }
        guard let found else {
            guard request.isOwn else { throw .forbidden(["\(request.namespace)/\(name)"]) }
            throw try await absent(WhiskPath(namespace: request.namespace, name: name), .packages)
        }
        guard request.isOwn || found.publish else { throw .forbidden(["\(request.namespace)/\(name)"]) }
        return found
    }

    /// The parameters that an action has with what it inherits, the own ones last.
    private static func inherited(_ target: WhiskTarget) -> [WhiskParameter] {
        let own = target.action.parameters
        let more = target.inherited.members.filter { member in !own.contains { $0.key == member.name } }
        return more.map { WhiskParameter(key: $0.name, value: $0.value) } + own
    }

    // MARK: Showing

    /// An action as it is shown.
    func document(_ action: WhiskAction, withCode: Bool) async throws(WhiskError) -> JSONValue {
        var code: (text: String, isBinary: Bool)?
        if withCode, action.exec.hasCode {
            code = try await asking { () async throws(Problem) in try await engine.whiskCode(action.path) }
        }
        return .object(action.document(code: code?.text))
    }
}

extension WhiskAction {
    /// The action as it is shown, with its code when that is given.
    func document(code: String?) -> JSONObject {
        var exec: JSONObject = ["kind": .string(self.exec.kind)]
        exec["image"] = self.exec.image.map { .string($0) }
        exec["main"] = self.exec.main.map { .string($0) }
        exec["components"] = self.exec.components.map { .array($0.map { .string($0) }) }
        exec["code"] = code.map { .string($0) }
        if self.exec.components == nil { exec["binary"] = .bool(self.exec.isBinary) }
        return [
            "namespace": .string(path.holder), "name": .string(path.name), "version": .string(version),
            "publish": .bool(publish), "exec": .object(exec), "parameters": .array(parameters.map(\.document)),
            "annotations": annotations.whiskList, "limits": limits.document, "updated": .integer(updated),
        ]
    }

    /// The action as it stands in a list.
    var summary: JSONObject {
        [
            "namespace": .string(path.holder), "name": .string(path.name), "version": .string(version),
            "publish": .bool(publish), "annotations": annotations.whiskList, "limits": limits.document,
            "exec": ["binary": .bool(exec.isBinary)], "updated": .integer(updated),
        ]
    }
}
