import CloudEvents
import HTTPTypes
import Hummingbird
import Invocation

/// What has run, and what it said.
struct ActivationRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    private static let since = QueryParameter("since", .time, "Not older than this time, or than a time span back.")

    var routes: [Route] {
        [
            Route(
                .get, "/v1/activations", access: .needs(.view, .activation),
                RouteDocumentation(
                    "listActivations", tag: "activations", "Lists runs, newest first, without results and logs.",
                    query: [
                        QueryParameter("function", .text, "Only of this function."),
                        QueryParameter("subscription", .text, "Only caused by this subscription."),
                        QueryParameter(
                            "status", .word(Activation.Status.allCases.map(\.rawValue)), "Only that ended so."),
                        Self.since, QueryParameter("until", .time, "Older than this time, or than a time span back."),
                        .limit, .cursor,
                    ], answers: [.init(.ok, "A page of the list.", "ResourcePage")]),
                handler: { (request) async throws(Problem) in try await list(request) }),
            Route(
                .get, "/v1/activations/{activation}", access: .needs(.view, .activation),
                RouteDocumentation(
                    "getActivation", tag: "activations", "Shows one run, with result and logs.",
                    answers: [.init(.ok, "The activation.", "Activation")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    Answers.json(.object(try await activation(request).document()))
                }),
            Route(
                .get, "/v1/activations/{activation}/logs", access: .needs(.view, .activation),
                RouteDocumentation(
                    "getActivationLogs", tag: "activations", "What one run wrote.",
                    answers: [.init(.ok, "Its lines.", "LogPage")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let found = try await activation(request)
                    return Answers.json([
                        "items": .array(found.logs.map { .object($0.document) }),
                        "truncated": .bool(found.logsTruncated),
                    ])
                }),
            Route(
                .get, "/v1/logs", access: .needs(.view, .activation),
                RouteDocumentation(
                    "readLogs", tag: "activations",
                    "What functions wrote, oldest first; with follow as server-sent events named log.",
                    query: [
                        QueryParameter("function", .text, "Only of this function."), Self.since,
                        QueryParameter(
                            "follow", .flag, "Go on with what comes; without since or cursor only with that."),
                        .limit, .cursor,
                    ],
                    answers: [
                        .init(.ok, "A page of lines, or the stream.", "LogPage"),
                        .init(.ok, "A page of lines, or the stream.", "Text", type: EventStream.mediaType),
                    ]),
                handler: { (request) async throws(Problem) in try await logs(request) }),
        ]
    }

    private func list(_ request: APIRequest) async throws(Problem) -> Response {
        let page = try await engine.activations(
            ActivationQuery(
                namespace: request.namespace, function: request.query.text("function"),
                subscription: request.query.text("subscription"),
                status: request.query.text("status").flatMap { Activation.Status(rawValue: $0) },
                since: try request.query.time("since"), until: try request.query.time("until"),
                page: try request.page()))
        return Answers.page(
            Page(items: page.items.map { .object($0.document(summary: true)) }, next: page.next), of: request)
    }

    private func activation(_ request: APIRequest) async throws(Problem) -> Activation {
        let id = request.parameter("activation")
        guard let found = try await engine.activation(id: id, namespace: request.namespace) else {
            throw Problem.notFound("activation", id)
        }
        return found
    }

    private func logs(_ request: APIRequest) async throws(Problem) -> Response {
        var query = LogQuery(
            namespace: request.namespace, function: request.query.text("function"),
            since: try request.query.time("since"), cursor: request.query.text("cursor"),
            limit: try request.query.integer("limit", in: 1...1000) ?? 100)
        guard try request.query.flag("follow") else {
            let page = try await engine.logs(query)
            return Answers.page(
                Page(items: page.lines.map { .object($0.document) }, next: page.lines.isEmpty ? nil : page.cursor),
                of: request)
        }
        if let last = request.headers[.lastEventID], !last.isEmpty {
            query.cursor = last
        } else if query.cursor == nil, query.since == nil {
            query.cursor = LogQuery.latest
        }
        return EventStream.response(
            to: request,
            source: LogTail(
                engine: engine, query: query, keepAlive: .seconds(limits.keepAliveSeconds), requestID: request.id))
    }
}
