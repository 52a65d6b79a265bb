import CloudEvents
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTPTypes

/// The OpenWhisk API: its own paths, its own errors, its own manners, over the functions, channels, subscriptions and
/// activations that the native API shows as well.
///
/// Everything below `/api/v1/namespaces` passes one point that asks the access control before a handler runs; web actions
/// and REST APIs run for anybody whom their owner lets in, and say so in their own annotations.
package struct WhiskFace: Sendable {
    let engine: any WhiskEngine
    let access: any AccessControl
    let limits: HTTPLimits
    let throttle: WhiskThrottle
    let runtimes = WhiskRuntimes.standard
    let deadlines = Deadlines()
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64

    package init(
        engine: any WhiskEngine, access: any AccessControl, limits: HTTPLimits, rates: WhiskRates = WhiskRates(),
        now: @escaping @Sendable () -> Int64
    ) {
        self.engine = engine
        self.access = access
        self.limits = limits
        throttle = WhiskThrottle(rates)
        self.now = now
    }

    /// Whether a path is one of this API.
    static func takes(_ path: Substring) -> Bool {
        path == "/" || path == "/ping" || path == "/api" || path.hasPrefix("/api/")
    }

    func respond(
        to head: HTTPRequest, body: RequestBody, context: FaceContext
    ) async -> Response {
        let transaction = Self.transaction(head.headerFields[.requestID])
        let target = (head.path ?? "/")[...].prefix { $0 != "#" }
        let path = target.prefix { $0 != "?" }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let isWeb = segments.starts(with: ["api", "v1", "web"])
        let isAPI = segments.count > 1 && segments[0] == "api" && segments[1] != "v1"
        var response: Response
        do throws(WhiskError) {
            guard target.utf8.count <= limits.target else {
                throw WhiskError(.uriTooLong, "URI length exceeds the configured limit of \(limits.target) characters")
            }
            let query = try WhiskQuery(target.dropFirst(path.count).dropFirst())
            let channel = context.channel
            let raw = RawRequest(
                head: head, body: body, query: query, transaction: transaction,
                sendContinue: {
                    try? await channel?.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)))
                })
            if isWeb {
                response = try await web(raw, Array(segments.dropFirst(3)))
            } else if isAPI {
                response = try await gateway(raw, Array(segments.dropFirst()))
            } else {
                response = try await rest(raw, path, segments)
            }
        } catch {
            response = WhiskAnswer.error(error, transaction: transaction, pretty: isWeb)
        }
        if !isWeb, !isAPI, segments.first == "api" { WhiskCORS.add(to: &response.headers) }
        response.headers[.requestID] = transaction
        return response
    }

    /// A request before it is known who sends it.
    struct RawRequest: Sendable {
        let head: HTTPRequest
        let body: RequestBody
        let query: WhiskQuery
        let transaction: String
        let sendContinue: @Sendable () async -> Void
    }

    // MARK: The API itself

    private func rest(
        _ raw: RawRequest, _ path: Substring, _ segments: [Substring]
    ) async throws(WhiskError) -> Response {
        let method = raw.head.method == .head ? .get : raw.head.method
        func only(_ allowed: HTTPRequest.Method) throws(WhiskError) {
            guard method == allowed else { throw .methodNotAllowed([allowed]) }
        }
        if path == "/" {
            try only(.get)
            return WhiskAnswer.json(rootDocument())
        }
        if path == "/ping" {
            try only(.get)
            return WhiskAnswer.bytes(Array("pong".utf8), type: "text/plain; charset=UTF-8")
        }
        guard segments.count > 1, segments[1] == "v1" else { throw .noSuchPath }
        // Asked before anything else, without credentials, by browsers.
        if method == .options { return WhiskAnswer.empty(.ok) }
        let rest = Array(segments.dropFirst(2))
        if rest.isEmpty || rest == [""] {
            try only(.get)
            return WhiskAnswer.json(versionDocument())
        }
        if rest == ["api-docs"] {
            try only(.get)
            return WhiskAnswer.json(WhiskSwagger.document)
        }
        guard rest[0] == "namespaces" else { throw .noSuchPath }
        let caller = try await authenticate(raw.head.headerFields)
        let (written, route) = try WhiskRoute.read(Array(rest.dropFirst()))
        guard route.methods.contains(method) else { throw .methodNotAllowed(route.methods) }
        let namespace = written.map { $0 == "_" ? caller.namespace : $0 } ?? caller.namespace
        let isOwn = try await admit(route, method, caller, namespace)
        let request = WhiskRequest(
            head: raw.head, body: raw.body, query: raw.query, transaction: raw.transaction, caller: caller,
            namespace: namespace, sendContinue: raw.sendContinue, isOwn: isOwn)
        let response = try await answer(request, route, method)
        // What the answer is stands fixed; a client that will not take it is told so.
        if let accept = raw.head.headerFields[.accept], response.headers[.contentType] == "application/json",
            !ContentNegotiation.accepts(accept, anyOf: ["application/json"])
        {
            throw WhiskError(
                .notAcceptable, "Resource representation is only available with these types:\napplication/json")
        }
        return response
    }

    /// The choke point: no handler runs unless the access control said yes, or the thing may be public.
    ///
    /// - Returns: whether the caller may act on the namespace as its owner.
    private func admit(
        _ route: WhiskRoute, _ method: HTTPRequest.Method, _ caller: Caller, _ namespace: String
    ) async throws(WhiskError) -> Bool {
        guard let right = route.right(method) else { return true }
        let question = AccessRequest(
            action: right.action, target: right.target, namespace: namespace, name: route.resource)
        if case .allowed = await access.authorize(caller, question) { return true }
        guard route.isSharable(method) else {
            throw route.resource.map { .forbidden(["\(namespace)/\($0)"]) } ?? .notPublic
        }
        return false
    }

    private func answer(
        _ request: WhiskRequest, _ route: WhiskRoute, _ method: HTTPRequest.Method
    ) async throws(WhiskError) -> Response {
        switch (route, method) {
        case (.namespaces, _): return WhiskAnswer.json([.string(request.caller.namespace)])
        case (.limits, _): return WhiskAnswer.json(limitsDocument())
        case (.innerLimits, _):
            throw WhiskError(.badRequest, "Inner entity level routes for limits are not yet implemented.")
        case (.collection(.actions), _): return try await listActions(request, package: nil)
        case (.contents(let package), _): return try await listActions(request, package: package)
        case (.collection(.packages), _): return try await listPackages(request)
        case (.collection(.triggers), _): return try await listTriggers(request)
        case (.collection(.rules), _): return try await listRules(request)
        case (.entity(let collection, let package, let name), _):
            let path = WhiskPath(namespace: request.namespace, package: package, name: name)
            return try await entity(request, collection, path, method)
        case (.activations, _): return try await listActivations(request)
        case (.activation(let id, let part), _): return try await activation(request, id, part)
        }
    }

    private func entity(
        _ request: WhiskRequest, _ collection: WhiskCollection, _ path: WhiskPath, _ method: HTTPRequest.Method
    ) async throws(WhiskError) -> Response {
        switch (collection, method) {
        case (.actions, .get): try await getAction(request, path)
        case (.actions, .put): try await putAction(request, path)
        case (.actions, .post): try await invokeAction(request, path)
        case (.actions, _): try await deleteAction(request, path)
        case (.packages, .get): try await getPackage(request, path.name)
        case (.packages, .put): try await putPackage(request, path.name)
        case (.packages, _): try await deletePackage(request, path.name)
        case (.triggers, .get): try await getTrigger(request, path.name)
        case (.triggers, .put): try await putTrigger(request, path.name)
        case (.triggers, .post): try await fireTrigger(request, path.name)
        case (.triggers, _): try await deleteTrigger(request, path.name)
        case (.rules, .get): try await getRule(request, path.name)
        case (.rules, .put): try await putRule(request, path.name)
        case (.rules, .post): try await switchRule(request, path.name)
        case (.rules, _): try await deleteRule(request, path.name)
        }
    }

    // MARK: Who asks

    func authenticate(_ headers: HTTPFields) async throws(WhiskError) -> Caller {
        guard let header = headers[.authorization] else {
            throw .unauthenticated("The resource requires authentication, which was not supplied with the request")
        }
        do throws(Problem) {
            return try await access.authenticate(Credentials(authorization: header))
        } catch {
            guard error.status == .unauthorized else { throw WhiskError(error) }
            throw .unauthenticated("The supplied authentication is invalid")
        }
    }

    /// The caller's transaction id when it can stand in a header and a log, else a new one; what begins with `sid_` is the
    /// system's own.
    static func transaction(_ text: String?) -> String {
        if let text, (1...256).contains(text.utf8.count), !text.hasPrefix("sid_"),
            text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        {
            return text
        }
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        // Two draws for 32 letters: an id tells requests apart, it is no secret.
        var (low, high) = (UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max))
        var out: [UInt8] = []
        for index in 0..<32 {
            let bits = index < 16 ? low & 15 : high & 15
            if index < 16 { low >>= 4 } else { high >>= 4 }
            out.append(letters[Int(bits) + index % 4 * 15])
        }
        return String(decoding: out, as: UTF8.self)
    }
}
