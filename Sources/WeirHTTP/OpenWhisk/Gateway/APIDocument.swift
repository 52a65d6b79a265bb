import CloudEvents
import Foundation
import HTTPTypes

/// The Swagger document of an API: made of single routes, or brought whole; read to find what serves a request.
enum APIDocument {
    static func empty(basePath: String, title: String?) -> JSONObject {
        [
            "swagger": "2.0",
            "info": ["title": .string(title ?? basePath), "version": "1.0.0"],
            "basePath": .string(basePath), "paths": [:],
        ]
    }

    /// What `createApi` asks: one route more, or another document.
    struct Change {
        var basePath: String
        var title: String?
        private var document: JSONObject?
        private var path = ""
        private var verb = ""
        private var action = WhiskPath(namespace: "", name: "")

        init(_ value: JSONValue?, own: String, host: String) throws(WhiskFace.APIFailure) {
            guard let value = WhiskBody.present(value) else { throw .said("apidoc is required.") }
            guard let apidoc = Self.object(value) else {
                throw .said("apidoc field cannot be parsed. Ensure it is valid JSON.")
            }
            guard apidoc["namespace"]?.string != nil else { throw .said("apidoc is missing the namespace field") }
            title = apidoc["apiName"]?.string
            if let swagger = WhiskBody.present(apidoc["swagger"]), swagger != "" {
                guard WhiskBody.present(apidoc["gatewayBasePath"]) == nil else {
                    throw .said("swagger and gatewayBasePath are mutually exclusive and cannot be specified together.")
                }
                guard let given = Self.object(swagger) else {
                    throw .said("swagger field cannot be parsed. Ensure it is valid JSON.")
                }
                let whole = OpenAPIImport.swagger(given)
                guard let path = whole["basePath"]?.string, path.hasPrefix("/") else {
                    throw .said("swagger is missing the basePath field.")
                }
                guard whole["paths"]?.object != nil else { throw .said("swagger is missing the paths field.") }
                guard whole["info"]?.object != nil else { throw .said("swagger is missing the info field.") }
                basePath = path
                document = whole
                return
            }
            func text(_ name: String, _ holder: String, _ object: JSONObject) throws(WhiskFace.APIFailure) -> String {
                guard let text = object[name]?.string, !text.isEmpty else {
                    throw .said("\(holder) is missing the \(name) field")
                }
                return text
            }
            basePath = try text("gatewayBasePath", "apidoc", apidoc)
            path = try text("gatewayPath", "apidoc", apidoc)
            verb = try text("gatewayMethod", "apidoc", apidoc).lowercased()
            guard let object = apidoc["action"]?.object else { throw .said("apidoc is missing the action field.") }
            let namespace = try text("namespace", "action", object)
            let name = try text("name", "action", object)
            do throws(WhiskError) {
                let full = name.hasPrefix("/") ? name : "/\(namespace)/\(name)"
                action = try WhiskPath(reference: full, own: own)
            } catch {
                throw .said("action name is not valid: \(name)")
            }
            guard basePath.hasPrefix("/"), path.hasPrefix("/") else {
                throw .said("paths must begin with '/'")
            }
        }

        /// Objects come as they are or as the text of one.
        private static func object(_ value: JSONValue) -> JSONObject? {
            value.object ?? value.string.flatMap { try? JSONValue(parsing: $0) }?.object
        }

        func applied(to base: JSONObject, responseType: String, host: String) -> JSONObject {
            if let document { return document }
            var result = base
            var paths = base["paths"]?.object ?? [:]
            var operations = paths[path]?.object ?? [:]
            operations[verb] = .object(
                APIDocument.operation(path: path, verb: verb, action: action, form: responseType, host: host))
            paths[path] = .object(operations)
            result["paths"] = .object(paths)
            if let title { result["info"] = ["title": .string(title), "version": "1.0.0"] }
            return result
        }
    }

    /// One route: a verb of a path, and the web action that serves it.
    static func operation(
        path: String, verb: String, action: WhiskPath, form: String, host: String
    ) -> JSONObject {
        let package = action.package ?? "default"
        var operation: JSONObject = [
            "operationId": .string("\(verb)_\(path)"),
            "x-openwhisk": [
                "url": .string("\(host)/api/v1/web/\(action.namespace)/\(package)/\(action.name).\(form)"),
                "namespace": .string(action.namespace), "package": .string(package), "action": .string(action.name),
            ],
            "responses": ["default": ["description": "Default response"]],
        ]
        let names = APIRoute.names(in: path)
        if !names.isEmpty {
            operation["parameters"] = .array(
                names.map { ["name": .string($0), "in": "path", "required": true, "type": "string"] })
        }
        return operation
    }

    /// The document without a path or one of its verbs; `nil` when there is none of it.
    static func removing(path: String, verb: String?, from document: JSONObject) -> JSONObject? {
        guard var paths = document["paths"]?.object, var operations = paths[path]?.object else { return nil }
        if let verb {
            guard operations[verb] != nil else { return nil }
            operations[verb] = nil
        } else {
            operations = [:]
        }
        paths[path] = operations.isEmpty ? nil : .object(operations)
        var left = document
        left["paths"] = .object(paths)
        return left
    }
}

/// One path of an API with gaps, and what serves its verbs.
struct APIRoute {
    private let segments: [Substring]
    private let path: String
    let operations: JSONObject

    init(path: String, operations: JSONObject) {
        self.path = path
        self.operations = operations
        segments = path.split(separator: "/")
    }

    static func names(in path: String) -> [String] {
        path.split(separator: "/").filter { isGap($0) }.map { String($0.dropFirst().dropLast()) }
    }

    private static func isGap(_ segment: Substring) -> Bool { segment.hasPrefix("{") && segment.hasSuffix("}") }

    /// How many segments are literal: of two routes that match, the one with more is meant.
    var literals: Int { segments.count { !Self.isGap($0) } }

    /// The values of the gaps, when a path fits.
    func match(_ wanted: [String]) -> JSONObject? {
        guard wanted.count == segments.count else { return nil }
        var values = JSONObject()
        for (segment, text) in zip(segments, wanted) {
            if Self.isGap(segment) {
                values[String(segment.dropFirst().dropLast())] = .string(text)
            } else if segment != text[...] {
                return nil
            }
        }
        return values
    }

    /// What serves a verb: the web action and how its result becomes an answer.
    static func action(_ operation: JSONValue) -> (path: WhiskPath, projection: WebProjection)? {
        guard let target = operation["x-openwhisk"] ?? operation["x-ibm-op-ext"] else { return nil }
        if let name = target["action"]?.string, let namespace = target["namespace"]?.string {
            let package = target["package"]?.string.flatMap { $0 == "default" || $0.isEmpty ? nil : $0 }
            let suffix = target["url"]?.string.map { WebProjection.split($0).projection } ?? .http
            return (WhiskPath(namespace: namespace, package: package, name: name), suffix)
        }
        guard let url = (target["url"] ?? target["backendUrl"])?.string, let range = url.range(of: "/api/v1/web/")
        else {
            return nil
        }
        let parts = url[range.upperBound...].split(separator: "/").map(String.init)
        guard parts.count == 3 else { return nil }
        let (name, projection) = WebProjection.split(parts[2])
        return (
            WhiskPath(namespace: parts[0], package: parts[1] == "default" ? nil : parts[1], name: name), projection
        )
    }
}

/// Documents of OpenAPI 3 in the form of Swagger 2, which is what is kept and what clients print.
enum OpenAPIImport {
    static func swagger(_ document: JSONObject) -> JSONObject {
        guard document["openapi"]?.string != nil else { return document }
        var result = document
        result["openapi"] = nil
        result["servers"] = nil
        result["components"] = nil
        result["swagger"] = "2.0"
        if result["basePath"] == nil {
            // The path of the first server's address.
            var path = document["servers"]?.array?.first?["url"]?.string ?? "/"
            if let scheme = path.range(of: "://") {
                path = String(path[scheme.upperBound...].drop { $0 != "/" })
            }
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            result["basePath"] = .string(path.isEmpty ? "/" : path)
        }
        return result
    }
}
