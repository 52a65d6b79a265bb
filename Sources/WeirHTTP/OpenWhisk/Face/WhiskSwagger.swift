import CloudEvents
import HTTPTypes

/// The description of this API, made from the routes that it reads.
enum WhiskSwagger {
    static var document: JSONValue {
        var paths = JSONObject()
        func add(_ path: String, _ route: WhiskRoute) {
            var operations = JSONObject()
            for method in route.methods {
                operations[method.rawValue.lowercased()] = [
                    "operationId": .string("\(method.rawValue.lowercased())\(path)"),
                    "responses": ["default": ["description": "See the reference of Apache OpenWhisk."]],
                ]
            }
            paths["/namespaces" + path] = .object(operations)
        }
        add("", .namespaces)
        add("/{namespace}/limits", .limits)
        for collection in WhiskCollection.allCases {
            add("/{namespace}/\(collection.rawValue)", .collection(collection))
            add("/{namespace}/\(collection.rawValue)/{name}", .entity(collection, package: nil, name: ""))
        }
        add("/{namespace}/actions/{package}/", .contents(package: ""))
        add("/{namespace}/actions/{package}/{name}", .entity(.actions, package: "", name: ""))
        add("/{namespace}/activations", .activations)
        for part in ["", "/logs", "/result"] {
            add("/{namespace}/activations/{id}\(part)", .activation(id: "", part: .record))
        }
        return [
            "swagger": "2.0", "info": ["title": "OpenWhisk REST API", "version": "1.0.0"], "basePath": "/api/v1",
            "securityDefinitions": ["basicAuth": ["type": "basic"]], "security": [["basicAuth": []]],
            "paths": .object(paths),
        ]
    }
}
