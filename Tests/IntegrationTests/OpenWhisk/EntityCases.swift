import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section B: what holds for all entities and lists.
@Suite("OpenWhisk: entities", .fewAtATime) struct WhiskEntityCases {
    @Test("OW-07 duplicate") func duplicate() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("triggers/e1", [:])
        expectError(
            try await tenant.call("PUT", "actions/e1", ["exec": Tenant.exec(Tenant.helpers["echo"] ?? "")]), 409)
        expectError(try await tenant.call("PUT", "triggers/e1", [:]), 409, "resource already exists")
        let again = try await tenant.call("PUT", "triggers/e1?overwrite=true", [:])
        #expect(again.status == 200 && again.json["version"] == "0.0.2")
    }

    @Test("OW-08 wrong collection") func wrongCollection() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("triggers/e1", [:])
        for (method, path) in [("GET", "actions/e1"), ("DELETE", "actions/e1"), ("GET", "rules/e1")] {
            expectError(
                try await tenant.call(method, path), 409,
                "Resource by this name exists but is not in this collection.")
        }
        expectError(try await tenant.call("POST", "actions/e1", [:]), 409)
    }

    @Test("OW-09 long name") func longName() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let long = String(repeating: "a", count: 257)
        expectError(
            try await tenant.call("GET", "actions/\(long)"), 400, "Name segement longer than allowed: 257 > 256.")
        expectError(
            try await tenant.call("GET", "/api/v1/namespaces/\(long)/actions"), 400,
            "Namespace longer than allowed: 257 > 256.")
        for name in ["a!b", "a%21b", "a%2Fb%21", "-a", "a%20"] {
            expectError(
                try await tenant.call("GET", "actions/\(name)"), 400,
                "The name of the entity contains illegal characters.")
        }
        let name = String(repeating: "a", count: 256)
        try await tenant.action(name, "echo")
        #expect(try await tenant.result(name, ["a": 1])["a"] == 1)
        for odd in ["a b", "a@b.c", "a&b-", "_x"] {
            let path = odd.replacing(" ", with: "%20").replacing("&", with: "%26")
            try await tenant.action(path, "echo")
            #expect(try await tenant.result(path, ["a": 1])["a"] == 1, "\(odd)")
            #expect(try await tenant.call("GET", "actions/\(path)").json["name"] == .string(odd))
        }
    }

    @Test("OW-10 list arguments", arguments: ["actions", "triggers", "rules", "packages", "activations"])
    func listArguments(_ collection: String) async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for (query, text) in [
            ("limit=201", "The value '201' is not in the range of 0 to 200 for \(collection)."),
            ("limit=x", "The value 'x' is not an integer for \(collection)."),
            ("skip=-1", "The value '-1' is not greater than or equal to 0 for \(collection)."),
            ("skip=x", "The value 'x' is not an integer for \(collection)."),
        ] {
            expectError(try await tenant.call("GET", "\(collection)?\(query)"), 400, containing: text)
        }
        let list = try await tenant.call("GET", "\(collection)/?limit=0&skip=0")
        #expect(list.status == 200 && list.json == [], "\(list.text)")
        #expect(try await tenant.call("GET", "\(collection)?count=true").json == .object([collection: 0]))
    }

    @Test("OW-11 list") func list() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("a", "echo")
        try await tenant.action("b", "echo")
        try await tenant.make("packages/p", [:])
        try await tenant.action("p/c", "echo")
        let all = try await tenant.call("GET", "actions")
        #expect(all.status == 200 && all.json.names == ["c", "b", "a"], "\(all.text)")
        let first = all.json.array?.first
        #expect(first?["namespace"] == .string("\(tenant.namespace)/p"))
        for item in all.json.array ?? [] {
            for name in ["namespace", "name", "version", "publish", "annotations", "limits", "exec", "updated"] {
                #expect(item[name] != nil, "\(name)")
            }
            #expect(item["exec"]?["binary"] == false && item["exec"]?["code"] == nil)
        }
        #expect(try await tenant.call("GET", "actions?limit=1&skip=1").json.names == ["b"])
        #expect(try await tenant.call("GET", "actions?count=true").json == ["actions": 3])
        #expect(try await tenant.call("GET", "actions?count=true&skip=1").json == ["actions": 2])
        #expect(try await tenant.call("GET", "actions?limit=0").json.array?.count == 3)
        _ = try await tenant.action("a", "echo", overwrite: true)
        #expect(try await tenant.call("GET", "actions").json.names == ["a", "c", "b"])
    }

    @Test("OW-12 reserved package") func reserved() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        expectError(
            try await tenant.call("PUT", "packages/default", [:]), 400, "Package name 'default' is reserved.")
    }

    @Test("OW-13 versions") func versions() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let made = try await tenant.action("a", "echo")
        #expect(made["version"] == "0.0.1")
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        let updated = try #require(made["updated"]?.integer)
        #expect(abs(updated - now) < 60_000)
        let second = try await tenant.call("PUT", "actions/a?overwrite=true", [:])
        #expect(second.json["version"] == "0.0.2" && second.json["exec"] == made["exec"], "\(second.text)")
        #expect(second.json["updated"]?.integer ?? 0 >= updated)
        let third = try await tenant.call("PUT", "actions/a?overwrite=true", ["version": "2.0.0"])
        #expect(third.json["version"] == "2.0.0")
        #expect(try await tenant.call("PUT", "actions/a?overwrite=true", [:]).json["version"] == "2.0.1")
        for collection in ["triggers", "packages"] {
            try await tenant.make("\(collection)/v-\(collection)", ["version": "1.2.3"])
            let again = try await tenant.call("PUT", "\(collection)/v-\(collection)?overwrite=true", [:])
            #expect(again.json["version"] == "1.2.4", "\(again.text)")
        }
    }

    @Test("OW-14 lenient and strict bodies") func bodies() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let made = try await tenant.action(
            "a", "echo", ["namespace": "_", "name": "p/whatever", "bogus": 1, "limits": .null, "publish": .null])
        #expect(made["name"] == "a" && made["namespace"] == .string(tenant.namespace))
        let bad = try await tenant.call(
            "PUT", "actions/b", ["exec": Tenant.exec("x"), "parameters": ["a": 1]])
        expectError(bad, 400)
        #expect(bad.json["error"]?.string?.hasPrefix("The request content was malformed:") ?? false)
    }

    @Test("OW-15 too large") func tooLarge() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let value = JSONValue.string(String(repeating: "a", count: (1 << 20) + 1))
        for field in ["parameters", "annotations"] {
            let answer = try await tenant.call(
                "PUT", "triggers/t", .object([field: [["key": "k", "value": value]]]))
            expectError(answer, 413)
            let text = answer.json["error"]?.string ?? ""
            #expect(text.hasPrefix("\(field) larger than allowed:") && text.hasSuffix("bytes."), "\(text)")
        }
    }

    @Test("OW-16 delete") func delete() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        try await tenant.wired("t", "r", "echo")
        try await tenant.make("packages/p", [:])
        for (path, name) in [("rules/r", "r"), ("triggers/t", "t"), ("actions/echo", "echo"), ("packages/p", "p")] {
            let gone = try await tenant.call("DELETE", path)
            #expect(gone.status == 200 && gone.json["name"] == .string(name), "\(path): \(gone.text)")
            expectError(try await tenant.call("DELETE", path), 404)
        }
    }
}
