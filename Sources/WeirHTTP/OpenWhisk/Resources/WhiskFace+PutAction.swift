import CloudEvents
import Functions
import HTTPTypes
import Hummingbird

/// How an action is made and changed.
extension WhiskFace {
    func putAction(_ request: WhiskRequest, _ path: WhiskPath) async throws(WhiskError) -> Response {
        let overwrite = try request.query.flag("overwrite")
        let body = try WhiskBody(try await request.object(limit: limits.code))
        let exec = try body["exec"].map { (value) throws(WhiskError) in
            try WhiskExecBody(value, runtimes: runtimes, own: request.namespace)
        }
        let limits = try WhiskLimitsBody(body["limits"], concurrent: throttle.rates.concurrentInvocations)
        let removed = try Self.removed(body["delAnnotations"])
        try await checkPackage(path, request)
        guard let current = try await asking({ () async throws(Problem) in try engine.whiskAction(path) }) else {
            if case .wrongCollection = try await absent(path, .actions) { throw .wrongCollection }
            return try await create(request, path, body, exec, limits)
        }
        guard overwrite else { throw .exists }
        return try await update(request, current, body, exec, limits, removed)
    }

    private func create(
        _ request: WhiskRequest, _ path: WhiskPath, _ body: WhiskBody, _ exec: WhiskExecBody?, _ limits: WhiskLimitsBody
    ) async throws(WhiskError) -> Response {
        guard let exec else { throw WhiskError(.badRequest, "exec undefined") }
        var action = WhiskAction(
            path: path, version: body.version ?? "0.0.1", publish: body.publish ?? false, exec: exec.exec,
            parameters: body.parameters ?? [], annotations: body.annotations ?? [:])
        limits.apply(to: &action.limits)
        if action.annotations["provide-api-key"] == nil { action.annotations["provide-api-key"] = false }
        return try await store(request, &action, exec)
    }

    private func update(
        _ request: WhiskRequest, _ current: WhiskAction, _ body: WhiskBody, _ exec: WhiskExecBody?,
        _ limits: WhiskLimitsBody, _ removed: [String]
    ) async throws(WhiskError) -> Response {
        var action = current
        action.version = WhiskVersion.after(current.version, asked: body.version)
        action.publish = body.publish ?? current.publish
        if let exec { action.exec = exec.exec }
        if let parameters = body.parameters { action.parameters = parameters }
        for name in removed { action.annotations[name] = nil }
        // Of an action, given annotations are laid over those that it has.
        action.annotations = action.annotations.overlaid(with: body.annotations ?? [:])
        limits.apply(to: &action.limits)
        return try await store(request, &action, exec)
    }

    private func store(
        _ request: WhiskRequest, _ action: inout WhiskAction, _ exec: WhiskExecBody?
    ) async throws(WhiskError) -> Response {
        // It says what the code is, and the code is the server's to know.
        action.annotations["exec"] = nil
        action.annotations["exec"] = .string(action.exec.kind)
        let size = action.annotations.whiskList.encoded().count
        guard size <= WhiskBounds.payload else { throw .tooLarge("annotations", size, limit: WhiskBounds.payload) }
        if let components = action.exec.components {
            if exec != nil { try await checkSequence(components, of: action.path, request) }
            // What a sequence has for parameters is the list of its components.
            action.parameters = [WhiskParameter(key: "_actions", value: .array(components.map { .string($0) }))]
        } else if exec != nil {
            action.parameters.removeAll { $0.key == "_actions" }
        }
        action.isNative = false
        let (made, code) = (action, exec?.code ?? .kept)
        let stored = try await asking { () async throws(Problem) in try await engine.whiskPut(made, code: code) }
        return WhiskAnswer.json(try await document(stored, withCode: true))
    }

    private static func removed(_ value: JSONValue?) throws(WhiskError) -> [String] {
        guard let value else { return [] }
        guard let list = value.array?.map(\.string), list.allSatisfy({ $0 != nil }) else {
            throw .malformed("delAnnotations must be a list of names")
        }
        return list.compactMap { $0 }
    }

    /// An action goes into a package that is there and is no binding.
    private func checkPackage(_ path: WhiskPath, _ request: WhiskRequest) async throws(WhiskError) {
        guard let name = path.package else { return }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: path.namespace, name: name)
        }
        guard let found else {
            throw try await absent(WhiskPath(namespace: path.namespace, name: name), .packages)
        }
        if found.binding != nil { throw .notAllowedOnBinding }
    }

    // MARK: Sequences

    /// Holds a sequence against what it may be: components that are there and may be run, no loop, not too long.
    private func checkSequence(
        _ components: [String], of path: WhiskPath, _ request: WhiskRequest
    ) async throws(WhiskError) {
        guard !components.isEmpty else {
            throw WhiskError(.badRequest, "No component specified for the sequence.")
        }
        guard components.count <= WhiskBounds.sequenceLength else {
            throw WhiskError(.badRequest, "Too many actions in the sequence.")
        }
        var count = 0
        for component in components {
            let name = try WhiskPath(reference: component, own: request.namespace)
            guard name != path else { throw WhiskError(.badRequest, "Sequence may not refer to itself.") }
            let target = try await self.component(name, request)
            count += try await atoms(of: target, within: path, request, depth: 0)
        }
        guard count <= WhiskBounds.sequenceLength else {
            throw WhiskError(.badRequest, "Too many actions in the sequence.")
        }
    }

    private func component(_ name: WhiskPath, _ request: WhiskRequest) async throws(WhiskError) -> WhiskTarget {
        let resolution = try await asking { () async throws(Problem) in try engine.whiskResolve(name) }
        guard case .found(let target) = resolution else {
            if name.namespace != request.namespace { throw .forbidden([name.description]) }
            throw WhiskError(.badRequest, "Sequence component does not exist.")
        }
        guard target.action.path.namespace != request.namespace, !target.isPublic else { return target }
        let question = AccessRequest(
            action: .invoke, target: .function, namespace: target.action.path.namespace,
            name: target.action.path.local)
        guard case .allowed = await access.authorize(request.caller, question) else {
            throw .forbidden([name.description])
        }
        return target
    }

    /// How many plain actions a component comes down to.
    private func atoms(
        of target: WhiskTarget, within path: WhiskPath, _ request: WhiskRequest, depth: Int
    ) async throws(WhiskError) -> Int {
        guard target.action.path != path else {
            throw WhiskError(.badRequest, "Sequence may not refer to itself.")
        }
        guard let components = target.action.exec.components else { return 1 }
        guard depth < WhiskBounds.sequenceLength else {
            throw WhiskError(.badRequest, "Too many actions in the sequence.")
        }
        var count = 0
        for component in components {
            let name = try WhiskPath(reference: component, own: target.action.path.namespace)
            guard name != path else { throw WhiskError(.badRequest, "Sequence may not refer to itself.") }
            let resolution = try await asking { () async throws(Problem) in try engine.whiskResolve(name) }
            // One that has gone since is told when it is run.
            guard case .found(let inner) = resolution else {
                count += 1
                continue
            }
            count += try await atoms(of: inner, within: path, request, depth: depth + 1)
            guard count <= WhiskBounds.sequenceLength else { return count }
        }
        return count
    }
}
