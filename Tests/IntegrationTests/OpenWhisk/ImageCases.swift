import CloudEvents
import Foundation
import Synchronization
import TestSupport
import Testing

/// OpenWhisk, section J: images, which speak `/init` and `/run`. The image is made here and comes from a registry on
/// loopback.
@Suite(
    "OpenWhisk: images", .serialized, .fewAtATime,
    .enabled(if: ContainerHost.missing == nil, "\(ContainerHost.missing ?? "")"))
struct WhiskImageCases {
    /// A registry with one image in it, for all cases.
    private actor Shelf {
        static let shared = Shelf()
        private var making: Task<TestRegistry, any Error>?

        /// The registry, for the end of the test program: nobody else ends it.
        private static let open = Mutex<TestRegistry?>(nil)

        private static func endWithTests(_ registry: TestRegistry) {
            open.withLock { $0 = registry }
            atexit { Shelf.open.withLock { $0?.stop() } }
        }

        /// The names of a runtime image and of one with an action inside.
        func images() async throws -> (runtime: String, whole: String) {
            let task =
                making
                ?? Task {
                    let registry = try await TestRegistry()
                    Self.endWithTests(registry)
                    try await registry.push(try PythonImage.image("action_server.py"), "runtime", tag: "1")
                    let action = "import os\ndef main(args):\n    return {'env': dict(os.environ), 'args': args}\n"
                    try await registry.push(
                        try PythonImage.image("action_server.py", files: ["action.py": action]), "whole", tag: "1")
                    return registry
                }
            making = task
            let host = try await task.value.host
            return ("\(host)/runtime:1", "\(host)/whole:1")
        }
    }

    private static let limits: JSONValue = ["memory": 128]

    @Test("OW-61 init, run, sentinel: code in an image") func codeInAnImage() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let (image, _) = try await Shelf.shared.images()
        let code = """
            import sys
            count = 0
            def niam(args):
                global count
                count += 1
                print("said ❄ ☃ ❄", args["n"])
                print("also", args["n"], file=sys.stderr)
                return {"text": "❄ ☃ ❄" + args["text"], "count": count, "bound": args["bound"]}
            """
        try await tenant.make(
            "actions/snow",
            [
                "exec": ["kind": "blackbox", "image": .string(image), "code": .string(code), "main": "niam"],
                "limits": Self.limits, "parameters": [["key": "bound", "value": 5]],
            ])
        let shown = try await tenant.call("GET", "actions/snow").json["exec"]
        #expect(shown?["image"] == .string(image) && shown?["kind"] == "blackbox", "\(shown?.text ?? "")")
        #expect(shown?["code"] == .string(code) && shown?["binary"] == false && shown?["main"] == "niam")
        // The native API has it as what it is.
        let native = try await tenant.admin.call("GET", "/v1/functions/snow?namespace=\(tenant.namespace)")
        #expect(native.json["spec"]?["image"] == .string(image), "\(native.text)")
        for n in 1...4 {
            let run = try await tenant.call(
                "POST", "actions/snow?blocking=true", ["n": .integer(Int64(n)), "text": "☃"])
            #expect(run.status == 200, "\(run.text)")
            // One init and one process for all of them.
            #expect(
                run.json["response"]?["result"]
                    == ["text": "❄ ☃ ❄☃", "count": .integer(Int64(n)), "bound": 5], "\(run.text)")
            let record = try await tenant.record(run.json["activationId"]?.string)
            let logs = (record["logs"]?.array ?? []).compactMap(\.string)
            #expect(logs.count == 2 && logs.contains { $0.hasSuffix("stdout: said ❄ ☃ ❄ \(n)") }, "\(logs)")
            #expect(logs.contains { $0.hasSuffix("stderr: also \(n)") }, "\(logs)")
            #expect((record["annotations"]?.annotation("initTime") != nil) == (n == 1))
            #expect(record["annotations"]?.annotation("kind") == "blackbox")
        }
        // An update is another version: begun anew.
        try await tenant.make(
            "actions/snow?overwrite=true",
            ["exec": ["kind": "blackbox", "image": .string(image), "code": "def main(args):\n    return {'new': 1}"]])
        #expect(try await tenant.result("snow") == ["new": 1])
    }

    @Test func anArchiveGoesToAnImageAsItCame() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let (image, _) = try await Shelf.shared.images()
        let code = Base64Text.encode(
            ZipText.archive([("__main__.py", "def main(args):\n    return {'zipped': args['n']}\n")]))
        try await tenant.make(
            "actions/zipped",
            [
                "exec": ["kind": "blackbox", "image": .string(image), "code": .string(code)], "limits": Self.limits,
            ])
        #expect(try await tenant.result("zipped", ["n": 3]) == ["zipped": 3])
        let shown = try await tenant.call("GET", "actions/zipped").json["exec"]
        #expect(shown?["binary"] == true && shown?["code"] == .string(code))
    }

    @Test("OW-62 an image is initialised once, also without code") func imageAlone() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let (_, image) = try await Shelf.shared.images()
        try await tenant.make(
            "actions/whole",
            [
                "exec": ["kind": "blackbox", "image": .string(image)], "limits": Self.limits,
                "annotations": [["key": "provide-api-key", "value": true]],
                "parameters": [["key": "MINE", "value": ["a": 1], "init": true], ["key": "a", "value": 1]],
            ])
        var ids: Set<String> = []
        for _ in 0..<3 {
            let answer = try await tenant.call(
                "POST", "actions/whole?blocking=true", ["b": 2], headers: [("X-Request-ID", "image-run")])
            #expect(answer.status == 200, "\(answer.text)")
            let result = answer.json["response"]?["result"]
            #expect(result?["args"] == ["a": 1, "b": 2], "\(answer.text)")
            let environment = result?["env"]
            #expect(environment?["__OW_ACTIVATION_ID"] == answer.json["activationId"])
            #expect(environment?["__OW_NAMESPACE"] == .string(tenant.namespace))
            #expect(environment?["__OW_ACTION_NAME"] == .string("/\(tenant.namespace)/whole"))
            #expect(environment?["__OW_ACTION_VERSION"] == "0.0.1")
            #expect(environment?["__OW_TRANSACTION_ID"] == "image-run")
            #expect(environment?["__OW_DEADLINE"]?.string.flatMap { Int64($0) } != nil)
            #expect(environment?["MINE"] == "{\"a\":1}")
            let key = try #require(environment?["__OW_API_KEY"]?.string)
            #expect(
                try await tenant.call("GET", "/api/v1/namespaces", auth: key).json == [.string(tenant.namespace)])
            ids.insert(answer.json["activationId"]?.string ?? "")
        }
        #expect(ids.count == 3)
    }

    @Test("OW-63 not an object, from an image") func notAnObject() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let (image, _) = try await Shelf.shared.images()
        try await tenant.make(
            "actions/text",
            [
                "exec": ["kind": "blackbox", "image": .string(image), "code": "def main(args):\n    return 'a text'"],
                "limits": Self.limits,
            ])
        let answer = try await tenant.call("POST", "actions/text?blocking=true", [:])
        #expect(answer.status == 502 && answer.json["response"]?["status"] == "action developer error")
        #expect(
            answer.json["response"]?["result"]?["error"]
                == "The action did not produce a valid JSON or JSON Array response: \"a text\"", "\(answer.text)")
        // What cannot be loaded says why.
        try await tenant.make(
            "actions/text?overwrite=true",
            ["exec": ["kind": "blackbox", "image": .string(image), "code": "def main(:"]])
        let bad = try await tenant.call("POST", "actions/text?blocking=true", [:])
        #expect(bad.status == 502 && bad.json["response"]?["status"] == "action developer error", "\(bad.text)")
        #expect(bad.json["response"]?["result"]?["error"]?.string?.contains("SyntaxError") ?? false, "\(bad.text)")
    }

    @Test func anImageThatCannotBeHadIsToldWhenItIsRun() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let (image, _) = try await Shelf.shared.images()
        let missing = image.replacingOccurrences(of: "runtime", with: "nothing")
        try await tenant.make(
            "actions/none", ["exec": ["kind": "blackbox", "image": .string(missing)], "limits": Self.limits])
        let answer = try await tenant.call("POST", "actions/none?blocking=true&result=true", [:])
        #expect(
            answer.status == 502 && answer.json == ["error": .string("Failed to pull container image '\(missing)'.")],
            "\(answer.text)")
    }
}
