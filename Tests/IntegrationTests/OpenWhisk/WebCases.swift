import NIOHTTP1
import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section H: web actions.
@Suite("OpenWhisk: web actions", .fewAtATime) struct WhiskWebCases {
    private static func exported(_ more: [(String, JSONValue)] = []) -> JSONObject {
        var annotations: [JSONValue] = [["key": "web-export", "value": true], ["key": "final", "value": true]]
        for (key, value) in more { annotations.append(["key": .string(key), "value": value]) }
        return ["annotations": .array(annotations)]
    }

    /// An exported action that returns its argument `result`, and a way to call it.
    private func returning(
        _ tenant: Tenant, _ value: JSONValue, _ suffix: String, headers: [(String, String)] = []
    ) async throws -> TestClient.Answer {
        try await tenant.call(
            "POST", tenant.web("default/result\(suffix)"), ["result": value], auth: "", headers: headers)
    }

    @Test("OW-52 not found alike") func notFound() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hidden", "hello")
        try await tenant.action("hello", nil, Self.exported())
        for path in [
            tenant.web("default/hidden"), tenant.web("default/nosuch"), tenant.web("nosuch/hello"),
            "/api/v1/web/nobody-knows/default/hello", tenant.web("default/hello.xyz"),
        ] {
            expectError(try await tenant.call("GET", path, auth: ""), 404)
        }
        #expect(try await tenant.call("GET", tenant.web("default/hello.json"), auth: "").status == 200)
        // Only the action's own annotation counts.
        try await tenant.make("packages/p", ["annotations": [["key": "web-export", "value": true]]])
        try await tenant.action("p/hello")
        expectError(try await tenant.call("GET", tenant.web("p/hello"), auth: ""), 404)
    }

    @Test("OW-53 arguments") func arguments() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo", nil, Self.exported())
        let path = tenant.web("default/echo.json/some/path?a=1&b=2")
        let answer = try await tenant.call("POST", path, ["b": 3, "c": 4], auth: "")
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.headers.first(name: "content-type")?.hasPrefix("application/json") ?? false)
        let seen = answer.json
        #expect(seen["a"] == "1" && seen["b"] == 3 && seen["c"] == 4)
        #expect(seen["__ow_method"] == "post" && seen["__ow_path"] == "/some/path")
        #expect(seen["__ow_headers"]?["content-type"] == "application/json")
        #expect(seen["__ow_headers"]?["host"]?.string?.hasPrefix("127.0.0.1:") ?? false)
        for name in ["__ow_user", "__ow_body", "__ow_query"] { #expect(seen[name] == nil, "\(name)") }
        #expect(answer.headers.first(name: "x-openwhisk-activation-id")?.count == 32)
        let known = try await tenant.call("POST", path, [:])
        #expect(known.json["__ow_user"] == .string(tenant.namespace))
        #expect(known.json["__ow_headers"]?["authorization"] == nil)
        expectError(try await tenant.call("GET", path, auth: "a:b"), 401)
        let text = try await tenant.send(
            "POST", tenant.web("default/echo.json"), Array("1,2,3".utf8), type: "text/plain", auth: "")
        #expect(text.json["__ow_body"] == "1,2,3")
        let form = try await tenant.send(
            "POST", tenant.web("default/echo.json"), Array("x=1&y=2+%26".utf8),
            type: "application/x-www-form-urlencoded", auth: "")
        #expect(form.json["x"] == "1" && form.json["y"] == "2 &" && form.json["__ow_body"] == nil)
        let bytes = try await tenant.send(
            "POST", tenant.web("default/echo.json"), [0, 255, 1], type: "image/png", auth: "")
        #expect(bytes.json["__ow_body"] == "AP8B")
        let list = try await tenant.call("POST", tenant.web("default/echo.json"), [1, 2], auth: "")
        #expect(list.json["__ow_body"] == [1, 2])
        let get = try await tenant.call("GET", tenant.web("default/echo.json?a=1&a=2"), auth: "")
        let written = try await tenant.call("GET", tenant.web("default/echo.json/a%20b%2Fc/"), auth: "")
        #expect(written.json["__ow_path"] == "/a%20b%2Fc/", "as it was written")
        #expect(get.json["a"] == "2" && get.json["__ow_path"] == "" && get.json["__ow_method"] == "get")
        expectError(
            try await tenant.call("GET", tenant.web("default/echo.json?__ow_method=x"), auth: ""), 400,
            "Request defines parameters that are not allowed (e.g., reserved properties).")
        expectError(
            try await tenant.send(
                "POST", tenant.web("default/echo.json"), Array("{".utf8), type: "application/json", auth: ""), 400)
        expectError(
            try await tenant.send(
                "POST", tenant.web("default/echo.json"), [UInt8](repeating: 0x61, count: (1 << 20) + 1),
                type: "text/plain", auth: ""), 413)
    }

    @Test func rawActionsGetTheRequestAsItIs() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        var more = Self.exported([("raw-http", true)])
        more["parameters"] = [["key": "bound", "value": 1]]
        try await tenant.action("echo", nil, more)
        let path = tenant.web("default/echo.json?a=1&b=%20x")
        let json = try await tenant.call("POST", path, ["k": 1], auth: "")
        #expect(json.json["__ow_query"] == "a=1&b=%20x" && json.json["__ow_body"] == "eyJrIjoxfQ==")
        #expect(json.json["a"] == nil && json.json["k"] == nil && json.json["bound"] == 1)
        let form = try await tenant.send(
            "POST", path, Array("x=1".utf8), type: "application/x-www-form-urlencoded", auth: "")
        #expect(form.json["__ow_body"] == "x=1")
        #expect(try await tenant.call("GET", tenant.web("default/echo.json"), auth: "").json["__ow_body"] == "")
    }

    @Test("OW-54 .http") func http() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("result", nil, Self.exported())
        var answer = try await returning(tenant, ["statusCode": 201, "body": "hi"], "")
        #expect(answer.status == 201 && answer.text == "hi")
        #expect(answer.headers.first(name: "content-type")?.lowercased() == "text/html; charset=utf-8")
        answer = try await returning(tenant, ["body": ["k": "v"]], ".http")
        #expect(answer.status == 200 && answer.json == ["k": "v"])
        #expect(answer.headers.first(name: "content-type") == "application/json")
        answer = try await returning(tenant, ["headers": ["location": "http://x/"], "statusCode": 302], ".http")
        #expect(answer.status == 302 && answer.headers.first(name: "location") == "http://x/")
        for empty in [[:], ["body": ""], ["body": nil]] as [JSONValue] {
            answer = try await returning(tenant, empty, ".http")
            #expect(answer.status == 204 && answer.body.isEmpty)
        }
        answer = try await returning(tenant, ["statusCode": 200], ".http")
        #expect(answer.status == 200 && answer.body.isEmpty)
        answer = try await returning(tenant, ["statusCode": "404", "body": "none"], ".http")
        #expect(answer.status == 404 && answer.text == "none")
        for (value, text) in [
            (
                ["headers": ["content-type": "text/html"], "body": ["k": "v"]],
                "Response type in header did not match generated content type."
            ),
            (["headers": ["content-type": "xyzbar"], "body": "x"], "Response did not specify a known content-type."),
            (["statusCode": "abc"], "Response is not valid 'message/http'."),
            (["headers": [1], "body": "x"], "Response is not valid 'message/http'."),
            (["headers": ["x": ["a": 1]], "body": "x"], "Response is not valid 'message/http'."),
            (
                ["headers": ["content-type": "image/png"], "body": "not base64!"],
                "Response type in header did not match generated content type."
            ),
        ] as [(JSONValue, String)] {
            expectError(try await returning(tenant, value, ".http"), 400, text)
        }
        answer = try await returning(tenant, ["headers": ["Content-Type": "image/png"], "body": "AP8B"], ".http")
        #expect(answer.body == [0, 255, 1] && answer.headers.first(name: "content-type") == "image/png")
        answer = try await returning(
            tenant, ["headers": ["set-cookie": ["a=1", "b=2"], "x-number": 5, "x-flag": true], "body": "x"], ".http")
        #expect(answer.headers["set-cookie"] == ["a=1", "b=2"])
        #expect(answer.headers.first(name: "x-number") == "5" && answer.headers.first(name: "x-flag") == "true")
        answer = try await returning(
            tenant, ["headers": ["content-type": "application/vnd.api+json"], "body": [1]], ".http")
        #expect(answer.headers.first(name: "content-type") == "application/vnd.api+json; charset=UTF-8")
        // An error is a message as well.
        answer = try await returning(tenant, ["error": ["statusCode": 400, "body": "bad"]], ".http")
        #expect(answer.status == 400 && answer.text == "bad")
        let head = try await tenant.call("HEAD", tenant.web("default/result.json"), auth: "")
        #expect(head.status == 400 && head.body.isEmpty)
    }

    @Test("OW-55 .text") func text() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("result", nil, Self.exported())
        for (value, text) in [
            (["text": "x"], "x"), (["body": 5], "5"), (["text": true], "true"), (["text": nil], "null"),
        ] as [(JSONValue, String)] {
            let answer = try await returning(tenant, value, ".text")
            #expect(answer.status == 200 && answer.text == text)
            #expect(answer.headers.first(name: "content-type")?.hasPrefix("text/plain") ?? false)
        }
        expectError(
            try await returning(tenant, ["other": 1], ".text"), 404,
            "Response does not include requested property.")
        let html = try await returning(tenant, ["html": "<p>"], ".html")
        #expect(html.status == 200 && html.text == "<p>")
        expectError(try await returning(tenant, ["x": 1], ".html"), 400, "Response is not valid 'text/html'.")
        let svg = try await returning(tenant, ["svg": "<svg/>"], ".svg")
        #expect(svg.text == "<svg/>" && svg.headers.first(name: "content-type") == "image/svg+xml")
        expectError(try await returning(tenant, [:], ".svg"), 400, "Response is not valid 'image/svg+xml'.")
        expectError(
            try await returning(tenant, ["error": "x"], ".json"), 400, "Response is not valid 'application/json'.")
        let list = try await returning(tenant, [1, 2], ".json")
        #expect(list.json == [1, 2] && list.text.contains("\n"))
        expectError(
            try await returning(tenant, ["a": 1], ".json", headers: [("Accept", "text/html")]), 406)
        #expect(
            try await returning(tenant, ["a": 1], ".json", headers: [("Accept", "text/html, */*;q=0.1")]).status == 200)
        try await tenant.action("crash", nil, Self.exported())
        try await tenant.action("text", nil, Self.exported())
        expectError(
            try await tenant.call("GET", tenant.web("default/text.json"), auth: ""), 400,
            "There was an error processing your request.")
    }

    @Test("OW-56 authentication on web actions") func authentication() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for (name, value) in [("yes", true), ("secret", "s3"), ("number", 7), ("no", false), ("odd", [1])]
            as [(String, JSONValue)]
        {
            try await tenant.action(name, "hello", Self.exported([("require-whisk-auth", value)]))
        }
        func get(_ name: String, auth: String = "", secret: String? = nil) async throws -> Int {
            try await tenant.call(
                "GET", tenant.web("default/\(name).json"), auth: auth,
                headers: secret.map { [("X-Require-Whisk-Auth", $0)] } ?? []
            ).status
        }
        #expect(try await get("yes") == 401)
        #expect(try await get("yes", auth: tenant.auth) == 200)
        let other = try await WhiskSite.shared.tenant("other")
        #expect(try await get("yes", auth: other.auth) == 200)
        #expect(try await get("secret", secret: "s3") == 200)
        #expect(try await get("secret", secret: "s4") == 401)
        #expect(try await get("secret", auth: tenant.auth) == 401)
        #expect(try await get("number", secret: "7") == 200)
        #expect(try await get("no") == 200)
        #expect(try await get("odd", auth: tenant.auth, secret: "1") == 401)
        let denied = try await tenant.call("GET", tenant.web("default/secret.json"), auth: "")
        expectError(denied, 401)
        #expect(denied.headers.first(name: "access-control-allow-origin") == "*")
    }

    @Test("OW-57 default OPTIONS") func options() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo", nil, Self.exported())
        try await tenant.action("guarded", "echo", Self.exported([("require-whisk-auth", true)]))
        try await tenant.action("own", "result", Self.exported([("web-custom-options", true)]))
        for name in ["echo", "guarded"] {
            let answer = try await tenant.call(
                "OPTIONS", tenant.web("default/\(name)"), auth: "",
                headers: [("Access-Control-Request-Headers", "x-custom-header")])
            #expect(answer.status == 200 && answer.body.isEmpty)
            #expect(answer.headers.first(name: "access-control-allow-origin") == "*")
            #expect(
                answer.headers.first(name: "access-control-allow-methods")
                    == "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH")
            #expect(answer.headers.first(name: "access-control-allow-headers") == "x-custom-header")
        }
        #expect(try await tenant.call("GET", "activations").json == [])
        let own = try await tenant.call(
            "OPTIONS", tenant.web("default/own"), ["result": ["statusCode": 202, "headers": ["x-own": "1"]]], auth: "")
        #expect(own.status == 202 && own.headers.first(name: "x-own") == "1", "\(own.text)")
        #expect(own.headers.first(name: "access-control-allow-origin") == nil)
        #expect(try await tenant.call("GET", "activations?name=own").json.array?.count == 1)
    }
}
