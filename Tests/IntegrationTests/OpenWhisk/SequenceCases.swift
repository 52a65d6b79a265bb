import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section I: sequences; and compositions.
@Suite("OpenWhisk: sequences", .fewAtATime) struct WhiskSequenceCases {
    private func sequence(_ components: [String]) -> JSONValue {
        ["exec": ["kind": "sequence", "components": .array(components.map { .string($0) })]]
    }

    @Test("OW-58 run") func run() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("inc", nil, ["limits": ["memory": 128]])
        try await tenant.action("big", "inc", ["limits": ["memory": 512]])
        try await tenant.make("actions/s", sequence(["/_/inc", "/_/big", "/_/inc"]))
        let answer = try await tenant.call("POST", "actions/s?blocking=true", ["n": 1])
        #expect(answer.status == 200 && answer.json["response"]?["result"] == ["n": 4], "\(answer.text)")
        let ids = (answer.json["logs"]?.array ?? []).compactMap(\.string)
        #expect(ids.count == 3)
        var duration: Int64 = 0
        for id in ids {
            let part = try await tenant.record(id)
            #expect(part["cause"] == answer.json["activationId"])
            #expect(part["annotations"]?.annotation("causedBy") == "sequence")
            duration += part["duration"]?.integer ?? 0
        }
        #expect(answer.json["annotations"]?.annotation("kind") == "sequence")
        #expect(answer.json["annotations"]?.annotation("topmost") == true && answer.json["cause"] == nil)
        #expect(answer.json["duration"]?.integer == duration)
        #expect(answer.json["annotations"]?.annotation("limits")?["memory"] == 512)
        #expect(try await tenant.record(answer.json["activationId"]?.string)["logs"] == answer.json["logs"])
        let shown = try await tenant.call("GET", "actions/s").json
        #expect(shown["exec"]?["components"]?.array?.first == .string("/\(tenant.namespace)/inc"))
        #expect(shown["parameters"]?.annotation("_actions")?.array?.count == 3)
        // An error in what it is given does not stop it.
        #expect(try await tenant.result("s", ["n": 1, "error": "e"])["n"] == 4)
    }

    @Test("OW-59 checks at PUT") func checks() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("inc")
        for (components, text) in [
            ([], "No component specified for the sequence."),
            (["/_/nosuch"], "Sequence component does not exist."),
            (["/_/s"], "Sequence may not refer to itself."),
            (Array(repeating: "/_/inc", count: 51), "Too many actions in the sequence."),
        ] as [([String], String)] {
            expectError(try await tenant.call("PUT", "actions/s", sequence(components)), 400, text)
        }
        expectError(
            try await tenant.call("PUT", "actions/s", ["exec": ["kind": "sequence"]]), 400,
            containing: "'components' must be defined for sequence kind")
        expectError(
            try await tenant.call("PUT", "actions/s", sequence(["inc"])), 400,
            containing: "must contain at least the namespace and the name of the entity")
        // By nesting.
        try await tenant.make("actions/s", sequence(Array(repeating: "/_/inc", count: 30)))
        expectError(
            try await tenant.call("PUT", "actions/u", sequence(["/_/s", "/_/s"])), 400,
            "Too many actions in the sequence.")
        try await tenant.make("actions/u", sequence(["/_/s"]))
        expectError(
            try await tenant.call("PUT", "actions/s?overwrite=true", sequence(["/_/u"])), 400,
            "Sequence may not refer to itself.")
    }

    @Test("OW-60 stop at the first error") func stop() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("fail")
        try await tenant.action("inc")
        try await tenant.make("actions/s", sequence(["/_/fail", "/_/inc"]))
        let answer = try await tenant.call("POST", "actions/s?blocking=true", ["e": "no"])
        #expect(answer.status == 502 && answer.json["response"]?["status"] == "application error", "\(answer.text)")
        #expect(answer.json["response"]?["result"] == ["error": "no"] && answer.json["logs"]?.array?.count == 1)
    }

    @Test func aListIsHandedOnAsItIs() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("arr")
        // Parameters are for objects.
        let turn = "def main(args):\n    return list(reversed(args)) if isinstance(args, list) else args\n"
        try await tenant.make("actions/turn", ["exec": Tenant.exec(turn), "parameters": [["key": "k", "value": 1]]])
        try await tenant.make(
            "actions/count",
            [
                "exec": [
                    "kind": "nodejs:20",
                    "code": "function main(a) { return { isList: Array.isArray(a), n: a.length } }",
                ]
            ])
        try await tenant.make("actions/inner", sequence(["/_/turn"]))
        try await tenant.make("actions/lists", sequence(["/_/arr", "/_/turn"]))
        let turned = try await tenant.call("POST", "actions/lists?blocking=true", [:])
        #expect(turned.status == 200 && turned.json == [["key2": "value2"], ["key1": "value1"]], "\(turned.text)")
        try await tenant.make("actions/nested", sequence(["/_/arr", "/_/inner", "/_/count"]))
        #expect(try await tenant.result("nested") == ["isList": true, "n": 2])
    }

    @Test func sequencesNestAndTheirPartsMayGo() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("inc")
        try await tenant.make("packages/p", ["parameters": [["key": "k", "value": 1]]])
        try await tenant.action("p/echo", "echo")
        try await tenant.make("actions/inner", sequence(["/_/inc", "/_/inc"]))
        try await tenant.make("actions/outer", sequence(["/_/inner", "/_/p/echo"]))
        let answer = try await tenant.call("POST", "actions/outer?blocking=true", ["n": 1])
        #expect(answer.json["response"]?["result"] == ["k": 1, "n": 3], "\(answer.text)")
        let logs = (answer.json["logs"]?.array ?? []).compactMap(\.string)
        #expect(logs.count == 2)
        let inner = try await tenant.record(logs.first)
        #expect(inner["annotations"]?.annotation("topmost") == false && inner["logs"]?.array?.count == 2)
        #expect(inner["cause"] == answer.json["activationId"])
        // The native API and rules run it as any other function.
        let native = try await tenant.admin.call(
            "POST", "/v1/functions/inner/invoke?blocking=true&namespace=\(tenant.namespace)",
            body: Array("{\"n\":5}".utf8))
        #expect(native.json["result"] == ["n": 7], "\(native.text)")
        _ = try await tenant.call("DELETE", "actions/inc")
        let broken = try await tenant.call("POST", "actions/inner?blocking=true", ["n": 1])
        #expect(broken.status == 502)
        #expect(broken.json["response"]?["result"]?["error"] == "Sequence component does not exist.")
        #expect(broken.json["response"]?["status"] == "application error")
    }

    @Test func aConductorSteersAComposition() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("inc")
        let code = """
            def main(args):
                step = args.pop("$step", 0)
                if step == 0:
                    return {"action": "inc", "params": args, "state": {"$step": 1}}
                if step == 1:
                    return {"action": "nosuch", "params": args, "state": {"$step": 2, "n": args["n"]}}
                return {"params": {"n": args["n"], "seen": args.get("error")}}
            """
        try await tenant.action(
            "c", nil,
            [
                "exec": ["kind": "python:3", "code": .string(code)],
                "annotations": [["key": "conductor", "value": true]],
            ])
        let answer = try await tenant.call("POST", "actions/c?blocking=true", ["n": 1])
        #expect(answer.status == 200, "\(answer.text)")
        #expect(
            answer.json["response"]?["result"]
                == [
                    "n": 2,
                    "seen": .string(
                        "Failed to resolve action with name '\(tenant.namespace)/nosuch' during composition."),
                ], "\(answer.text)")
        #expect(answer.json["annotations"]?.annotation("conductor") == true)
        #expect(answer.json["annotations"]?.annotation("kind") == "sequence")
        let logs = (answer.json["logs"]?.array ?? []).compactMap(\.string)
        #expect(logs.count == 4)
        for id in logs {
            let part = try await tenant.record(id)
            #expect(part["cause"] == answer.json["activationId"])
            #expect(part["annotations"]?.annotation("causedBy") == "sequence")
        }
    }
}
