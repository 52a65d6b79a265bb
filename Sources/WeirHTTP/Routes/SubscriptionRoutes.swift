import CloudEvents
import HTTPTypes
import Hummingbird
import Manifest

/// What is done with subscriptions beyond declaring them: pause, resume, dead letters, replay.
struct SubscriptionRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    var routes: [Route] {
        let subscription = "/v1/subscriptions/{subscription}"
        return [
            pausing("pause", "Stops delivering; events wait in the channel.", paused: true),
            pausing("resume", "Goes on delivering where it stopped.", paused: false),
            Route(
                .get, "\(subscription)/dead-letters", access: .needs(.readEvents, .subscription),
                RouteDocumentation(
                    "listDeadLetters", tag: "subscriptions", "What could not be delivered, and why.",
                    query: [.limit, .cursor], answers: [.init(.ok, "A page of the list.", "ResourcePage")],
                    problems: [.notFound]),
                handler: { (request) async throws(Problem) in try await deadLetters(request) }),
            Route(
                .post, "\(subscription)/replay", access: .needs(.operate, .subscription),
                RouteDocumentation(
                    "startReplay", tag: "replays",
                    "Runs the subscription over a past range; a dry run says what would match and what it would cost.",
                    body: .init("ReplayRequest"),
                    answers: [
                        .init(.ok, "What the dry run found.", "Object"),
                        .init(.accepted, "The replay runs; its address is in Location.", "Object"),
                    ], problems: [.notFound, .conflict, .unprocessableContent]),
                handler: { (request) async throws(Problem) in try await replay(request) }),
            Route(
                .get, "/v1/replays", access: .needs(.view, .replay),
                RouteDocumentation(
                    "listReplays", tag: "replays", "Lists the replays, newest first.", query: [.limit, .cursor],
                    answers: [.init(.ok, "A page of the list.", "ResourcePage")]),
                handler: { (request) async throws(Problem) in
                    Answers.page(
                        try await engine.replays(namespace: request.namespace, page: try request.page()), of: request)
                }),
            Route(
                .get, "/v1/replays/{replay}", access: .needs(.view, .replay),
                RouteDocumentation(
                    "getReplay", tag: "replays", "Shows one replay and how far it is.",
                    answers: [.init(.ok, "The replay.", "Object")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let id = request.parameter("replay")
                    guard let found = try await engine.replay(id: id, namespace: request.namespace) else {
                        throw Problem.notFound("replay", id)
                    }
                    return Answers.json(.object(found))
                }),
            Route(
                .delete, "/v1/replays/{replay}", access: .needs(.operate, .replay),
                RouteDocumentation(
                    "cancelReplay", tag: "replays", "Ends a replay before it is done.",
                    answers: [.init(.noContent, "It is ended.")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in
                    let id = request.parameter("replay")
                    guard try await engine.cancelReplay(id: id, namespace: request.namespace) else {
                        throw Problem.notFound("replay", id)
                    }
                    return Answers.nothing()
                }),
        ]
    }

    private func pausing(_ word: String, _ summary: String, paused: Bool) -> Route {
        Route(
            .post, "/v1/subscriptions/{subscription}/\(word)", access: .needs(.operate, .subscription),
            RouteDocumentation(
                "\(word)Subscription", tag: "subscriptions", summary,
                answers: [.init(.ok, "The subscription as it now is.", "Subscription")], problems: [.notFound]),
            handler: { (request) async throws(Problem) in
                let name = request.parameter("subscription")
                let found = try await engine.setPaused(
                    paused, subscription: name, namespace: request.namespace, caller: request.caller)
                guard let found else { throw Problem.notFound("subscription", name) }
                return Answers.json(.object(found.document), headers: [.eTag: EntityTag.text(found.generation)])
            })
    }

    private func deadLetters(_ request: APIRequest) async throws(Problem) -> Response {
        let name = request.parameter("subscription")
        let page = try await engine.deadLetters(
            subscription: name, namespace: request.namespace, page: try request.page(), scope: request.scope)
        guard let page else { throw Problem.notFound("subscription", name) }
        return Answers.page(page, of: request)
    }

    private func replay(_ request: APIRequest) async throws(Problem) -> Response {
        let body = try await request.object(limit: limits.document)
        let name = request.parameter("subscription")
        let wanted = try Self.replay(body, of: name, request)
        guard let document = try await engine.replay(wanted) else { throw Problem.notFound("subscription", name) }
        if wanted.dryRun { return Answers.json(.object(document)) }
        var headers = HTTPFields()
        if let id = document["id"]?.string { headers[.location] = "/v1/replays/\(PercentDecoding.encode(id))" }
        return Answers.json(.object(document), status: .accepted, headers: headers)
    }

    private static func replay(
        _ body: JSONObject, of name: String, _ request: APIRequest
    ) throws(Problem) -> ReplayRequest {
        func place(_ text: String, _ key: String) throws(DocumentError) -> StartPosition {
            guard let place = QueryValues.start(text, offsetsAllowed: false, now: request.now) else {
                throw DocumentError(path: key, message: QueryValues.startMessage(text, offsetsAllowed: false))
            }
            return place
        }
        do throws(DocumentError) {
            var reader = try DocumentReader(.object(body))
            let from = try place(try reader.requiredString("from"), "from")
            let to = try reader.string("to")
            let wanted = ReplayRequest(
                namespace: request.namespace, subscription: name, from: from,
                to: try to.map { (text) throws(DocumentError) in try place(text, "to") } ?? .latest,
                sink: try reader.string("sink"), dryRun: try reader.bool("dryRun") ?? false, scope: request.scope,
                caller: request.caller)
            try reader.finish()
            return wanted
        } catch {
            throw Problem(error)
        }
    }
}
