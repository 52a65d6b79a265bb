import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section G: packages and bindings.
@Suite("OpenWhisk: packages", .fewAtATime) struct WhiskPackageCases {
    @Test("OW-47 contents") func contents() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("packages/p", [:])
        try await tenant.action("p/a", "echo")
        try await tenant.action("p/f", "echo", ["annotations": [["key": "feed", "value": true]]])
        let shown = try await tenant.call("GET", "packages/p").json
        #expect(shown["actions"]?.names == ["a"] && shown["feeds"]?.names == ["f"] && shown["binding"] == [:])
        for list in ["actions", "feeds"] {
            let item = shown[list]?.array?.first
            #expect(item?["version"] == "0.0.1" && item?["annotations"]?.array != nil)
        }
        let list = try await tenant.call("GET", "packages").json.array?.first
        #expect(list?["binding"] == false && list?["name"] == "p")
        expectError(try await tenant.call("POST", "packages/p", [:]), 405)
    }

    @Test("OW-48 delete with contents") func deleteWithContents() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("packages/p", [:])
        try await tenant.action("p/a", "echo")
        expectError(
            try await tenant.call("DELETE", "packages/p"), 409,
            "Package not empty (contains 1 entity). Set force param or delete package contents.")
        try await tenant.action("p/b", "echo")
        expectError(
            try await tenant.call("DELETE", "packages/p"), 409,
            "Package not empty (contains 2 entities). Set force param or delete package contents.")
        #expect(try await tenant.call("DELETE", "packages/p?force=true").status == 200)
        expectError(try await tenant.call("GET", "actions/p/a"), 404)
        expectError(try await tenant.call("GET", "packages/p"), 404)
    }

    @Test("OW-49 bind") func bind() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let ns = JSONValue.string(tenant.namespace)
        func binding(_ name: String, namespace: JSONValue? = nil) -> JSONValue {
            ["binding": ["namespace": namespace ?? ns, "name": .string(name)]]
        }
        expectError(
            try await tenant.call("PUT", "packages/b", binding("nosuch")), 400,
            "Binding references a package that does not exist.")
        try await tenant.make("packages/p", [:])
        try await tenant.make("packages/b", binding("p", namespace: "_"))
        let shown = try await tenant.call("GET", "packages/b").json
        #expect(shown["binding"] == ["namespace": ns, "name": "p"])
        #expect(shown["annotations"]?.annotation("binding") == ["namespace": ns, "name": "p"])
        expectError(
            try await tenant.call("PUT", "packages/c", binding("b")), 400, "Cannot bind to another package binding.")
        expectError(
            try await tenant.call("PUT", "packages/p?overwrite=true", binding("p")), 409,
            "Resource is a package and cannot be converted into a binding.")
        try await tenant.action("echo")
        expectError(
            try await tenant.call("PUT", "packages/c", binding("echo")), 409,
            "Cannot bind to a resource that is not a package.")
        expectError(
            try await tenant.call("PUT", "actions/b/x", ["exec": Tenant.exec("x")]), 400,
            "Operation not permitted on package binding.")
        expectError(
            try await tenant.call("DELETE", "actions/b/x"), 400, "Operation not permitted on package binding.")
        // A package that others bind may go; using the binding then finds nothing.
        #expect(try await tenant.call("DELETE", "packages/p").status == 200)
        expectError(try await tenant.call("GET", "packages/b"), 404)
        expectError(try await tenant.call("POST", "actions/b/x", [:]), 404)
        #expect(try await tenant.call("DELETE", "packages/b").status == 200)
    }

    @Test("OW-50 parameters through a binding") func parameters() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        func list(_ pairs: [(String, Int64)]) -> JSONValue {
            .array(pairs.map { ["key": .string($0.0), "value": .integer($0.1)] })
        }
        try await tenant.make("packages/p", ["parameters": list([("a", 1), ("b", 1), ("c", 1)])])
        try await tenant.make(
            "packages/b",
            ["binding": ["namespace": "_", "name": "p"], "parameters": list([("b", 2), ("c", 2)])])
        try await tenant.action("p/echo", "echo", ["parameters": list([("c", 3)])])
        let seen = try await tenant.result("b/echo", ["d": 4])
        for (name, value) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] as [(String, Int64)] {
            #expect(seen[name]?.integer == value, "\(seen.text)")
        }
        #expect(seen.object?.count == 4)
        #expect(try await tenant.result("p/echo")["b"] == 1)
        let record = try await tenant.call("POST", "actions/b/echo?blocking=true", [:]).json
        #expect(record["annotations"]?.annotation("path") == .string("\(tenant.namespace)/p/echo"))
        #expect(record["annotations"]?.annotation("binding") == .string("\(tenant.namespace)/b"))
        #expect(record["name"] == "echo")
        let shown = try await tenant.call("GET", "actions/b/echo").json["parameters"]
        #expect(shown?.annotation("a") == 1 && shown?.annotation("b") == 2 && shown?.annotation("c") == 3)
        let package = try await tenant.call("GET", "packages/b").json
        #expect(package["parameters"]?.annotation("a") == 1 && package["parameters"]?.annotation("b") == 2)
        #expect(package["actions"]?.names == ["echo"])
        // The native API and rules lead through the binding as well.
        let native = try await tenant.admin.call(
            "POST", "/v1/functions/b/echo/invoke?blocking=true&namespace=\(tenant.namespace)", body: Array("{}".utf8))
        #expect(native.json["result"]?["b"] == 2, "\(native.text)")
        // What the package hands down is looked at anew when it changes.
        _ = try await tenant.call("PUT", "packages/p?overwrite=true", ["parameters": list([("a", 9)])])
        #expect(try await tenant.result("b/echo")["a"] == 9)
    }

    @Test("OW-51 the slash") func slash() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.make("packages/p", [:])
        try await tenant.action("p/a", "echo")
        try await tenant.action("q", "echo")
        let list = try await tenant.call("GET", "actions/p/?limit=30&skip=0")
        #expect(list.status == 200 && list.json.names == ["a"])
        expectError(
            try await tenant.call("GET", "actions/p"), 409,
            "Resource by this name exists but is not in this collection.")
        expectError(try await tenant.call("PUT", "actions/nosuch/a", ["exec": Tenant.exec("x")]), 404)
        expectError(try await tenant.call("GET", "actions/p/a/b"), 404, "The requested resource could not be found.")
    }

    @Test func aPublicPackageIsForOthersAndAPrivateOneIsNot() async throws {
        let owner = try await WhiskSite.shared.tenant("owner")
        let guest = try await WhiskSite.shared.tenant()
        try await owner.make("packages/open", ["publish": true, "parameters": [["key": "a", "value": 1]]])
        try await owner.make("packages/closed", [:])
        for package in ["open", "closed"] { try await owner.action("\(package)/echo", "echo") }
        let theirs = "/api/v1/namespaces/\(owner.namespace)"
        #expect(try await guest.call("GET", "\(theirs)/packages/open").status == 200)
        #expect(try await guest.call("GET", "\(theirs)/actions/open/").json.names == ["echo"])
        #expect(try await guest.call("GET", "\(theirs)/packages").json.names == ["open"])
        #expect(try await guest.call("GET", "/api/v1/namespaces/nobody-knows/packages").json == [])
        let run = try await guest.call("POST", "\(theirs)/actions/open/echo?blocking=true", ["b": 2])
        #expect(run.status == 200 && run.json["response"]?["result"] == ["a": 1, "b": 2], "\(run.text)")
        // The record is of who asked.
        #expect(run.json["namespace"] == .string(guest.namespace))
        #expect(run.json["annotations"]?.annotation("path") == .string("\(owner.namespace)/open/echo"))
        #expect(try await guest.record(run.json["activationId"]?.string)["name"] == "echo")
        #expect(try await owner.call("GET", "activations").json == [])
        for path in ["packages/closed", "actions/closed/echo", "actions/open2/echo", "actions/echo", "packages/none"] {
            expectError(try await guest.call("GET", "\(theirs)/\(path)"), 403)
        }
        expectError(try await guest.call("POST", "\(theirs)/actions/closed/echo", [:]), 403)
        expectError(try await guest.call("PUT", "\(theirs)/actions/open/x", ["exec": Tenant.exec("x")]), 403)
        expectError(try await guest.call("DELETE", "\(theirs)/actions/open/echo"), 403)
        let bound: JSONValue = ["binding": ["namespace": .string(owner.namespace), "name": "open"]]
        try await guest.make("packages/mine", bound)
        #expect(try await guest.result("mine/echo", ["c": 3]) == ["a": 1, "c": 3])
        expectError(
            try await guest.call(
                "PUT", "packages/other", ["binding": ["namespace": .string(owner.namespace), "name": "closed"]]), 403)
        // A rule may run a public action of another.
        try await guest.make("triggers/t", [:])
        try await guest.make(
            "rules/r", ["trigger": "/_/t", "action": .string("/\(owner.namespace)/open/echo")])
        let fired = try await guest.call("POST", "triggers/t", ["x": 1])
        let record = try await guest.record(fired.json["activationId"]?.string)
        let line = try JSONValue(parsing: record["logs"]?.array?.first?.string ?? "")
        let seen = try await guest.record(line["activationId"]?.string)
        #expect(seen["response"]?["result"]?["x"] == 1 && seen["response"]?["result"]?["a"] == 1, "\(seen.text)")
        // Withdrawn, it is closed to those who had bound it.
        _ = try await owner.call("PUT", "packages/open?overwrite=true", ["publish": false])
        expectError(try await guest.call("POST", "actions/mine/echo", [:]), 403)
    }
}
