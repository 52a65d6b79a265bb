import CloudEvents
import HTTPTypes
import Hummingbird

/// Keys of namespaces: what clients of the OpenWhisk API are configured with. The secret half is shown once.
struct KeyRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    var routes: [Route] {
        [
            Route(
                .get, "/v1/keys", access: .needs(.view, .key),
                RouteDocumentation(
                    "listKeys", tag: "keys", "Lists the keys of a namespace, without their secret halves.",
                    query: [.limit, .cursor], answers: [.init(.ok, "A page of the list.", "ResourcePage")]),
                handler: { (request) async throws(Problem) in
                    Answers.page(
                        try await engine.keys(namespace: request.namespace, page: try request.page()), of: request)
                }),
            Route(
                .post, "/v1/keys", access: .needs(.change, .key),
                RouteDocumentation(
                    "makeKey", tag: "keys", "Makes a key of a namespace and shows it, this once.",
                    body: .init("Object", isRequired: false),
                    answers: [.init(.created, "The key, with its secret half.", "Object")], problems: [.conflict]),
                handler: { (request) async throws(Problem) in
                    let body = try await request.object(limit: limits.document, isOptional: true)
                    let made = try await engine.makeKey(namespace: request.namespace, note: body["note"]?.string)
                    let id = made["id"]?.string ?? ""
                    return Answers.json(
                        .object(made), status: .created,
                        headers: [.location: "/v1/keys/\(PercentDecoding.encode(id))"])
                }),
            Route(
                .delete, "/v1/keys/{key}", access: .needs(.change, .key),
                RouteDocumentation(
                    "deleteKey", tag: "keys", "Withdraws a key: it opens nothing from now on.",
                    answers: [.init(.noContent, "It is gone.")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let id = request.parameter("key")
                    guard try await engine.deleteKey(id: id, namespace: request.namespace) else {
                        throw Problem.notFound("key", id)
                    }
                    return Answers.nothing()
                }),
        ]
    }
}
