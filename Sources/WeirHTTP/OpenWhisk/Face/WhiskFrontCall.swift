import CloudEvents
import HTTPTypes
import Invocation

/// A blocking call of an action: `POST /api/v1/namespaces/{namespace}/actions/{name}?blocking=true`.
struct WhiskFrontCall: FrontCall {
    let path: String
    var route: Int? { nil }
    let face: WhiskFace
    let credentials: Credentials
    /// As it is written; `_` is the caller's own.
    let namespace: String?
    let package: String?
    let name: String
    let right: WhiskRoute.Right
    let resource: String?
    let wantsResult: Bool
    /// How long it is waited for, milliseconds.
    let wait: Int
    /// The caller's own `X-Request-ID`.
    let requestID: String?
    /// Whether a body may be a JSON object; else only an empty one will do.
    let takesPayload: Bool

    func begin(_ body: UnsafeRawBufferPointer, then: @escaping @Sendable (Activation?) -> Void) -> (any FrontRun)? {
        guard let payload = payload(body), let caller = face.access.grant(credentials, question) else { return nil }
        let owner = meant(caller)
        // Bindings, what is public and final parameters are the long way's.
        guard
            case .found(let target)? = try? face.engine.whiskResolve(
                WhiskPath(namespace: owner, package: package, name: name)),
            target.action.path.namespace == owner, target.binding == nil, !target.action.isFinal
        else { return nil }
        let call = WhiskCall(
            target: target, arguments: target.arguments.overlaid(with: payload), namespace: caller.namespace,
            activationID: face.engine.whiskActivationID(), transaction: WhiskFace.transaction(requestID))
        let throttle = face.throttle
        let now = face.now()
        guard throttle.admits(call.namespace, now: now), (try? throttle.enter(call.namespace)) != nil else {
            return nil
        }
        let waiting = Waiting<Activation>()
        let hasBegun = face.engine.whiskBegin(call) { activation in
            throttle.leave(call.namespace)
            waiting.resolve(activation)
        }
        guard hasBegun else {
            throttle.leave(call.namespace)
            return nil
        }
        // It was let in: a rate that others have used up in this moment refuses the next.
        try? throttle.count(.invocation, of: call.namespace, now: now)
        waiting.whenKnown(within: wait, of: face.deadlines, then)
        return Run(id: call.transaction, activation: call.activationID, wantsResult: wantsResult)
    }

    private func meant(_ caller: Caller) -> String {
        namespace.map { $0 == "_" ? caller.namespace : $0 } ?? caller.namespace
    }

    private func question(_ caller: Caller) -> AccessRequest {
        AccessRequest(action: right.action, target: right.target, namespace: meant(caller), name: resource)
    }

    private func payload(_ body: UnsafeRawBufferPointer) -> JSONObject? {
        guard body.count <= WhiskBounds.payload else { return nil }
        if WhiskRequest.isBlank(body) { return JSONObject() }
        guard takesPayload, case .object(let payload)? = try? JSONValue(parsing: body) else { return nil }
        return payload
    }

    private struct Run: FrontRun {
        /// The transaction.
        let id: String
        let activation: String
        let wantsResult: Bool

        private static let fields: [UInt8] = {
            var fields = HTTPFields()
            fields[.contentType] = "application/json"
            WhiskCORS.add(to: &fields)
            return Array(fields.map { "\($0.name.rawName): \($0.value)\r\n" }.joined().utf8)
        }()

        func answer(_ activation: Activation?) -> FrontAnswer {
            var fields = Self.fields
            fields.append(contentsOf: "x-openwhisk-activation-id: \(self.activation)\r\nX-Request-Id: \(id)\r\n".utf8)
            guard let activation else {
                let body = JSONValue.object(["activationId": .string(self.activation)]).encoded()
                return FrontAnswer(status: .accepted, fields: fields, body: body)
            }
            let (status, body) = WhiskFace.outcome(activation, wantsResult: wantsResult)
            return FrontAnswer(status: status, fields: fields, body: body)
        }
    }
}

extension WhiskFace {
    /// What a head asks for if it is a blocking call; `nil` for everything else, faults included.
    func frontCall(_ head: HTTPRequest) -> WhiskFrontCall? {
        let headers = head.headerFields
        let target = head.path ?? "/"
        let path = target.prefix { $0 != "?" }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard let query = try? WhiskQuery(target.dropFirst(path.count).dropFirst()),
            (try? query.flag("blocking")) == true, let wantsResult = try? query.flag("result"),
            let wait = try? Self.wait(query["timeout"]),
            let (namespace, route) = try? WhiskRoute.read(Array(segments.dropFirst(3))),
            case .entity(.actions, let package, let name) = route, route.methods.contains(.post),
            let right = route.right(.post),
            headers[.accept].map({ ContentNegotiation.accepts($0, anyOf: ["application/json"]) }) ?? true
        else { return nil }
        return WhiskFrontCall(
            path: String(path), face: self, credentials: Credentials(authorization: headers[.authorization]),
            namespace: namespace, package: package, name: name, right: right, resource: route.resource,
            wantsResult: wantsResult, wait: wait, requestID: headers[.requestID],
            takesPayload: WhiskRequest.isJSON(headers))
    }
}
