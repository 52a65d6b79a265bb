import NIOHTTP1
import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section D: invocation.
@Suite("OpenWhisk: invocation", .fewAtATime) struct WhiskInvocationCases {
    @Test("OW-23 non-blocking") func nonBlocking() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        let answer = try await tenant.call("POST", "actions/echo", ["a": 1])
        #expect(answer.status == 202)
        let id = try #require(answer.json["activationId"]?.string)
        #expect(answer.json == ["activationId": .string(id)])
        #expect(id.count == 32 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(answer.headers.first(name: "x-openwhisk-activation-id") == id)
        let record = try await tenant.record(id)
        #expect(record["response"]?["result"] == ["a": 1])
        // result without blocking changes nothing
        #expect(try await tenant.call("POST", "actions/echo?result=true", [:]).status == 202)
    }

    @Test("OW-24 blocking record") func blocking() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hello")
        let answer = try await tenant.call("POST", "actions/hello?blocking=true", ["name": "x"])
        #expect(answer.status == 200, "\(answer.text)")
        let record = answer.json
        #expect(record["activationId"]?.string?.count == 32)
        #expect(record["namespace"] == .string(tenant.namespace) && record["name"] == "hello")
        #expect(record["version"] == "0.0.1" && record["subject"]?.string != nil && record["publish"] == false)
        let start = try #require(record["start"]?.integer)
        let end = try #require(record["end"]?.integer)
        #expect(start <= end && record["duration"]?.integer == end - start)
        #expect(record["response"]?["status"] == "success" && record["response"]?["success"] == true)
        #expect(record["response"]?["result"] == ["greeting": "hello x"])
        let annotations = try #require(record["annotations"])
        #expect(annotations.annotation("path") == .string("\(tenant.namespace)/hello"))
        #expect(annotations.annotation("kind") == .string(Tenant.kind))
        #expect(annotations.annotation("limits")?["memory"] == 256)
        #expect(annotations.annotation("waitTime")?.integer != nil && annotations.annotation("timeout") == false)
        #expect(annotations.annotation("initTime")?.integer != nil)
        let second = try await tenant.call("POST", "actions/hello?blocking=true", ["name": "x"])
        #expect(second.json["annotations"]?.annotation("initTime") == nil)
    }

    /// The usual head is answered in front of the HTTP codec, one that ends its connection is not.
    @Test("both ways of a blocking call answer the same") func bothWays() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for helper in ["echo", "fail", "arr", "text", "sleep", "env"] { try await tenant.action(helper) }
        try await tenant.action(
            "final", "echo",
            ["annotations": [["key": "final", "value": true]], "parameters": [["key": "p", "value": 1]]])
        let before = try await Self.answeredInFront(tenant)
        let cases: [(String, JSONValue)] = [
            ("echo?blocking=true", ["a": 1]), ("echo?blocking=true&result=true", ["a": [1.5, nil]]),
            ("fail?blocking=true", ["e": "x"]), ("fail?blocking=true&result=true", ["e": "x"]),
            ("arr?blocking=true", [:]), ("arr?blocking=true&result=true", [:]), ("text?blocking=true", [:]),
            ("sleep?blocking=true&timeout=100", ["ms": 1000]), ("none?blocking=true", [:]), ("echo?blocking=true", [1]),
            ("echo?blocking=maybe", [:]), ("echo?blocking=true&timeout=0", [:]), ("final?blocking=true", ["p": 2]),
            ("final?blocking=true", ["q": 2]), ("echo", [:]),
        ]
        for (path, body) in cases {
            // Warm, so that both tell of a run without a start.
            if path.hasPrefix("sleep") == false { _ = try await tenant.call("POST", "actions/\(path)", body) }
            let short = try await tenant.call("POST", "actions/\(path)", body)
            let long = try await tenant.call("POST", "actions/\(path)", body, headers: [("Connection", "close")])
            #expect(
                short.status == long.status && Self.shape(short) == Self.shape(long),
                "\(path): \(short.text) \(long.text)")
            let names = [short, long].map { answer in
                Set(answer.headers.map { $0.name.lowercased() }).subtracting(["connection"])
            }
            #expect(names[0] == names[1], "\(path)")
        }
        // Up to 23 of the calls are the usual ones. Those that find no worker because tests beside this one have taken its
        // place go the long way.
        #expect(try await Self.answeredInFront(tenant) - before >= 5)
        // A run's transaction is the request's name, whichever way it came.
        for more in [[], [("Connection", "close")]] {
            let answer = try await tenant.call(
                "POST", "actions/env?blocking=true&result=true", [:], headers: [("X-Request-ID", "mine")] + more)
            #expect(
                answer.json["__OW_TRANSACTION_ID"] == "mine" && answer.headers.first(name: "x-request-id") == "mine")
            let id = answer.headers.first(name: "x-openwhisk-activation-id")
            #expect(id != nil && answer.json["__OW_ACTIVATION_ID"]?.string == id)
        }
    }

    private static func answeredInFront(_ tenant: Tenant) async throws -> Int {
        let metrics = try await tenant.admin.call("GET", "/metrics").text
        let line = metrics.split(separator: "\n").first { $0.hasPrefix("weir_http_requests_front_total ") }
        return line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
    }

    /// A document without what differs from run to run.
    private static func shape(_ answer: TestClient.Answer) -> JSONValue {
        guard var object = answer.json.object else { return answer.json }
        for name in ["activationId", "start", "end", "duration", "code"] where object[name] != nil {
            object[name] = "…"
        }
        if let annotations = object["annotations"]?.array {
            object["annotations"] = .array(
                annotations.map { $0["key"] == "waitTime" ? ["key": "waitTime"] : $0 })
        }
        return .object(object)
    }

    @Test("OW-25 result only") func resultOnly() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hello")
        try await tenant.action("echo")
        #expect(try await tenant.result("hello", ["name": "x"]) == ["greeting": "hello x"])
        let empty = try await tenant.call("POST", "actions/echo?blocking=true&result=true", [:])
        #expect(empty.status == 200 && empty.text == "{}")
    }

    @Test("OW-26 application error") func applicationError() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("fail")
        for error in ["Error message", 502, true] as [JSONValue] {
            let answer = try await tenant.call("POST", "actions/fail?blocking=true", ["e": error])
            #expect(answer.status == 502)
            #expect(answer.json["response"]?["status"] == "application error")
            #expect(answer.json["response"]?["success"] == false)
            #expect(answer.json["response"]?["result"] == ["error": error])
            let bare = try await tenant.call("POST", "actions/fail?blocking=true&result=true", ["e": error])
            #expect(bare.status == 502 && bare.json == ["error": error])
        }
        try await tenant.action(
            "more", nil, ["exec": Tenant.exec("def main(args):\n    return {'error': 'x', 'more': 1}\n")])
        let only = try await tenant.call("POST", "actions/more?blocking=true", [:])
        #expect(only.json["response"]?["result"] == ["error": "x"])
    }

    @Test("OW-27 crash") func crash() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("crash")
        try await tenant.action("echo")
        let answer = try await tenant.call("POST", "actions/crash?blocking=true", [:])
        #expect(answer.status == 502)
        let status = answer.json["response"]?["status"]
        #expect(status == "action developer error" || status == "application error")
        #expect(answer.json["response"]?["result"]?["error"] != nil)
        #expect(try await tenant.result("echo", ["a": 1]) == ["a": 1])
        try await tenant.action(
            "exit", nil, ["exec": Tenant.exec("import os\ndef main(args):\n    os._exit(3)\n")])
        let gone = try await tenant.call("POST", "actions/exit?blocking=true", [:])
        #expect(gone.status == 502)
        #expect(
            gone.json["response"]?["result"]?["error"]
                == "The action did not produce a valid response and exited unexpectedly.", "\(gone.text)")
    }

    @Test("OW-28 time limit") func timeLimit() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("sleep", nil, ["limits": ["timeout": 1000]])
        let answer = try await tenant.call("POST", "actions/sleep?blocking=true", ["ms": 2500])
        #expect(answer.status == 502)
        #expect(answer.json["response"]?["status"] == "action developer error")
        #expect(
            answer.json["response"]?["result"]?["error"]
                == "The action exceeded its time limits of 1000 milliseconds.")
        #expect(answer.json["duration"]?.integer ?? 0 >= 1000)
        #expect(answer.json["annotations"]?.annotation("timeout") == true)
        let quick = try await tenant.call("POST", "actions/sleep?blocking=true", ["ms": 200])
        #expect(quick.status == 200 && quick.json["annotations"]?.annotation("timeout") == false)
    }

    @Test("OW-29 array") func array() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("arr")
        let expected: JSONValue = [["key1": "value1"], ["key2": "value2"]]
        let answer = try await tenant.call("POST", "actions/arr?blocking=true", [:])
        #expect(answer.status == 200 && answer.json == expected)
        let record = try await tenant.record(answer.headers.first(name: "x-openwhisk-activation-id"))
        #expect(record["response"]?["result"] == expected && record["response"]?["status"] == "success")
    }

    @Test("OW-30 bad payload") func badPayload() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        for body in ["[1]", "\"x\"", "{", "{\"a\":}", "1"] {
            let answer = try await tenant.send(
                "POST", "actions/echo", Array(body.utf8), type: "application/json")
            expectError(answer, 400)
            #expect(answer.json["error"]?.string?.hasPrefix("The request content was malformed:") ?? false)
        }
        let none = try await tenant.call("POST", "actions/echo?blocking=true&result=true")
        #expect(none.status == 200 && none.json == [:])
    }

    @Test("OW-31 final parameters") func finalParameters() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action(
            "echo", nil,
            [
                "annotations": [["key": "final", "value": true]],
                "parameters": [["key": "x", "value": 1], ["key": "z", "value": nil]],
            ])
        expectError(
            try await tenant.call("POST", "actions/echo", ["x": 2]), 400,
            "Request defines parameters that are not allowed (e.g., reserved properties).")
        let seen = try await tenant.result("echo", ["z": 3, "y": 4])
        #expect(seen["x"] == 1 && seen["z"] == 3 && seen["y"] == 4)
    }

    @Test("OW-32 short wait") func shortWait() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("sleep")
        _ = try await tenant.result("sleep", ["ms": 1])
        let answer = try await tenant.call("POST", "actions/sleep?blocking=true&timeout=500", ["ms": 2000])
        #expect(answer.status == 202)
        let record = try await tenant.record(answer.json["activationId"]?.string)
        #expect(record["response"]?["success"] == true)
        for timeout in ["0", "60001", "x", "-1"] {
            expectError(
                try await tenant.call("POST", "actions/sleep?blocking=true&timeout=\(timeout)", [:]), 400,
                containing: "Timeout must be number of milliseconds up to 60000.")
        }
    }

    @Test("OW-33 payload limit") func payloadLimit() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        for size in [1 << 20, 3 << 20] {
            let answer = try await tenant.call(
                "POST", "actions/echo", ["a": .string(String(repeating: "x", count: size))])
            expectError(answer, 413)
            let text = answer.json["error"]?.string ?? ""
            #expect(text.hasPrefix("Request larger than allowed:") && text.hasSuffix("> 1048576 bytes."), "\(text)")
        }
    }

    @Test("OW-34 bound parameters") func boundParameters() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo", nil, ["parameters": [["key": "a", "value": 1], ["key": "b", "value": 2]]])
        let seen = try await tenant.result("echo", ["b": 3, "c": 4])
        #expect(seen["a"] == 1 && seen["b"] == 3 && seen["c"] == 4 && seen.object?.count == 3)
        // Given parameters replace the list; left out they stay.
        _ = try await tenant.call("PUT", "actions/echo?overwrite=true", ["parameters": [["key": "d", "value": 5]]])
        #expect(try await tenant.result("echo") == ["d": 5])
        _ = try await tenant.call("PUT", "actions/echo?overwrite=true", [:])
        #expect(try await tenant.result("echo") == ["d": 5])
    }

    @Test func theEnvironmentOfARunSaysWhatItIs() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action(
            "env", nil,
            [
                "parameters": [
                    ["key": "TEXT", "value": "t", "init": true], ["key": "NUMBER", "value": 5, "init": true],
                    ["key": "LIST", "value": [1, 2], "init": true], ["key": "NOTHING", "value": nil, "init": true],
                    ["key": "argument", "value": 1],
                ]
            ])
        for _ in 0..<2 {
            let answer = try await tenant.call(
                "POST", "actions/env?blocking=true", [:], headers: [("X-Request-ID", "tx1")])
            let seen = answer.json["response"]?["result"] ?? .null
            #expect(seen["__OW_NAMESPACE"] == .string(tenant.namespace), "\(answer.text)")
            #expect(seen["__OW_ACTION_NAME"] == .string("/\(tenant.namespace)/env"))
            #expect(seen["__OW_ACTION_VERSION"] == "0.0.1")
            #expect(seen["__OW_ACTIVATION_ID"] == answer.json["activationId"])
            #expect(seen["__OW_TRANSACTION_ID"] == "tx1")
            #expect(seen["__OW_API_HOST"] == .string(tenant.url))
            #expect(Int64(seen["__OW_DEADLINE"]?.string ?? "") ?? 0 > Int64(Date().timeIntervalSince1970 * 1000))
            #expect(seen["TEXT"] == "t" && seen["NUMBER"] == "5" && seen["LIST"] == "[1,2]" && seen["NOTHING"] == "")
            #expect(seen["__OW_API_KEY"] == nil && seen["argument"] == nil)
        }
        let shown = try await tenant.call("GET", "actions/env").json["parameters"]
        #expect(shown?.array?.contains(["key": "NUMBER", "value": 5, "init": true]) ?? false)
        // A key comes when it is asked for, and is not the caller's own.
        _ = try await tenant.call(
            "PUT", "actions/env?overwrite=true", ["annotations": [["key": "provide-api-key", "value": true]]])
        let key = try await tenant.result("env")["__OW_API_KEY"]?.string ?? ""
        #expect(key != tenant.auth)
        #expect(try await tenant.call("GET", "/api/v1/namespaces", auth: key).json == [.string(tenant.namespace)])
        _ = try await tenant.call(
            "PUT", "actions/env?overwrite=true", ["annotations": [["key": "provide-api-key", "value": false]]])
        #expect(try await tenant.result("env")["__OW_API_KEY"] == nil)
    }

    @Test("OW-63 not an object, through the API") func notAnObject() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("text")
        let answer = try await tenant.call("POST", "actions/text?blocking=true", [:])
        #expect(answer.status == 502 && answer.json["response"]?["status"] == "action developer error")
        #expect(
            answer.json["response"]?["result"]?["error"] == "The action did not return a dictionary or array.")
    }

    @Test func anActionsMainMayHaveAnyName() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let code = """
            def handle(event, context):
                return {"wrong": True}
            def niam(events, more=None):
                return {"seen": events}
            def main(args):
                return {"main": args}
            """
        try await tenant.action("m", nil, ["exec": ["kind": "python:3", "code": .string(code), "main": "niam"]])
        #expect(try await tenant.result("m", ["a": 1]) == ["seen": ["a": 1]])
        #expect(try await tenant.call("GET", "actions/m").json["exec"]?["main"] == "niam")
        try await tenant.action("n", nil, ["exec": ["kind": "python:3", "code": .string(code)]])
        #expect(try await tenant.result("n", ["a": 1]) == ["main": ["a": 1]])
        #expect(try await tenant.call("GET", "actions/n").json["exec"]?["main"] == nil)
    }
}
