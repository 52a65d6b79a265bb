import CloudEvents
import HTTPTypes
import Hummingbird
import Identity

/// Web actions: functions that anybody may call by HTTP whom their owner lets in by an annotation.
extension WhiskFace {
    static let webMethods: [HTTPRequest.Method] = [.get, .delete, .post, .put, .head, .options, .patch]

    /// - Parameter segments: what stands behind `/api/v1/web/`.
    func web(_ raw: RawRequest, _ segments: [Substring]) async throws(WhiskError) -> Response {
        guard Self.webMethods.contains(raw.head.method) else { throw .methodNotAllowed(Self.webMethods) }
        let names = segments.prefix(3).map { PercentDecoding.segment($0) ?? "" }
        guard names.count == 3, names.allSatisfy({ WhiskName.isName($0) }) else { throw .noSuchPath }
        let user = try await webUser(raw.head.headerFields)
        if names[0] == "whisk.system", names[1] == "apimgmt" {
            return try await manageAPIs(raw, operation: names[2], caller: user)
        }
        if let text = raw.head.headerFields[.contentLength], let length = Int(text), length > WhiskBounds.payload {
            throw .tooLarge("Request", length, limit: WhiskBounds.payload)
        }
        let (name, projection) = WebProjection.split(names[2])
        guard WhiskName.isName(name) else { throw .notFound }
        let path = WhiskPath(namespace: names[0], package: names[1] == "default" ? nil : names[1], name: name)
        // As it was written: an escaped slash is no slash.
        let rest = segments.dropFirst(3).map { "/" + $0 }.joined()
        return try await webAction(raw, path: path, rest: rest, projection: projection, user: user)
    }

    /// Runs one web action; also what the routes of REST APIs lead to.
    ///
    /// - Parameters:
    ///   - more: arguments below those of the request: what a route's path holds.
    ///   - isOpen: whether it runs for anybody, whatever it requires: its own namespace has bound it to a route.
    func webAction(
        _ raw: RawRequest, path: WhiskPath, rest: String, projection: WebProjection, user: Caller?,
        more: JSONObject = [:], isOpen: Bool = false
    ) async throws(WhiskError) -> Response {
        // Whatever is not there or not exported looks the same to strangers.
        let resolution = try await asking { () async throws(Problem) in try engine.whiskResolve(path) }
        guard case .found(let target) = resolution, target.action.annotations["web-export"] == .bool(true) else {
            throw .notFound
        }
        let annotations = target.action.annotations
        var response: Response
        do throws(WhiskError) {
            if raw.head.method == .options, annotations["web-custom-options"] != .bool(true) {
                response = WhiskAnswer.empty(.ok)
            } else {
                let isPreflight = raw.head.method == .options
                guard isPreflight || isOpen || WebGate.opens(annotations, raw.head.headerFields, user: user) else {
                    throw .unauthenticated(
                        "The resource requires authentication, which was not supplied with the request")
                }
                response = try await call(
                    raw, target: target, path: path, rest: rest, projection: projection, user: user, more: more)
            }
        } catch {
            response = WhiskAnswer.error(error, transaction: raw.transaction, pretty: true)
        }
        if annotations["web-custom-options"] != .bool(true) {
            WhiskCORS.addWeb(to: &response.headers, asked: raw.head.headerFields)
        }
        return response
    }

    private func call(
        _ raw: RawRequest, target: WhiskTarget, path: WhiskPath, rest: String, projection: WebProjection,
        user: Caller?, more: JSONObject
    ) async throws(WhiskError) -> Response {
        try throttle.count(.invocation, of: path.namespace, now: now())
        let isRaw = target.action.annotations["raw-http"] == .bool(true)
        let request = WhiskRequest(
            head: raw.head, body: raw.body, query: raw.query, transaction: raw.transaction,
            caller: user ?? Caller(name: "anonymous"), namespace: path.namespace, sendContinue: raw.sendContinue,
            isOwn: false)
        let bytes = try await request.collect(limit: WhiskBounds.payload)
        let arguments = WebArguments(
            head: raw.head, query: raw.query, rest: rest, user: user?.namespace,
            body: try WebBody(bytes, type: raw.head.headerFields[.contentType], isRaw: isRaw), isRaw: isRaw,
            keepsAuthorization: target.action.annotations["provide-authorization"] == .bool(true))
        let valued = target.arguments
        if !isRaw {
            var reserved = WebArguments.reserved
            if target.action.isFinal {
                reserved += valued.members.filter { $0.value != .null }.map(\.name)
            }
            guard !arguments.given.names.contains(where: { reserved.contains($0) }) else {
                throw .parametersNotAllowed
            }
        }
        let call = WhiskCall(
            target: target,
            arguments: valued.overlaid(with: more).overlaid(with: arguments.given).overlaid(with: arguments.context),
            namespace: path.namespace, activationID: engine.whiskActivationID(), transaction: raw.transaction)
        try throttle.enter(call.namespace)
        var response: Response
        do throws(WhiskError) {
            guard let activation = await run(call).value(within: WhiskBounds.wait, of: deadlines) else {
                throw WhiskError(.accepted, "Response not yet ready.")
            }
            response = try projection.response(
                to: WhiskRecord(activation), accept: raw.head.headerFields[.accept])
        } catch {
            response = WhiskAnswer.error(error, transaction: raw.transaction, pretty: true)
        }
        response.headers[.whiskActivation] = call.activationID
        // The verb asks for the head of what a GET would bring.
        return raw.head.method == .head ? response.createHeadResponse() : response
    }

    /// Who asks, when they say so; credentials that are sent must be good ones.
    private func webUser(_ headers: HTTPFields) async throws(WhiskError) -> Caller? {
        guard let header = headers[.authorization] else { return nil }
        guard header.lowercased().hasPrefix("basic ") else {
            // Another scheme is the action's own affair, if it is not ours.
            return try? await access.authenticate(Credentials(authorization: header))
        }
        return try await authenticate(headers)
    }
}

/// Whom a web action lets in.
enum WebGate {
    static func opens(_ annotations: JSONObject, _ headers: HTTPFields, user: Caller?) -> Bool {
        let offered = headers[.requireWhiskAuth]
        switch annotations["require-whisk-auth"] {
        case nil, .bool(false)?: return true
        case .bool(true)?: return user != nil
        case .string(let secret)?: return matches(offered, secret)
        case .integer?, .number?:
            return matches(offered, annotations["require-whisk-auth"]?.text ?? "")
        default: return false
        }
    }

    private static func matches(_ offered: String?, _ secret: String) -> Bool {
        offered.map { Secret($0).matches(Secret(secret)) } ?? false
    }
}
