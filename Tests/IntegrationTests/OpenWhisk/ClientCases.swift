import CloudEvents
import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// What OpenWhisk's clients send and count on, beyond the numbered cases.
@Suite("OpenWhisk: clients", .fewAtATime) struct WhiskClientCases {
    /// The Go client's structures leave nothing out: what is not said is null or "".
    @Test func whatIsLeftEmptyIsNotSaid() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let head: JSONObject = [
            "namespace": "_", "version": "", "publish": false, "annotations": nil, "parameters": nil, "limits": nil,
        ]
        func body(_ more: JSONObject) -> JSONValue {
            var members = head
            for member in more.members { members[member.name] = member.value }
            return .object(members)
        }
        let exec: JSONValue = [
            "kind": "python:default", "code": .string(Tenant.helpers["echo"] ?? ""), "main": "", "image": "",
            "components": nil, "binary": false,
        ]
        for round in 1...2 {
            let made = try await tenant.call(
                "PUT", "actions/a?overwrite=\(round == 2)", body(["name": "a", "exec": exec]))
            #expect(made.status == 200 && made.json["version"] == .string("0.0.\(round)"), "\(made.text)")
            #expect(made.json["exec"]?["kind"] == "python:3" && made.json["exec"]?["main"] == nil, "\(made.text)")
        }
        #expect(try await tenant.result("a", ["x": 1]) == ["x": 1])
        let limits: JSONValue = ["timeout": nil, "memory": nil, "logs": nil, "concurrency": nil]
        let again = try await tenant.call("PUT", "actions/a?overwrite=true", ["exec": nil, "limits": limits])
        #expect(again.status == 200 && again.json["limits"]?["memory"] == 256, "\(again.text)")
        expectError(try await tenant.call("PUT", "actions/b", ["exec": nil]), 400, "exec undefined")

        try await tenant.make("triggers/t?overwrite=false", body(["name": "t", "rules": nil]))
        try await tenant.make("packages/p?overwrite=false", body(["name": "p", "binding": [:]]))
        try await tenant.make("packages/q?overwrite=false", body(["name": "q", "binding": nil]))
        try await tenant.make(
            "rules/r?overwrite=false", body(["name": "r", "trigger": "/_/t", "action": "/_/a", "status": ""]))
        // An update names what it changes and leaves the rest empty.
        try await tenant.make("rules/r?overwrite=true", body(["name": "r", "trigger": "", "action": "/_/a"]))
        let fired = try await tenant.call("POST", "triggers/t", ["n": 1])
        #expect(fired.status == 202, "\(fired.text)")
        // Lists are asked for as the command line does it.
        for path in ["actions", "triggers", "rules", "packages", "activations"] {
            for query in ["?limit=0", "/?limit=30&skip=0", "?limit=30&skip=0&docs=false&bogus=1"] {
                let list = try await tenant.call("GET", path + query)
                #expect(list.status == 200 && list.json.array != nil, "\(path)\(query): \(list.text)")
            }
            #expect(try await tenant.call("POST", path, [:]).status == 405)
        }
    }

    @Test(arguments: ["a b", "a@b", "a.b", "a&b", "_a", "a-", "9a", String(repeating: "n", count: 256)])
    func everyNameThatIsAllowedWorks(_ name: String) async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let escaped = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? name
        try await tenant.make("actions/\(escaped)", ["exec": Tenant.exec(Tenant.helpers["echo"] ?? "")])
        #expect(try await tenant.call("GET", "actions/\(escaped)").json["name"] == .string(name))
        #expect(try await tenant.result(escaped, ["a": 1]) == ["a": 1])
        expectError(
            try await tenant.call("PUT", "triggers/\(escaped)", [:]), 409,
            "Resource by this name exists but is not in this collection.")
        #expect(try await tenant.call("DELETE", "actions/\(escaped)").status == 200)
        expectError(try await tenant.call("GET", "actions/\(escaped)"), 404)
        let trigger = try await tenant.call("PUT", "triggers/\(escaped)", [:])
        #expect(trigger.status == 200 && trigger.json["name"] == .string(name), "\(trigger.text)")
    }

    @Test(arguments: ["-a", ".a", "a%20", "%C3%BC", "a%21b", "a%25b"])
    func noOtherNameIsTaken(_ name: String) async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for collection in ["actions", "triggers", "rules", "packages"] {
            expectError(
                try await tenant.call("PUT", "\(collection)/\(name)", [:]), 400,
                "The name of the entity contains illegal characters.")
        }
    }

    @Test func whatAcceptExcludesIsNotSent() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let refused = try await tenant.call("GET", "actions", headers: [("Accept", "text/html")])
        expectError(refused, 406)
        for accept in ["application/json", "*/*", "application/json, text/plain, */*", "text/html, */*;q=0.1"] {
            #expect(try await tenant.call("GET", "actions", headers: [("Accept", accept)]).status == 200)
        }
    }

    @Test func limitsHoldAtTheirEdges() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let code = "def main(args):\n    print('said')\n    return {'x': 'a' * args['n']}\n"
        try await tenant.make("actions/long", ["exec": Tenant.exec(code), "limits": ["logs": 0, "instances": 3]])
        expectError(
            try await tenant.call("PUT", "actions/long?overwrite=true", ["limits": ["instances": 100_000]]), 400,
            containing: "Max action instance concurrency must not exceed your namespace concurrency of ")
        // {"x":""} takes eight bytes of the megabyte.
        let fitting = try await tenant.call(
            "POST", "actions/long?blocking=true&result=true", ["n": .integer((1 << 20) - 8)])
        #expect(fitting.status == 200 && fitting.body.count == 1 << 20, "\(fitting.text.prefix(200))")
        let over = try await tenant.call("POST", "actions/long?blocking=true", ["n": .integer((1 << 20) - 7)])
        #expect(over.status == 502 && over.json["response"]?["status"] == "application error")
        let text = over.json["response"]?["result"]?["error"]?.string ?? ""
        #expect(
            text.hasPrefix(
                "The action produced a response that exceeded the allowed length: 1048577 > 1048576 bytes."), "\(text)")
        let record = try await tenant.record(over.json["activationId"]?.string)
        #expect(record["logs"] == [], "nothing is collected, and nothing is said to be missing")
        let whole =
            Array("{\"n\":1,\"y\":\"".utf8) + [UInt8](repeating: 0x61, count: (1 << 20) - 14) + Array("\"}".utf8)
        let sent = try await tenant.send(
            "POST", "actions/long?blocking=true&result=true", whole, type: "application/json")
        #expect(whole.count == 1 << 20 && sent.json == ["x": "a"], "\(sent.text.prefix(200))")
    }

    @Test func aBindingOutlivesItsPackage() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let other = try await WhiskSite.shared.tenant("other")
        try await tenant.make("packages/p", ["publish": true])
        try await tenant.action("p/echo")
        try await tenant.make("packages/b", ["binding": ["namespace": "_", "name": "p"]])
        try await other.make(
            "packages/b", ["binding": ["namespace": .string(tenant.namespace), "name": "p"]])
        #expect(try await other.result("b/echo", ["a": 1]) == ["a": 1])
        #expect(try await tenant.call("DELETE", "packages/p?force=true").status == 200)
        expectError(try await tenant.call("GET", "packages/b"), 404)
        expectError(try await tenant.call("GET", "actions/b/"), 404)
        expectError(try await tenant.call("POST", "actions/b/echo", [:]), 404)
        // What is missing elsewhere looks like what is forbidden.
        expectError(try await other.call("GET", "packages/b"), 403)
        #expect(try await tenant.call("DELETE", "packages/b").status == 200)
    }

    @Test func aRuleFollowsItsTrigger() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.wired("one", "r", "echo")
        try await tenant.make("triggers/two", [:])
        #expect(try await tenant.call("DELETE", "triggers/one").status == 200)
        #expect(try await tenant.call("GET", "rules/r").json["status"] == "inactive")
        expectError(
            try await tenant.call("POST", "rules/r", ["status": "active"]), 404,
            "Only rules with existing triggers can be activated")
        #expect(try await tenant.call("POST", "rules/r", ["status": "inactive"]).status == 200)
        // A new trigger of the name is another one: its rule must be switched on.
        try await tenant.make("triggers/one", [:])
        #expect(try await tenant.call("POST", "triggers/one", [:]).status == 204)
        #expect(try await tenant.call("POST", "rules/r", ["status": "active"]).status == 200)
        #expect(try await ran(tenant, "one", ["n": 1])?["n"] == 1)
        try await tenant.make("rules/r?overwrite=true", ["trigger": "/_/two"])
        #expect(try await tenant.call("POST", "triggers/one", [:]).status == 204)
        #expect(try await ran(tenant, "two", ["n": 2])?["n"] == 2)
    }

    /// What the one run of a firing was given.
    private func ran(_ tenant: Tenant, _ trigger: String, _ payload: JSONValue) async throws -> JSONValue? {
        let fired = try await tenant.call("POST", "triggers/\(trigger)", payload)
        #expect(fired.status == 202, "\(fired.text)")
        let record = try await tenant.record(fired.json["activationId"]?.string)
        let line = try JSONValue(parsing: record["logs"]?.array?.first?.string ?? "{}")
        return try await tenant.record(line["activationId"]?.string)["response"]?["result"]
    }

    @Test func ofManyWritersAtOnceEachIsTakenOrToldSo() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("triggers/t", [:])
        func all(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Int) async throws -> [Int] {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<count { group.addTask { try await body(index) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        let updates = try await all(16) { index in
            try await tenant.call(
                "PUT", "triggers/t?overwrite=true", ["annotations": [["key": "n", "value": .integer(Int64(index))]]]
            ).status
        }
        #expect(updates.contains(200) && updates.allSatisfy { $0 == 200 || $0 == 409 }, "\(updates)")
        let version = try await tenant.call("GET", "triggers/t").json["version"]
        #expect(version == .string("0.0.\(1 + updates.count { $0 == 200 })"), "each that was taken counts")
        let made = try await all(8) { _ in
            try await tenant.call("PUT", "actions/a", ["exec": Tenant.exec(Tenant.helpers["echo"] ?? "")]).status
        }
        #expect(made.count { $0 == 200 } == 1 && made.allSatisfy { $0 == 200 || $0 == 409 }, "\(made)")
        // Calls go on while what they call is changed.
        async let calls = all(40) { index in
            try await tenant.call("POST", "actions/a?blocking=true&result=true", ["n": .integer(Int64(index))]).status
        }
        for round in 0..<5 {
            try await tenant.make(
                "actions/a?overwrite=true",
                ["exec": Tenant.exec("# \(round)\n" + (Tenant.helpers["echo"] ?? ""))])
        }
        #expect(try await calls.allSatisfy { $0 == 200 })
    }

    @Test func whereNothingRunsImagesTheyAreKeptAndTheReasonIsGiven() async throws {
        let folder = try TemporaryDirectory("weir-whisk-images")
        let server = try await ServerProcess(
            data: folder.file("data"), arguments: ["--container-engine", "none"])
        let made = try await server.client.call("POST", "/v1/keys?namespace=guest")
        let tenant = Tenant(
            url: server.url, namespace: "guest", auth: made.json["auth"]?.string ?? "", admin: server.client)
        try await tenant.make("actions/image", ["exec": ["kind": "blackbox", "image": "some/image"]])
        let run = try await tenant.call("POST", "actions/image?blocking=true", [:])
        #expect(run.status == 500 && run.json["response"]?["status"] == "whisk internal error", "\(run.text)")
        #expect(run.text.contains("--container-engine none"), "\(run.text)")
        server.kill9()
    }

    @Test func whoAsksForTooMuchAtOnceIsToldWhen() async throws {
        let folder = try TemporaryDirectory("weir-whisk-limits")
        let server = try await ServerProcess(
            data: folder.file("data"), arguments: ["--openwhisk-concurrent", "1"])
        let made = try await server.client.call("POST", "/v1/keys?namespace=guest")
        let tenant = Tenant(
            url: server.url, namespace: "guest", auth: made.json["auth"]?.string ?? "", admin: server.client)
        try await tenant.action("sleep")
        // One after the other they are let in.
        for _ in 0..<3 {
            #expect(try await tenant.call("POST", "actions/sleep?blocking=true", ["ms": 1]).status == 200)
        }
        let first = try await tenant.call("POST", "actions/sleep", ["ms": 60_000])
        #expect(first.status == 202)
        let second = try await tenant.call("POST", "actions/sleep?blocking=true", ["ms": 1])
        expectError(second, 429, "Too many concurrent requests in flight (count: 1, allowed: 1).")
        #expect(second.headers.first(name: "retry-after") != nil)
        #expect(try await tenant.call("GET", "limits").json["concurrentInvocations"] == 1)
        server.kill9()
    }
}
