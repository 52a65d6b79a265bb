import CloudEvents
package import HTTPTypes
package import Hummingbird
import Logging
import Manifest
import NIOCore
import NIOHTTPTypes

/// The one way into the handlers: finds the route, asks the access control, checks what was sent, runs the handler, and
/// turns whatever goes wrong into problem details.
package struct Responder: HTTPResponder {
    package typealias Context = FaceContext

    package let table: RouteTable
    let access: any AccessControl
    let limits: HTTPLimits
    let metrics: RequestMetrics
    let whisk: WhiskFace?
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64

    package init(
        table: RouteTable, access: any AccessControl, limits: HTTPLimits, metrics: MetricsRegistry,
        whisk: WhiskFace? = nil, now: @escaping @Sendable () -> Int64
    ) {
        self.table = table
        self.access = access
        self.limits = limits
        self.metrics = RequestMetrics(routes: table.routes, registry: metrics)
        self.whisk = whisk
        self.now = now
    }

    package func respond(to request: Request, context: FaceContext) async throws -> Response {
        await respond(to: request.head, body: request.body, context: context)
    }

    package func respond(to head: HTTPRequest, body: RequestBody, context: FaceContext) async -> Response {
        let started = ContinuousClock.now
        if let whisk, WhiskFace.takes(Self.path(head)) {
            var response = await whisk.respond(to: head, body: body, context: context)
            if head.method == .head { response = response.createHeadResponse() }
            metrics.record(route: nil, status: response.status.code, duration: ContinuousClock.now - started)
            return response
        }
        let id = Self.requestID(head.headerFields[.requestID]) ?? context.generatedID
        var routeIndex: Int?
        var response: Response
        do throws(Problem) {
            response = try await answer(head, body: body, context: context, id: id, routeIndex: &routeIndex)
        } catch {
            response = Self.response(error, id: id)
        }
        if head.method == .head { response = response.createHeadResponse() }
        response.headers[.requestID] = id
        let duration = ContinuousClock.now - started
        metrics.record(route: routeIndex, status: response.status.code, duration: duration)
        context.logger.debug(
            "request",
            metadata: [
                "id": "\(id)", "method": "\(head.method.rawValue)", "path": "\(Self.path(head))",
                "status": "\(response.status.code)", "duration": "\(duration)",
            ])
        return response
    }

    private func answer(
        _ head: HTTPRequest, body: RequestBody, context: FaceContext, id: String, routeIndex: inout Int?
    ) async throws(Problem) -> Response {
        let target = (head.path ?? "/")[...].prefix { $0 != "#" }
        guard target.utf8.count <= limits.target else {
            throw Problem(
                .uriTooLong, "target-too-long", "the path with its query is longer than \(limits.target) bytes")
        }
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let rawPath = halves.first ?? "/"
        let rawQuery = halves.count == 2 ? halves[1] : ""
        let (index, raw) = try find(head.method, path: rawPath)
        routeIndex = index
        let route = table.routes[index]

        var parameters: [String: String] = [:]
        for (name, text) in raw { parameters[name] = try Self.decodeName(text) }

        // The choke point: nothing behind it runs unless the access control said yes.
        let grant = try await admit(route, head: head, rawQuery: rawQuery, parameters: parameters)
        let milliseconds = now()
        let query = try QueryValues(rawQuery, known: route.query, now: milliseconds)
        try Self.checkMediaTypes(route, head.headerFields)
        let channel = context.channel
        let request = APIRequest(
            id: id, route: route, head: head, query: query, caller: grant.caller, namespace: grant.namespace,
            scope: grant.scope, now: milliseconds, parameters: parameters, rawQuery: rawQuery,
            body: body,
            sendContinue: {
                try? await channel?.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)))
            })
        return try await route.handler(request)
    }

    func find(
        _ method: HTTPRequest.Method, path: Substring
    ) throws(Problem) -> (Int, [String: Substring]) {
        switch table.find(method, path: path) {
        case .route(let index, let parameters):
            return (index, parameters)
        case .wrongMethod(let allowed):
            let list = allowed.map(\.rawValue).joined(separator: ", ")
            throw Problem(
                .methodNotAllowed, "method-not-allowed", "\(method.rawValue) is not possible here: \(list) are",
                headers: [.allow: list])
        case .nothing:
            throw Problem(.notFound, "no-such-path", "nothing is at \(path): /openapi.json lists what is")
        }
    }

    private func admit(
        _ route: Route, head: HTTPRequest, rawQuery: Substring, parameters: [String: String]
    ) async throws(Problem) -> (caller: Caller, namespace: String, scope: ReadScope) {
        guard case .needs(let action, let target) = route.access else {
            return (Caller(name: "anonymous"), "default", .below([]))
        }
        let caller = try await access.authenticate(Credentials(authorization: head.headerFields[.authorization]))
        let namespace = Self.namespace(in: rawQuery) ?? caller.namespace
        let name = route.pattern.parameterNames.first.flatMap { parameters[$0] }
        let question = AccessRequest(action: action, target: target, namespace: namespace, name: name)
        switch await access.authorize(caller, question) {
        case .allowed(let scope): return (caller, namespace, scope)
        case .denied(let why): throw Problem.forbidden(why)
        }
    }

    /// The namespace that the query names, before the query as a whole is checked (which only somebody who is known
    /// is told about). The first one counts; a second one is refused afterwards.
    static func namespace(in query: Substring) -> String? {
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if halves.count == 2, PercentDecoding.query(halves[0]) == "namespace" {
                return PercentDecoding.query(halves[1])
            }
        }
        return nil
    }

    static func decodeName(_ raw: Substring) throws(Problem) -> String {
        guard let name = PercentDecoding.segment(raw) else {
            throw Problem(
                .badRequest, "invalid-path",
                "\"\(raw)\" is not well-formed: percent-encode the UTF-8 bytes of the name, without control characters")
        }
        guard !name.split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0 == "." || $0 == ".." })
        else { throw Problem(.badRequest, "invalid-path", "\"\(name)\" is no name: it has a segment . or ..") }
        return name
    }

    static func checkMediaTypes(_ route: Route, _ headers: HTTPFields) throws(Problem) {
        let produced = route.documentation.answers.filter { $0.schema != nil }.map(\.type)
        if let accept = headers[.accept], !produced.isEmpty, !ContentNegotiation.accepts(accept, anyOf: produced) {
            throw Problem(
                .notAcceptable, "not-acceptable",
                "the Accept header takes \(accept), but this answers \(produced.joined(separator: ", "))")
        }
        guard let wanted = route.documentation.body else { return }
        let list = wanted.types.joined(separator: ", ")
        guard let type = headers[.contentType].map(ContentNegotiation.essence) else {
            guard wanted.isRequired, !wanted.types.contains("*/*") else { return }
            throw Problem(
                .unsupportedMediaType, "unsupported-media-type",
                "the body's type is not said: send the header Content-Type with \(list)", headers: [.accept: list])
        }
        guard wanted.types.contains(where: { ContentNegotiation.matches(type, $0) }) else {
            throw Problem(
                .unsupportedMediaType, "unsupported-media-type",
                "a body of type \(type) is not understood: send \(list)",
                headers: [.accept: list])
        }
    }

    /// A caller's own request id, when it is short and plain enough to stand in a log.
    static func requestID(_ text: String?) -> String? {
        guard let text, (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C })
        else { return nil }
        return text
    }

    private static func path(_ head: HTTPRequest) -> Substring { (head.path ?? "/")[...].prefix { $0 != "?" } }

    static func response(_ problem: Problem, id: String) -> Response {
        var headers = problem.headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        let body = JSONValue.object(problem.document(instance: id)).encoded()
        return Response(
            status: problem.status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
