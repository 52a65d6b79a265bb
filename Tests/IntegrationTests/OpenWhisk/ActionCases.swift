import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section C: actions.
@Suite("OpenWhisk: actions", .fewAtATime) struct WhiskActionCases {
    @Test("OW-17 defaults") func defaults() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let made = try await tenant.action("a", "echo")
        #expect(made["namespace"] == .string(tenant.namespace) && made["name"] == "a" && made["publish"] == false)
        #expect(made["parameters"] == [])
        #expect(made["limits"] == ["timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1])
        #expect(made["exec"]?["kind"] == .string(Tenant.kind) && made["exec"]?["binary"] == false)
        #expect(made["annotations"]?.annotation("exec") == .string(Tenant.kind))
        #expect(made["annotations"]?.annotation("provide-api-key") == false)
        let family = try await tenant.action("d", "echo", ["exec": ["kind": "python:default", "code": "x"]])
        #expect(family["exec"]?["kind"] == "python:3")
    }

    @Test("OW-18 missing or bad exec") func badExec() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        expectError(
            try await tenant.send("PUT", "actions/a", Array("{}".utf8), type: "text/plain"), 415)
        expectError(try await tenant.send("PUT", "actions/a", [], type: "application/json"), 400)
        expectError(try await tenant.call("PUT", "actions/a", [:]), 400, "exec undefined")
        expectError(
            try await tenant.call("PUT", "actions/a", ["exec": ["kind": "foobar", "code": "x"]]), 400,
            containing: "The specified runtime 'foobar' is not supported by this platform.")
        // Without a type it is taken for JSON; clients of small libraries leave it out.
        let body = JSONValue.object(["exec": Tenant.exec("x")]).encoded()
        #expect(try await tenant.send("PUT", "actions/a", body, type: nil).status == 200)
    }

    @Test("OW-19 without code") func withoutCode() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("a", "echo")
        let code = JSONValue.string(Tenant.helpers["echo"] ?? "")
        #expect(try await tenant.call("GET", "actions/a").json["exec"]?["code"] == code)
        #expect(try await tenant.call("GET", "actions/a?code=true").json["exec"]?["code"] == code)
        let without = try await tenant.call("GET", "actions/a?code=false").json["exec"]
        #expect(without?["code"] == nil && without?["kind"] != nil && without?["binary"] == false)
    }

    @Test("OW-20 container image only") func image() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for (name, exec) in [
            ("a", ["kind": "blackbox", "image": "some/image"]),
            ("b", ["kind": "blackbox", "image": "some/image", "code": ""]),
        ] as [(String, JSONValue)] {
            try await tenant.make("actions/\(name)", ["exec": exec])
            let shown = try await tenant.call("GET", "actions/\(name)").json["exec"]
            #expect(shown?["image"] == "some/image" && shown?["binary"] == false && shown?["code"] == nil)
            #expect(shown?["kind"] == "blackbox")
        }
    }

    @Test("OW-21 annotations merge on update") func annotations() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("a", "echo", ["annotations": [["key": "x", "value": 1]]])
        let both = try await tenant.call(
            "PUT", "actions/a?overwrite=true", ["annotations": [["key": "y", "value": 2]]])
        #expect(both.json["annotations"]?.annotation("x") == 1 && both.json["annotations"]?.annotation("y") == 2)
        let one = try await tenant.call("PUT", "actions/a?overwrite=true", ["delAnnotations": ["x"]])
        #expect(one.json["annotations"]?.annotation("x") == nil && one.json["annotations"]?.annotation("y") == 2)
    }

    @Test("OW-22 limit ranges") func limits() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for (limits, text) in [
            (["memory": 1024], "memory size 1024 MB exceeds allowed threshold of 512 MB"),
            (["memory": 64], "memory size 64 MB below allowed threshold of 128 MB"),
            (["timeout": 300_001], "exceeds allowed threshold of 300000 milliseconds"),
            (["timeout": 99], "below allowed threshold of 100 milliseconds"),
            (["logs": 11], "log size 11 MB exceeds allowed threshold of 10 MB"),
            (["concurrency": 2], "concurrency 2 exceeds allowed threshold of 1"),
        ] as [(JSONValue, String)] {
            expectError(
                try await tenant.call("PUT", "actions/a", ["exec": Tenant.exec("x"), "limits": limits]), 400,
                containing: text)
        }
        let made = try await tenant.action("a", "echo", ["limits": ["memory": 128, "timeout": 100, "logs": 0]])
        #expect(made["limits"] == ["timeout": 100, "memory": 128, "logs": 0, "concurrency": 1])
    }

    @Test func codeOfAnyFormComesBackAsItWas() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let long = "def main(args):\n    return {'n': 1}\n# " + String(repeating: "é", count: 200_000)
        for code in ["", "def main(args):\n\treturn {}\r\n", long, "abcd", "UEsDBAo="] {
            try await tenant.action("a", nil, ["exec": Tenant.exec(code)], overwrite: true)
            let shown = try await tenant.call("GET", "actions/a").json["exec"]
            #expect(shown?["code"] == .string(code), "\(code.prefix(40))")
            #expect(shown?["binary"] == .bool(!code.isEmpty && code.count % 4 == 0 && !code.contains(" ")))
        }
        // What cannot be loaded is told when it is run.
        let run = try await tenant.call("POST", "actions/a?blocking=true", [:])
        #expect(run.status == 502 && run.json["response"]?["status"] == "action developer error", "\(run.text)")
        #expect(run.json["response"]?["result"]?["error"]?.string?.contains("initiali") ?? false, "\(run.text)")
    }

    @Test func anArchiveRunsAndComesBack() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let archive = ZipText.archive([
            ("__main__.py", "from helper import greet\ndef main(args):\n    return greet(args)\n"),
            ("helper.py", "def greet(args):\n    return {'greeting': 'hi ' + args['name']}\n"),
        ])
        let code = Base64Text.encode(archive)
        try await tenant.action("z", nil, ["exec": ["kind": "python:3", "code": .string(code)]])
        let shown = try await tenant.call("GET", "actions/z").json["exec"]
        #expect(shown?["code"] == .string(code) && shown?["binary"] == true)
        #expect(try await tenant.result("z", ["name": "x"]) == ["greeting": "hi x"])
        // An update without code keeps it.
        let kept = try await tenant.call(
            "PUT", "actions/z?overwrite=true", ["parameters": [["key": "name", "value": "y"]]])
        #expect(kept.status == 200 && kept.json["exec"]?["code"] == .string(code), "\(kept.text.prefix(300))")
        #expect(try await tenant.result("z") == ["greeting": "hi y"])
        let list = try await tenant.call("GET", "actions")
        #expect(list.json.array?.first?["exec"] == ["binary": true])
    }

    @Test func aProgramSpeaksTheActionLoop() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let program = """
            #!/bin/sh
            while IFS= read -r line; do
                echo "on standard output"
                case "$line" in
                    *'"value":{"n":7}'*'"activation_id":"'*) printf '{"seen":7}\\n' >&3 ;;
                    *) printf '{"error":"something else"}\\n' >&3 ;;
                esac
            done
            """
        let code = JSONValue.string(Base64Text.encode(Array(program.utf8)))
        try await tenant.make(
            "actions/loop", ["exec": ["kind": "blackbox", "image": "openwhisk/actionloop-base", "code": code]])
        for _ in 0..<2 {
            let run = try await tenant.call("POST", "actions/loop?blocking=true", ["n": 7])
            #expect(run.status == 200 && run.json["response"]?["result"] == ["seen": 7], "\(run.text)")
            let record = try await tenant.record(run.json["activationId"]?.string)
            #expect(record["logs"]?.array?.first?.string?.hasSuffix("stdout: on standard output") ?? false)
        }
        // So does what was compiled, whatever it was written in, alone or in an archive.
        let archive = JSONValue.string(
            Base64Text.encode(ZipText.archive([("exec", program)], mode: 0o100755)))
        for (name, kind, code) in [("go", "go:default", code), ("rust", "rust:1.34", archive)] {
            let made = try await tenant.call(
                "PUT", "actions/\(name)", ["exec": ["kind": .string(kind), "code": code]])
            #expect(made.status == 200 && made.json["exec"]?["binary"] == true, "\(made.text)")
            #expect(try await tenant.result(name, ["n": 7]) == ["seen": 7])
        }
        expectError(
            try await tenant.call("PUT", "actions/source", ["exec": ["kind": "go:1.20", "code": "package main"]]), 400,
            containing: "The specified runtime 'go:1.20' is not supported by this platform.")
        let other = try await tenant.call("POST", "actions/loop?blocking=true&result=true", ["n": 8])
        #expect(other.status == 502 && other.json == ["error": "something else"], "\(other.text)")
    }
}
