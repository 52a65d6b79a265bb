import CloudEvents
import HTTPTypes
import Hummingbird

/// Where others post what happens with them; see the source of kind `webhook`.
struct HookRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    private static let token = QueryParameter(
        "token", .text, "The source's secret, for senders that can send no header; it may end up in their logs.")

    var routes: [Route] {
        [
            Route(
                .post, "/v1/hooks/{namespace}/{source}", access: .proven,
                RouteDocumentation(
                    "postToSource", tag: "events",
                    "Takes what a webhook sends; the sender shows the source's secret in the way of its format.",
                    query: [Self.token], body: .init("Text", types: ["*/*"], isRequired: false),
                    answers: [.init(.ok, "How much was taken; it is on disk.", "HookOutcome")],
                    problems: [.unauthorized, .serviceUnavailable]),
                handler: { (request) async throws(Problem) in try await take(request) })
        ]
    }

    private func take(_ request: APIRequest) async throws(Problem) -> Response {
        let body = try await request.collectBody(limit: limits.eventBody)
        let hook = HookRequest(
            namespace: request.parameter("namespace"), source: request.parameter("source"),
            headers: request.headers.map { (name: $0.name.rawName, value: $0.value) },
            token: request.query.text("token"), body: body)
        return Answers.json(.object(try await engine.take(hook)))
    }
}

/// What was posted to a source.
package struct HookRequest: Sendable {
    package var namespace: String
    package var source: String
    package var headers: [(name: String, value: String)]
    package var token: String?
    package var body: [UInt8]
}
