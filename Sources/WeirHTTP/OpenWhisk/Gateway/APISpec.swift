package import CloudEvents
import Invocation
package import Manifest

/// A REST API as the native API takes and shows it: routes, or a whole OpenAPI document.
///
///     { routes: [ { path: /books/{isbn}, method: get, function: books, as: json } ], title: Books }
///     { openapi: { … } }
package struct APISpec: Sendable, Hashable {
    /// Swagger 2.0, the form in which it is kept and in which OpenWhisk's clients print it.
    package var swagger: JSONObject

    /// - Parameter basePath: its name.
    package init(_ document: JSONValue, basePath: String, namespace: String) throws(DocumentError) {
        guard basePath.hasPrefix("/"), basePath == "/" || !basePath.hasSuffix("/"), !basePath.contains("//") else {
            throw DocumentError(
                path: "name", message: "an API is named by its base path: /books, with %2F for the slash in an address")
        }
        var reader = try DocumentReader(document)
        let title = try reader.string("title")
        let routes = try reader.array("routes")
        let openapi = try reader.freeObject("openapi")
        let kept = try reader.freeObject("swagger")
        try reader.finish()
        switch (routes, openapi ?? kept) {
        case (let routes?, nil):
            swagger = APIDocument.empty(basePath: basePath, title: title)
            var paths = JSONObject()
            for (index, route) in routes.enumerated() {
                try Self.add(route, at: "routes[\(index)]", namespace: namespace, to: &paths)
            }
            swagger["paths"] = .object(paths)
        case (nil, let whole?):
            swagger = OpenAPIImport.swagger(whole)
            swagger["basePath"] = .string(basePath)
            guard swagger["paths"]?.object != nil else {
                throw DocumentError(
                    path: openapi == nil ? "swagger.paths" : "openapi.paths", message: "this is required")
            }
            if swagger["info"]?.object == nil {
                swagger["info"] = ["title": .string(title ?? basePath), "version": "1.0.0"]
            }
        default:
            throw DocumentError(path: "routes", message: "either routes or openapi is required")
        }
    }

    private static func add(
        _ value: JSONValue, at place: String, namespace: String, to paths: inout JSONObject
    ) throws(DocumentError) {
        var reader = try DocumentReader(value, path: place)
        let path = try reader.requiredString("path")
        guard path.hasPrefix("/") else {
            throw DocumentError(path: reader.path(of: "path"), message: "\"\(path)\" must begin with a slash")
        }
        let verbs = ["get", "put", "post", "delete", "patch", "head", "options"]
        guard let verb = try reader.word("method", of: verbs) else {
            throw DocumentError(path: reader.path(of: "method"), message: "this is required")
        }
        let function = try reader.requiredString("function")
        let form = try reader.word("as", of: WebProjection.allCases.map(\.rawValue)) ?? "http"
        try reader.finish()
        let action = WhiskPath(.init(namespace: namespace, name: function))
        var operations = paths[path]?.object ?? [:]
        operations[verb] = .object(
            APIDocument.operation(path: path, verb: verb, action: action, form: form, host: ""))
        paths[path] = .object(operations)
    }

    package var document: JSONValue { ["swagger": .object(swagger)] }

    /// The same as an OpenAPI 3.1 document.
    package static func openAPI(_ swagger: JSONObject, server: String) -> JSONObject {
        var document: JSONObject = ["openapi": "3.1.0"]
        document["info"] = swagger["info"] ?? ["title": "API", "version": "1.0.0"]
        document["servers"] = [["url": .string(server)]]
        var paths = JSONObject()
        for member in swagger["paths"]?.object?.members ?? [] {
            var operations = JSONObject()
            for operation in member.value.object?.members ?? [] {
                guard var body = operation.value.object else {
                    operations[operation.name] = operation.value
                    continue
                }
                if let parameters = body["parameters"]?.array {
                    body["parameters"] = .array(parameters.map(parameter))
                }
                operations[operation.name] = .object(body)
            }
            paths[member.name] = .object(operations)
        }
        document["paths"] = .object(paths)
        return document
    }

    /// In OpenAPI 3 a parameter's type stands in its schema.
    private static func parameter(_ value: JSONValue) -> JSONValue {
        guard var members = value.object, members["schema"] == nil else { return value }
        var schema = JSONObject()
        for name in ["type", "format", "enum", "default", "minimum", "maximum", "items"] {
            schema[name] = members[name]
            members[name] = nil
        }
        members["schema"] = .object(schema)
        return .object(members)
    }
}
