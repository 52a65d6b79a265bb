package import CloudEvents
import HTTPTypes

/// The OpenAPI 3.1 document of a route table. It is made from the same values that answer the requests, so it cannot say
/// anything else than what is there.
package struct OpenAPIDocument: Sendable {
    package let document: JSONObject

    /// - Throws: ``JSONError`` when the built-in schemas are not well-formed, which a test rules out.
    package init(routes: [Route], version: String) throws(JSONError) {
        var paths = JSONObject()
        for route in routes {
            let path = route.pattern.description
            var item = paths[path]?.object ?? JSONObject()
            item[route.method.rawValue.lowercased()] = .object(Self.operation(route))
            paths[path] = .object(item)
        }
        document = [
            "openapi": "3.1.0",
            "info": [
                "title": "Weir", "version": .string(version),
                "description": "Event-driven computing for scientific storage.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "security": [["key": []]],
            "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "key": ["type": "http", "scheme": "bearer", "description": "The admin key, or a token."]
                ],
                "schemas": .object(try Schemas.all()),
                "responses": [
                    "Problem": [
                        "description": "Why it was not done.",
                        "content": ["application/problem+json": ["schema": Self.reference("Problem")]],
                    ]
                ],
            ],
        ]
    }

    private static func operation(_ route: Route) -> JSONObject {
        let said = route.documentation
        var operation: JSONObject = [
            "operationId": .string(said.id), "summary": .string(said.summary), "tags": [.string(said.tag)],
        ]
        let parameters = route.pattern.parameterNames.map(pathParameter) + route.query.map(queryParameter)
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let body = said.body {
            operation["requestBody"] = [
                "required": .bool(body.isRequired),
                "content": .object(
                    JSONObject(
                        members: body.types.map { type in
                            .init(name: type, value: ["schema": bodySchema(body.schema, type: type)])
                        })),
            ]
        }
        var responses = JSONObject()
        for answer in said.answers {
            let code = "\(answer.status.code)"
            var response = responses[code]?.object ?? ["description": .string(answer.summary)]
            if let schema = answer.schema {
                // One status may have answers of several types.
                var content = response["content"]?.object ?? JSONObject()
                content[answer.type] = ["schema": reference(schema)]
                response["content"] = .object(content)
            }
            responses[code] = .object(response)
        }
        for status in Self.problems(of: route) {
            responses["\(status.code)"] = ["$ref": "#/components/responses/Problem"]
        }
        operation["responses"] = .object(responses)
        if route.access == .open || route.access == .proven { operation["security"] = [] }
        return operation
    }

    /// What may go wrong on a route: what its kind makes possible and what it says itself.
    private static func problems(of route: Route) -> [HTTPResponse.Status] {
        var all: [HTTPResponse.Status] = [.badRequest, .notAcceptable]
        if route.access != .open { all += [.unauthorized, .forbidden] }
        if route.documentation.body != nil { all += [.contentTooLarge, .unsupportedMediaType] }
        for status in route.documentation.problems where !all.contains(status) { all.append(status) }
        return all.sorted { $0.code < $1.code }
    }

    private static func bodySchema(_ name: String, type: String) -> JSONValue {
        type == "application/cloudevents-batch+json" ? ["type": "array", "items": reference(name)] : reference(name)
    }

    private static func reference(_ name: String) -> JSONValue {
        ["$ref": .string("#/components/schemas/\(name)")]
    }

    private static func pathParameter(_ name: String) -> JSONValue {
        let description =
            name == "function"
            ? "The function's name, or package/name: the slash as it is or as %2F." : "The name or id of the \(name)."
        return [
            "name": .string(name), "in": "path", "required": true, "description": .string(description),
            "schema": ["type": "string", "minLength": 1],
        ]
    }

    private static func queryParameter(_ parameter: QueryParameter) -> JSONValue {
        let schema: JSONValue =
            switch parameter.kind {
            case .text, .time, .start, .startOrOffset: ["type": "string"]
            case .integer(let range):
                [
                    "type": "integer", "minimum": .integer(Int64(range.lowerBound)),
                    "maximum": .integer(Int64(range.upperBound)),
                ]
            case .flag: ["type": "boolean"]
            case .word(let words): ["enum": .array(words.map { .string($0) })]
            }
        return [
            "name": .string(parameter.name), "in": "query", "description": .string(parameter.summary),
            "schema": schema,
        ]
    }
}
