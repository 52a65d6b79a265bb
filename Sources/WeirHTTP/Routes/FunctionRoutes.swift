import CloudEvents
import HTTPTypes
import Hummingbird
import Invocation

/// What is done with functions beyond declaring them: versions and calls.
struct FunctionRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    /// The id of the route that runs functions.
    static let invocation = "invokeFunction"

    /// Whether a media type can be that of arguments.
    static func isArguments(_ type: String) -> Bool { type == "application/json" || type.hasSuffix("+json") }

    var routes: [Route] {
        [
            Route(
                .get, "/v1/functions/{function}/versions", access: .needs(.view, .function),
                RouteDocumentation(
                    "listFunctionVersions", tag: "functions", "Lists the versions of a function, newest first.",
                    answers: [.init(.ok, "The list.", "ResourcePage")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let name = request.parameter("function")
                    guard let found = try await engine.functionVersions(namespace: request.namespace, name: name)
                    else { throw Problem.notFound("function", name) }
                    return Answers.page(Page(items: found), of: request)
                }),
            Route(
                .post, "/v1/functions/{function}/invoke", access: .needs(.invoke, .function),
                RouteDocumentation(
                    Self.invocation, tag: "functions",
                    "Runs a function with a JSON object as its arguments, or with a CloudEvent.",
                    query: [
                        QueryParameter("blocking", .flag, "Wait for the result."),
                        QueryParameter(
                            "version", .text, "The digest of the version to run; the current one when absent."),
                    ],
                    body: .init(
                        "Object", types: ["application/json", JSONEventFormat.mediaType, "*/*"], isRequired: false),
                    answers: [
                        .init(.ok, "The activation, with result and logs.", "Activation"),
                        .init(.accepted, "It runs, or waits to.", "Accepted"),
                    ], problems: [.notFound, .unprocessableContent, .tooManyRequests, .serviceUnavailable]),
                handler: { (request) async throws(Problem) in try await invoke(request) }),
        ]
    }

    private func invoke(_ request: APIRequest) async throws(Problem) -> Response {
        let body = try await request.collectBody(limit: limits.arguments)
        let function = FunctionReference(
            namespace: request.namespace, name: request.parameter("function"), version: request.query.text("version"))
        let outcome = try await engine.invoke(
            function, call: FunctionCall(input: try input(request, body)),
            blocking: try request.query.flag("blocking"), caller: request.caller)
        switch outcome {
        case .finished(let activation):
            return Answers.json(.object(activation.document()))
        case .accepted(let id):
            return Answers.json(
                ["activationId": .string(id)], status: .accepted,
                headers: [.location: "/v1/activations/\(PercentDecoding.encode(id))"])
        }
    }

    private func input(_ request: APIRequest, _ body: [UInt8]) throws(Problem) -> FunctionCall.Input {
        if EventIntake.isEvent(request.headers) {
            let events = try EventIntake.events(headers: request.headers, body: body, limit: 1)
            if let event = events.first { return .event(event) }
        }
        if body.isEmpty { return .arguments(JSONObject()) }
        guard request.contentType.map(Self.isArguments) ?? false else {
            throw Problem(
                .unsupportedMediaType, "unsupported-media-type",
                "arguments are a JSON object: send Content-Type: application/json, or an event with ce- headers",
                headers: [.accept: "application/json, \(JSONEventFormat.mediaType)"])
        }
        guard case .object(let arguments) = try APIRequest.parse(body) else {
            throw Problem(.badRequest, "invalid-document", "the arguments must be a JSON object")
        }
        return .arguments(arguments)
    }
}
