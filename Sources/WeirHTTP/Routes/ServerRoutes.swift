import CloudEvents
import HTTPTypes
import Hummingbird

/// The server itself: health, readiness, metrics, status, version and the description of all routes.
struct ServerRoutes: Sendable {
    let engine: any Engine
    let registry: MetricsRegistry
    /// The OpenAPI document, made once from the finished table.
    let description: @Sendable () -> [UInt8]

    static let prometheusType = "text/plain; version=0.0.4; charset=utf-8"

    var routes: [Route] {
        [
            Route(
                .get, "/healthz", access: .open,
                RouteDocumentation(
                    "getHealth", tag: "server", "Says that the process is alive.",
                    answers: [.init(.ok, "It is.", "Health")]),
                handler: { (_) async throws(Problem) in
                    var health: JSONObject = ["status": "ok"]
                    for member in await engine.health().members { health[member.name] = member.value }
                    return Answers.json(.object(health))
                }),
            Route(
                .get, "/readyz", access: .open,
                RouteDocumentation(
                    "getReadiness", tag: "server", "Says whether the server is ready to serve.",
                    answers: [.init(.ok, "It is.", "Health")], problems: [.serviceUnavailable]),
                handler: { (request) async throws(Problem) in try await readiness() }),
            Route(
                .get, "/metrics", access: .needs(.view, .server),
                RouteDocumentation(
                    "getMetrics", tag: "server", "All metrics as Prometheus text.",
                    answers: [.init(.ok, "The metrics.", "Text", type: "text/plain")]),
                handler: { (_) async throws(Problem) in
                    let text = registry.render() + (await engine.metrics())
                    return Answers.text(text, type: Self.prometheusType)
                }),
            openAPI("/openapi.json", "getOpenAPI"),
            openAPI("/v1/openapi.json", "getOpenAPIv1"),
            Route(
                .get, "/v1/status", access: .needs(.view, .server),
                RouteDocumentation(
                    "getStatus", tag: "server", "What the server is doing: its parts, their states and loads.",
                    answers: [.init(.ok, "The status.", "Object")]),
                handler: { (_) async throws(Problem) in Answers.json(.object(await engine.status())) }),
            Route(
                .get, "/v1/workers", access: .needs(.view, .server),
                RouteDocumentation(
                    "getWorkers", tag: "server",
                    "The workers of all functions now: by function and phase, queues and what they wait for, shares of "
                        + "namespaces, stems, memory; and how often workers were started which way and why.",
                    answers: [.init(.ok, "The workers.", "Object")]),
                handler: { (_) async throws(Problem) in Answers.json(.object(await engine.workers())) }),
            Route(
                .get, "/v1/version", access: .needs(.view, .server),
                RouteDocumentation(
                    "getVersion", tag: "server", "Which version of Weir this is.",
                    answers: [.init(.ok, "The version.", "Object")]),
                handler: { (_) async throws(Problem) in Answers.json(.object(engine.version())) }),
        ]
    }

    private func openAPI(_ path: String, _ id: String) -> Route {
        Route(
            .get, path, access: .open,
            RouteDocumentation(
                id, tag: "server", "This description, as an OpenAPI 3.1 document.",
                answers: [.init(.ok, "The document.", "Object")]),
            handler: { (_) async throws(Problem) in
                Answers.bytes(description(), type: "application/json", headers: [.cacheControl: "no-cache"])
            })
    }

    private func readiness() async throws(Problem) -> Response {
        let obstacles = await engine.obstacles()
        guard obstacles.isEmpty else {
            throw Problem.unavailable("not ready: \(obstacles.joined(separator: "; "))")
        }
        return Answers.json(["status": "ok"])
    }
}
