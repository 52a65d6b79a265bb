import CloudEvents
import HTTPTypes
import Hummingbird

/// Channels, sources, subscriptions and functions: list, read, put, delete.
struct ResourceRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits

    var routes: [Route] { ResourceKind.allCases.flatMap { routes(of: $0) } }

    private func routes(of kind: ResourceKind) -> [Route] {
        let collection = "/v1/\(kind.rawValue)"
        let single = "\(collection)/{\(kind.singular)}"
        let schema = kind.schema
        let upload = RouteDocumentation.Body(kind == .functions ? "FunctionUpload" : schema)
        return [
            Route(
                .get, collection, access: .needs(.view, kind.target),
                RouteDocumentation(
                    "list\(schema)s", tag: kind.rawValue, "Lists the \(kind.rawValue), by name.",
                    query: [.limit, .cursor], answers: [.init(.ok, "A page of the list.", "ResourcePage")]),
                handler: { (request) async throws(Problem) in try await list(kind, request) }),
            Route(
                .get, single, access: .needs(.view, kind.target),
                RouteDocumentation(
                    "get\(schema)", tag: kind.rawValue, "Shows one \(kind.singular).",
                    answers: [
                        .init(.ok, "The \(kind.singular), its generation as ETag.", schema),
                        .init(.notModified, "It is still at the generation that If-None-Match names."),
                    ], problems: [.notFound]),
                handler: { (request) async throws(Problem) in try await show(kind, request) }),
            Route(
                .put, single, access: .needs(.change, kind.target),
                RouteDocumentation(
                    "put\(schema)", tag: kind.rawValue,
                    "Makes the \(kind.singular) what the document says; the same again changes nothing.",
                    query: [.dryRun], body: upload,
                    answers: [
                        .init(.ok, "It was there, and is now so (or, in a dry run, would be).", "PutOutcome"),
                        .init(.created, "It is new.", "PutOutcome"),
                    ],
                    problems: [.conflict, .preconditionFailed, .contentTooLarge, .unprocessableContent]),
                handler: { (request) async throws(Problem) in try await put(kind, request) }),
            Route(
                .delete, single, access: .needs(.change, kind.target),
                RouteDocumentation(
                    "delete\(schema)", tag: kind.rawValue, "Removes the \(kind.singular).", query: [.dryRun],
                    answers: [.init(.noContent, "It is gone (or, in a dry run, could go).")],
                    problems: [.notFound, .conflict, .preconditionFailed]),
                handler: { (request) async throws(Problem) in try await delete(kind, request) }),
        ]
    }

    private func list(_ kind: ResourceKind, _ request: APIRequest) async throws(Problem) -> Response {
        let page = try await engine.resources(kind, namespace: request.namespace, page: try request.page())
        return Answers.page(Page(items: page.items.map { .object($0.document) }, next: page.next), of: request)
    }

    private func show(_ kind: ResourceKind, _ request: APIRequest) async throws(Problem) -> Response {
        let name = request.parameter(kind.singular)
        guard let found = try await engine.resource(kind, namespace: request.namespace, name: name) else {
            throw Problem.notFound(kind.singular, name)
        }
        let tag = EntityTag.text(found.generation)
        if let wanted = request.headers[.ifNoneMatch], EntityTag.lists(wanted, tag) {
            return Response(status: .notModified, headers: [.eTag: tag])
        }
        return Answers.json(.object(found.document), headers: [.eTag: tag])
    }

    private func put(_ kind: ResourceKind, _ request: APIRequest) async throws(Problem) -> Response {
        let precondition = try EntityTag.precondition(request.headers)
        let isDryRun = try request.query.flag("dryRun")
        var document = try await request.object(limit: kind == .functions ? limits.code : limits.document)
        let code = kind == .functions ? try Self.takeCode(&document) : nil
        let outcome = try await engine.put(
            PutRequest(
                kind: kind, namespace: request.namespace, name: request.parameter(kind.singular), document: document,
                code: code, precondition: precondition, dryRun: isDryRun, caller: request.caller))
        var headers: HTTPFields = [.eTag: EntityTag.text(outcome.resource.generation)]
        let isNew = outcome.verdict == .created && !isDryRun
        if isNew { headers[.location] = String(request.path) }
        return Answers.json(outcome.json, status: isNew ? .created : .ok, headers: headers)
    }

    private func delete(_ kind: ResourceKind, _ request: APIRequest) async throws(Problem) -> Response {
        let name = request.parameter(kind.singular)
        let wasThere = try await engine.delete(
            kind, namespace: request.namespace, name: name, precondition: try EntityTag.precondition(request.headers),
            dryRun: try request.query.flag("dryRun"), caller: request.caller)
        guard wasThere else { throw Problem.notFound(kind.singular, name) }
        return Answers.nothing()
    }

    /// Takes `code: {filename, base64}` out of a function's document; code as text is part of it and stays.
    static func takeCode(_ document: inout JSONObject) throws(Problem) -> FunctionCode? {
        guard let code = document["code"], code != .null, code.string == nil else { return nil }
        document["code"] = nil
        func wrong(_ path: String, _ message: String) -> Problem {
            Problem(
                .unprocessableContent, "invalid-document", "\(path): \(message)", errors: [.init(.path(path), message)])
        }
        guard let object = code.object else {
            throw wrong("code", "text, or an object with filename and base64, was expected, not \(code.kindName)")
        }
        for name in object.names where name != "filename" && name != "base64" {
            throw wrong("code.\(name)", "this key is unknown: known here are base64, filename")
        }
        guard let filename = object["filename"]?.string, !filename.isEmpty, !filename.contains("/"),
            !filename.contains("\0"), filename != ".", filename != ".."
        else { throw wrong("code.filename", "the name of the file is expected, without a folder") }
        guard let text = object["base64"]?.string, let bytes = Base64.decode(text.utf8) else {
            throw wrong("code.base64", "the file's bytes are expected as Base64 with padding (RFC 4648 §4)")
        }
        return FunctionCode(filename: filename, bytes: bytes)
    }
}

extension PutOutcome {
    var json: JSONValue {
        var document: JSONObject = ["outcome": .string(verdict.rawValue)]
        document["changes"] = .array(
            changes.map { change in
                var item: JSONObject = ["path": .string(change.path)]
                item["before"] = change.before
                item["after"] = change.after
                return .object(item)
            })
        document["resource"] = .object(resource.document)
        return .object(document)
    }
}
