import CloudEvents
import Foundation
import TestSupport
import Testing

/// What the server lays out for its workers is there for them.
@Suite(.fewAtATime, .timeLimit(.minutes(5))) struct RunnerTests {
    /// The runner is compiled once. Workers are other users, and what they may not read each compiles anew at its start:
    /// nothing fails, all that starts alone only takes half as long again.
    @Test func workersLoadTheRunnerThatWasCompiled() async throws {
        let folder = try TemporaryDirectory("weir-runner")
        let server = try await ServerProcess(data: folder.file("data"), arguments: ["--stems", "0", "--no-zygote"])
        let runtimes = folder.file("data") + "/runtimes"
        await waitUntil {
            let all = FileManager.default.enumerator(atPath: runtimes)?.compactMap { $0 as? String } ?? []
            let sources = all.count { $0.contains("/weir_runner/") && $0.hasSuffix(".py") }
            return sources > 0 && all.count { $0.hasSuffix(".pyc") } == sources
        }
        try await server.client.function(
            "look",
            """
            import os, sys

            def main(args):
                runner = [one for name, one in sys.modules.items() if name.startswith("weir_runner")]
                return {"hidden": [one.__cached__ for one in runner if not os.access(one.__cached__, os.R_OK)]}
            """)
        let run = try await server.client.call(
            "POST", "/v1/functions/look/invoke?blocking=true", body: Array("{}".utf8))
        #expect(run.json["status"] == "success" && run.json["coldStart"]?["way"] == "exec", "\(run.text)")
        #expect(run.json["result"]?["hidden"] == [], "\(run.text)")
        #expect(server.stop() == 0)
    }
}
