import NIOHTTP1
import CloudEvents
import Foundation
import TestSupport
import Testing

/// REST APIs from web actions, asked as `wsk api` asks (client-go `whisk/api.go`, client-js `lib/routes.js`).
@Suite("OpenWhisk: REST APIs", .fewAtATime) struct WhiskGatewayCases {
    private static let management = "/api/v1/web/whisk.system/apimgmt"

    private func create(
        _ tenant: Tenant, base: String, path: String, verb: String, action: String, type: String = "json"
    ) async throws -> TestClient.Answer {
        try await tenant.call(
            "POST",
            "\(Self.management)/createApi.http?accesstoken=DUMMY+TOKEN&responsetype=\(type)&spaceguid=\(tenant.namespace)",
            [
                "apidoc": [
                    "namespace": "_", "gatewayBasePath": .string(base), "gatewayPath": .string(path),
                    "gatewayMethod": .string(verb), "id": .string("API:_:\(base)"),
                    "action": [
                        "name": .string(action), "namespace": "_", "backendMethod": .string(verb),
                        "backendUrl": .string("\(tenant.url)/api/v1/web/_/default/\(action).\(type)"),
                        "authkey": .string(tenant.auth),
                    ],
                ]
            ])
    }

    @Test func routesAreMadeListedServedAndDeleted() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let exported: JSONObject = ["annotations": [["key": "web-export", "value": true]]]
        try await tenant.action("hello", nil, exported)
        try await tenant.action("echo", nil, exported)
        #expect(try await tenant.call("GET", "\(Self.management)/getApi.http").json == ["apis": []])
        let made = try await create(tenant, base: "/club", path: "/books/{isbn}", verb: "get", action: "echo")
        #expect(made.status == 200, "\(made.text)")
        let url = try #require(made.json["gwApiUrl"]?.string)
        #expect(url.hasPrefix(tenant.url) && url.hasSuffix("/club"))
        #expect(made.json["apidoc"]?["basePath"] == "/club" && made.json["gwApiActivated"] == true)
        let operation = made.json["apidoc"]?["paths"]?["/books/{isbn}"]?["get"]
        #expect(operation?["x-openwhisk"]?["action"] == "echo" && operation?["operationId"] == "get_/books/{isbn}")
        #expect(try await create(tenant, base: "/club", path: "/books", verb: "POST", action: "hello").status == 200)
        let list = try await tenant.call(
            "GET", "\(Self.management)/getApi.http?accesstoken=x&basepath=/club&spaceguid=x&limit=30&skip=0")
        #expect(list.json["apis"]?.array?.count == 1)
        let value = list.json["apis"]?.array?.first?["value"]
        #expect(value?["apidoc"]?["paths"]?.object?.count == 2 && value?["gwApiUrl"] == .string(url))

        let served = String(url.dropFirst(tenant.url.count))
        let book = try await tenant.call("GET", "\(served)/books/123?x=1", auth: "")
        #expect(book.status == 200, "\(book.text)")
        #expect(book.json["isbn"] == "123" && book.json["x"] == "1" && book.json["__ow_path"] == "/books/123")
        #expect(book.headers.first(name: "access-control-allow-origin") == "*")
        let post = try await tenant.call("POST", "\(served)/books", ["name": "x"], auth: "")
        #expect(post.json == ["greeting": "hello x"])
        #expect(try await tenant.call("PUT", "\(served)/books", [:], auth: "").status == 405)
        #expect(try await tenant.call("GET", "\(served)/nosuch", auth: "").status == 404)
        #expect(try await tenant.call("OPTIONS", "\(served)/books", auth: "").status == 200)

        let deletion = "\(Self.management)/deleteApi.http?accesstoken=x&basepath=/club&spaceguid=x"
        let one = try await tenant.call("DELETE", "\(deletion)&relpath=/books&operation=post")
        #expect(one.status == 200 && one.json == [:])
        #expect(try await tenant.call("POST", "\(served)/books", [:], auth: "").status == 404)
        let none = try await tenant.call("DELETE", "\(deletion)&relpath=/books")
        #expect(none.status == 502 && none.json["error"]?.string?.contains("does not exist") ?? false)
        #expect(try await tenant.call("DELETE", "\(deletion)&force=true").status == 200)
        #expect(try await tenant.call("GET", "\(served)/books/123", auth: "").status == 404)
        #expect(try await tenant.call("GET", "\(Self.management)/getApi.http").json == ["apis": []])
        #expect(try await tenant.call("GET", "\(Self.management)/getApi.http", auth: "").status == 401)
    }

    @Test func aWholeDocumentIsTakenAndGivenBack() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hello", nil, ["annotations": [["key": "web-export", "value": true]]])
        let swagger: JSONValue = [
            "swagger": "2.0", "info": ["title": "Greetings", "version": "1.0"], "basePath": "/greet",
            "paths": [
                "/": [
                    "get": [
                        "operationId": "hello",
                        "x-openwhisk": [
                            "action": "hello", "namespace": .string(tenant.namespace), "package": "default",
                            "url": .string("\(tenant.url)/api/v1/web/\(tenant.namespace)/default/hello.json"),
                        ], "responses": ["200": ["description": "ok"]],
                    ]
                ]
            ],
        ]
        // The Go client sends the document as text, the Node client as it is.
        for document in [.string(swagger.text), swagger] as [JSONValue] {
            let made = try await tenant.call(
                "POST", "\(Self.management)/createApi.http",
                ["apidoc": ["namespace": "_", "swagger": document]])
            #expect(made.status == 200 && made.json["apidoc"] == swagger, "\(made.text)")
            let served = String((made.json["gwApiUrl"]?.string ?? "").dropFirst(tenant.url.count))
            #expect(try await tenant.call("GET", served + "/?name=x", auth: "").json == ["greeting": "hello x"])
        }
        let byName = try await tenant.call("GET", "\(Self.management)/getApi.http?basepath=Greetings")
        #expect(byName.json["apis"]?.array?.count == 1)
        let bad = try await tenant.call(
            "POST", "\(Self.management)/createApi.http", ["apidoc": ["namespace": "_", "swagger": ["paths": [:]]]])
        #expect(bad.status == 502 && bad.json["error"] == "swagger is missing the basePath field.")
    }
}
