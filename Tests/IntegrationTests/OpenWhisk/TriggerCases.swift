import NIOHTTP1
import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section F: triggers and rules.
@Suite("OpenWhisk: triggers and rules", .fewAtATime) struct WhiskTriggerCases {
    private func lines(_ record: JSONValue) throws -> [JSONValue] {
        try (record["logs"]?.array ?? []).map { try JSONValue(parsing: $0.string ?? "") }
    }

    @Test("OW-39 fire without rules") func fireWithoutRules() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("triggers/t", [:])
        let answer = try await tenant.call("POST", "triggers/t", [:])
        #expect(answer.status == 204 && answer.body.isEmpty)
        #expect(try await tenant.call("GET", "activations?name=t").json == [])
        expectError(try await tenant.call("POST", "triggers/nosuch", [:]), 404)
    }

    @Test("OW-40 fire") func fire() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.make("triggers/t", ["parameters": [["key": "a", "value": 1], ["key": "b", "value": 1]]])
        try await tenant.wired("t", "r", "echo")
        let answer = try await tenant.call("POST", "triggers/t", ["b": 2], headers: [("X-Custom", "seen")])
        #expect(answer.status == 202)
        let id = try #require(answer.json["activationId"]?.string)
        #expect(answer.headers.first(name: "x-openwhisk-activation-id") == id)
        let record = try await tenant.record(id)
        #expect(record["name"] == "t" && record["response"]?["result"] == ["b": 2] && record["end"] == nil)
        #expect(record["duration"] == nil && record["response"]?["success"] == true)
        let line = try #require(try lines(record).first)
        #expect(try lines(record).count == 1)
        #expect(line["statusCode"] == 0 && line["success"] == true)
        #expect(line["rule"] == .string("\(tenant.namespace)/r"))
        #expect(line["action"] == .string("\(tenant.namespace)/echo"))
        let run = try await tenant.record(line["activationId"]?.string)
        let seen = run["response"]?["result"]
        #expect(run["name"] == "echo" && seen?["a"] == 1 && seen?["b"] == 2, "\(run.text)")
        let headers = try #require(seen?["__ow_headers"]?.object)
        #expect(headers.names.allSatisfy { $0 == $0.lowercased() })
        #expect(headers["x-custom"] == "seen")
        // Credentials never reach an action unasked.
        #expect(headers["authorization"] == nil && !run.text.contains("Basic "))
        let summary = try await tenant.call("GET", "activations?name=t").json.array?.first
        #expect(summary?["activationId"] == .string(id) && summary?["end"] == nil && summary?["statusCode"] == nil)
        #expect(try await tenant.call("POST", "triggers/t").status == 202)
        expectError(try await tenant.call("POST", "triggers/t", [1]), 400)
    }

    @Test("OW-41 inactive rule in the record") func inactiveRule() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.action("hello")
        try await tenant.wired("t", "r", "echo")
        try await tenant.wired("t", "r2", "hello")
        #expect(try await tenant.call("POST", "rules/r2", ["status": "inactive"]).status == 200)
        let answer = try await tenant.call("POST", "triggers/t", [:])
        let found = try lines(try await tenant.record(answer.json["activationId"]?.string))
        #expect(found.count == 2 && found[0]["statusCode"] == 0)
        #expect(found[1]["statusCode"] == 1 && found[1]["success"] == false && found[1]["activationId"] == nil)
        #expect(
            found[1]["error"]
                == .string(
                    "Rule '\(tenant.namespace)/r2' is inactive, action '\(tenant.namespace)/hello' was not activated."))
        _ = try await tenant.record(found[0]["activationId"]?.string)
        // Made active again it takes what comes, and not what came before.
        #expect(try await tenant.call("POST", "rules/r2", ["status": "active"]).status == 200)
        let second = try await tenant.call("POST", "triggers/t", [:])
        let now = try lines(try await tenant.record(second.json["activationId"]?.string))
        for line in now { _ = try await tenant.record(line["activationId"]?.string) }
        #expect(try await tenant.call("GET", "activations?name=hello").json.array?.count == 1)
        #expect(try await tenant.call("GET", "activations?name=echo").json.array?.count == 2)
    }

    @Test("OW-42 feed annotation") func feedAnnotation() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for (index, feed) in (["/guest/p/f", "xyz"] as [JSONValue]).enumerated() {
            try await tenant.make("triggers/t\(index)", ["annotations": [["key": "feed", "value": feed]]])
        }
        for feed in ["", "a,b", 1] as [JSONValue] {
            expectError(
                try await tenant.call("PUT", "triggers/bad", ["annotations": [["key": "feed", "value": feed]]]), 400,
                "Feed name is not valid")
        }
    }

    @Test("OW-43 new rule") func newRule() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.make("triggers/t", [:])
        #expect(try await tenant.call("GET", "triggers/t").json["rules"] == nil)
        let made = try await tenant.call(
            "PUT", "rules/r", ["trigger": "/_/t", "action": "/_/echo", "status": ""])
        #expect(made.status == 200 && made.json["status"] == "active")
        let ns = JSONValue.string(tenant.namespace)
        #expect(
            made.json["trigger"] == ["path": ns, "name": "t"] && made.json["action"] == ["path": ns, "name": "echo"])
        let trigger = try await tenant.call("GET", "triggers/t").json
        #expect(
            trigger["rules"]
                == .object([
                    "\(tenant.namespace)/r": ["action": ["path": ns, "name": "echo"], "status": "active"]
                ]))
        #expect(trigger["limits"] == [:])
        let list = try await tenant.call("GET", "rules").json.array?.first
        #expect(list?["name"] == "r" && list?["status"] == nil && list?["trigger"] == ["path": ns, "name": "t"])
        // A second one of the name, and an update of one part.
        expectError(
            try await tenant.call("PUT", "rules/r", ["trigger": "/_/t", "action": "/_/echo"]), 409,
            "resource already exists")
        try await tenant.action("hello")
        let moved = try await tenant.call("PUT", "rules/r?overwrite=true", ["action": "/_/hello"])
        #expect(moved.json["version"] == "0.0.2" && moved.json["action"]?["name"] == "hello", "\(moved.text)")
        #expect(moved.json["trigger"]?["name"] == "t" && moved.json["status"] == "active")
    }

    @Test("OW-44 bad references") func badReferences() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.make("triggers/t", [:])
        expectError(
            try await tenant.call("PUT", "rules/r", ["trigger": "/_/nosuch", "action": "/_/echo"]), 400,
            "trigger /\(tenant.namespace)/nosuch does not exist")
        expectError(
            try await tenant.call("PUT", "rules/r", ["trigger": "/_/t", "action": "/_/nosuch"]), 400,
            "action /\(tenant.namespace)/nosuch does not exist")
        expectError(
            try await tenant.call("PUT", "rules/r", [:]), 400,
            "rule requires a valid trigger and a valid action")
        expectError(try await tenant.call("PUT", "rules/r", ["trigger": "t", "action": "echo"]), 400)
    }

    @Test("OW-45 switch") func switching() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.wired("t", "r", "echo")
        for _ in 0..<2 {
            let answer = try await tenant.call(
                "POST", "rules/r", ["status": "inactive", "trigger": nil, "action": nil])
            #expect(answer.status == 200 && answer.body.isEmpty)
        }
        #expect(try await tenant.call("GET", "rules/r").json["status"] == "inactive")
        #expect(try await tenant.call("POST", "triggers/t", [:]).status == 204)
        // The update of a rule keeps its state.
        let updated = try await tenant.call(
            "PUT", "rules/r?overwrite=true", ["trigger": "/_/t", "action": "/_/echo"])
        #expect(updated.json["status"] == "inactive")
        #expect(try await tenant.call("POST", "rules/r", ["status": "active"]).status == 200)
        #expect(try await tenant.call("GET", "rules/r").json["status"] == "active")
        expectError(try await tenant.call("POST", "rules/r", [:]), 400)
        expectError(try await tenant.call("POST", "rules/r", ["status": "xx"]), 400)
        expectError(try await tenant.call("POST", "rules/nosuch", ["status": "active"]), 404)
        // Without its trigger a rule stays, inactive.
        #expect(try await tenant.call("DELETE", "triggers/t").status == 200)
        #expect(try await tenant.call("GET", "rules/r").json["status"] == "inactive")
        #expect(try await tenant.call("POST", "rules/r", ["status": "inactive"]).status == 200)
        expectError(
            try await tenant.call("POST", "rules/r", ["status": "active"]), 404,
            "Only rules with existing triggers can be activated")
        try await tenant.make("triggers/t", [:])
        #expect(try await tenant.call("POST", "triggers/t", [:]).status == 204)
        #expect(try await tenant.call("POST", "rules/r", ["status": "active"]).status == 200)
        let fired = try await tenant.call("POST", "triggers/t", ["x": 1])
        let line = try #require(
            try lines(try await tenant.record(fired.json["activationId"]?.string)).first)
        #expect(try await tenant.record(line["activationId"]?.string)["response"]?["result"]?["x"] == 1)
    }

    @Test("OW-46 delete an active rule") func deleteRule() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.wired("t", "r", "echo")
        let gone = try await tenant.call("DELETE", "rules/r")
        #expect(gone.status == 200 && gone.json["status"] == "inactive" && gone.json["name"] == "r")
        #expect(try await tenant.call("GET", "triggers/t").json["rules"]?["\(tenant.namespace)/r"] == nil)
        #expect(try await tenant.call("POST", "triggers/t", [:]).status == 204)
    }

    @Test func aFailingActionIsRunOnceAndItsRuleGoesOn() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("crash")
        try await tenant.wired("t", "r", "crash")
        for _ in 0..<2 {
            let fired = try await tenant.call("POST", "triggers/t", [:])
            let line = try #require(
                try lines(try await tenant.record(fired.json["activationId"]?.string)).first)
            #expect(try await tenant.record(line["activationId"]?.string)["response"]?["success"] == false)
        }
        #expect(try await tenant.call("GET", "activations?name=crash").json.array?.count == 2)
    }

    @Test func whatOneAPIMakesTheOtherShows() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.wired("t", "r", "echo")
        let ns = "namespace=\(tenant.namespace)"
        let function = try await tenant.admin.call("GET", "/v1/functions/echo?\(ns)").json
        #expect(function["spec"]?["runtime"] == "python" && function["spec"]?["code"]?.string != nil)
        #expect(try await tenant.admin.call("GET", "/v1/channels/t?\(ns)").status == 200)
        let subscription = try await tenant.admin.call("GET", "/v1/subscriptions/r?\(ns)").json
        #expect(subscription["spec"]?["channel"] == "t" && subscription["spec"]?["sink"] == "function:echo")

        // Filter, dead letters, order and retry of the native API outlive an update by an old client.
        var spec = try #require(subscription["spec"]?.object)
        spec["filters"] = [["sql": "type LIKE '%fired'"]]
        var delivery = spec["delivery"]?.object ?? [:]
        delivery["deadLetter"] = "failed"
        delivery["order"] = "key"
        spec["delivery"] = .object(delivery)
        #expect(try await tenant.admin.put("/v1/channels/failed?\(ns)", [:]).status == 201)
        let changed = try await tenant.admin.put("/v1/subscriptions/r?\(ns)", .object(spec))
        #expect(changed.status == 200, "\(changed.text)")
        let updated = try await tenant.call(
            "PUT", "rules/r?overwrite=true",
            [
                "trigger": "/_/t", "action": "/_/echo", "status": "",
                "annotations": [["key": "description", "value": "x"]],
            ])
        #expect(updated.status == 200)
        let after = try await tenant.admin.call("GET", "/v1/subscriptions/r?\(ns)").json
        #expect(after["spec"] == changed.json["resource"]?["spec"], "\(after.text)")
        #expect(try await tenant.call("GET", "rules/r").json["annotations"]?.annotation("description") == "x")
        let fired = try await tenant.call("POST", "triggers/t", ["n": 7])
        let line = try #require(
            try lines(try await tenant.record(fired.json["activationId"]?.string)).first)
        #expect(try await tenant.record(line["activationId"]?.string)["response"]?["result"]?["n"] == 7)

        // What the native API makes is an action, a trigger and a rule here.
        let upload = TestClient.upload("native.py", Array("def handle(event, context):\n    return None\n".utf8))
        #expect(try await tenant.admin.put("/v1/functions/native?\(ns)", upload).status == 201)
        #expect(try await tenant.admin.put("/v1/channels/events?\(ns)", [:]).status == 201)
        #expect(
            try await tenant.admin.put(
                "/v1/subscriptions/sub?\(ns)", ["channel": "events", "sink": "function:native"]
            ).status == 201)
        let action = try await tenant.call("GET", "actions/native").json
        #expect(action["exec"]?["kind"] == "python:3" && action["version"] == "0.0.1", "\(action.text)")
        #expect(try await tenant.result("native") == [:])
        #expect(try await tenant.call("GET", "triggers/events").status == 200)
        #expect(try await tenant.call("GET", "rules/sub").json["action"]?["name"] == "native")
        let run = try await tenant.admin.call(
            "POST", "/v1/functions/echo/invoke?blocking=true&\(ns)", body: Array("{\"a\":1}".utf8))
        #expect(run.json["result"] == ["a": 1])
        let seen = try await tenant.record(run.json["id"]?.string)
        #expect(seen["annotations"]?.annotation("kind") == .string(Tenant.kind))
    }
}
