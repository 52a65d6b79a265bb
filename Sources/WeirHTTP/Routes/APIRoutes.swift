import CloudEvents
import HTTPTypes
import Hummingbird

/// What is done with REST APIs beyond declaring them: handing them out as OpenAPI.
struct APIRoutes: Sendable {
    let engine: any Engine

    var routes: [Route] {
        [
            Route(
                .get, "/v1/apis/{api}/openapi", access: .needs(.view, .api),
                RouteDocumentation(
                    "getAPIDescription", tag: "apis", "Shows a REST API as an OpenAPI 3.1 document.",
                    answers: [.init(.ok, "The document.", "Object")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let name = request.parameter("api")
                    let found = try await engine.resource(.apis, namespace: request.namespace, name: name)
                    guard let document = found?.document else { throw Problem.notFound("api", name) }
                    let swagger = document["spec"]?["swagger"]?.object ?? [:]
                    let path = document["status"]?["path"]?.string ?? name
                    return Answers.json(
                        .object(
                            APISpec.openAPI(
                                swagger, server: "http://\(request.head.authority ?? "localhost")\(path)")))
                })
        ]
    }
}
