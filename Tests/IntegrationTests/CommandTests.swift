import CloudEvents
import Foundation
import TestSupport
import Testing

/// The command as scripts use it: every word once, exit codes, JSON.
@Suite(.fewAtATime) struct CommandTests {
    private let folder: TemporaryDirectory
    private let server: ServerProcess
    private var data: String { folder.file("data") }

    private static let manifest = """
        channels:
          in: { retention: 7d }
          dead: {}
        functions:
          greet: { file: ./greet.py, timeout: 5s, parameters: { word: hello } }
        subscriptions:
          greet-all:
            channel: in
            sink: function:greet
            delivery: { start: earliest, deadLetter: dead, retry: { attempts: 1 } }
        """

    init() async throws {
        folder = try TemporaryDirectory("weir-command-suite")
        server = try await ServerProcess(data: folder.file("data"))
        try write("weir.yaml", Self.manifest)
        try write(
            "greet.py",
            """
            def main(args):
                print("greeting", args.get("name", "nobody"))
                if args.get("name") == "bad": return {"error": "no such person"}
                return {"greeting": args["word"] + " " + args.get("name", "nobody")}
            """)
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
    }

    /// Runs the command and expects an exit status.
    @discardableResult
    private func weir(
        _ arguments: String..., input: String = "", status: Int32 = 0, at location: SourceLocation = #_sourceLocation
    ) async throws -> Command {
        let done = try await Command.run([ServerProcess.program] + arguments, data: data, input: Array(input.utf8))
        #expect(
            done.status == status, "weir \(arguments.joined(separator: " ")): \(done.text.prefix(500)) \(done.errors)",
            sourceLocation: location)
        return done
    }

    /// `weir serve &` and the next command in the same breath. Nothing tells when the command has looked: a third of a
    /// second is long after that, and short beside how long it waits.
    @Test func aServerThatIsJustStartingIsWaitedFor() async throws {
        let line = """
            cd "$WEIR_DATA"; mv server.json away; "$WEIR" status & asking=$!; sleep 0.3; mv away server.json; wait $asking
            """
        let asked = try await Command.shell(line, data: data)
        #expect(asked.status == 0, "\(asked.errors)")
        let nobody = try await Command.weir(folder.file("elsewhere"), "status")
        #expect(nobody.status != 0 && nobody.errors.contains("no server is known"), "\(nobody.errors)")
    }

    @Test func applyIsTheSameTwiceAndADryRunChangesNothing() async throws {
        let file = folder.file("weir.yaml")
        let planned = try await weir("apply", "-f", file, "--dry-run", "-o", "json")
        #expect(planned.json.array?.allSatisfy { $0["outcome"] == "created" } == true, "\(planned.text)")
        #expect(try await weir("get", "channels", "-o", "json").json == [])

        let first = try await weir("apply", "-f", file, "-o", "json")
        #expect(first.json.array?.count == 4 && first.json.array?.allSatisfy { $0["outcome"] == "created" } == true)
        let second = try await weir("apply", "-f", file, "-o", "json")
        #expect(second.json.array?.count == 4, "\(second.text)")
        #expect(second.json.array?.allSatisfy { $0["outcome"] == "unchanged" } == true, "\(second.text)")

        try write(
            "weir.yaml",
            Self.manifest.replacingOccurrences(of: "7d", with: "14d").replacingOccurrences(of: "hello", with: "hi"))
        let difference = try await weir("apply", "-f", file, "--dry-run")
        #expect(difference.text.contains("channel in updated") && difference.text.contains("14d"), "\(difference.text)")
        #expect(
            difference.text.contains("function greet updated") && difference.text.contains("hi"), "\(difference.text)")
        #expect(difference.text.contains("subscription greet-all unchanged"), "\(difference.text)")
        #expect(difference.errors.contains("nothing was changed"))
        let third = try await weir("get", "channels", "in", "-o", "json")
        #expect(third.json["spec"]?.text.contains("7d") == true && third.json["generation"] == 1, "\(third.text)")
        try await weir("apply", "-f", file)
        #expect(try await weir("get", "channel", "in", "-o", "json").json["generation"] == 2)
        #expect(
            try await weir("apply", "-f", "-", input: "channels: { piped: {} }\n").text.contains(
                "channel piped created"))
        #expect(server.stop() == 0)
    }

    @Test func whatIsWrongWithAManifestIsSaidWithItsPlace() async throws {
        func refused(_ text: String, _ words: String..., at location: SourceLocation = #_sourceLocation) async throws {
            try write("bad.yaml", text)
            let done = try await weir("apply", "-f", folder.file("bad.yaml"), status: 7, at: location)
            for word in words { #expect(done.errors.contains(word), "\(done.errors)", sourceLocation: location) }
        }
        try await refused("chanels: { in: {} }\n", "bad.yaml:1", "channels")
        try await refused("channels:\n  in: { retension: 7d }\n", "retension", "retention")
        try await refused("channels:\n  in: [\n", "bad.yaml")
        try await refused("channels: { in: {} }\nfunctions:\n  f: { file: ./absent.py }\n", "absent.py", "bad.yaml:3")
        try await refused("channels:\n  in: { retention: soon }\n", "channels.in", "retention")
        try await refused(
            "channels: { in: {} }\nsubscriptions:\n  s: { channel: in, sink: \"channel:in\", filters: [ { sql: \"a >\" } ] }\n",
            "subscriptions.s", "sql")
        try await weir("apply", "-f", folder.file("absent.yaml"), status: 1)
        #expect(server.stop() == 0)
    }

    @Test func everyWordWorksForPeopleAndForPrograms() async throws {
        try await weir("apply", "-f", folder.file("weir.yaml"))
        let one = try await weir(
            "publish", "in", "--type", "t.one", "--subject", "/a/1", "--id", "one", "--event-data",
            "{\"name\":\"Ada\"}",
            "-a", "pool=p1", "-o", "json")
        #expect(one.json == ["accepted": 1, "duplicates": 0, "unreadable": 0], "\(one.text)")
        let again = try await weir("publish", "in", "--type", "t.one", "--id", "one", "-o", "json")
        #expect(again.json["duplicates"] == 1, "\(again.text)")
        let piped = try await weir(
            "publish", "in", "-", "-o", "json", input: "\(TestClient.event("two").text)\nno event\n", status: 2)
        #expect(piped.json == ["accepted": 1, "duplicates": 0, "unreadable": 1], "\(piped.text)")
        #expect(!piped.errors.isEmpty)

        let tail = try await weir("tail", "in", "--from", "earliest", "--limit", "2", "-o", "json")
        #expect(tail.lines.compactMap { $0["id"]?.string } == ["one", "two"], "\(tail.text)")
        let some = try await weir("tail", "in", "--from", "earliest", "--limit", "1", "--sql", "pool = 'p1'")
        #expect(some.text.contains("t.one") && some.text.contains("/a/1"))

        for kind in ["channels", "subscriptions", "functions", "sources"] {
            let listed = try await weir("get", kind, "-o", "json")
            #expect(listed.json.array != nil, "\(listed.text)")
            try await weir("get", kind)
        }
        #expect(try await weir("describe", "subscription", "greet-all", "-o", "json").json["spec"]?["channel"] == "in")
        #expect(try await weir("describe", "function", "greet").text.contains("runtime"))

        let invoked = try await weir("invoke", "greet", "-p", "name=Bo", "-o", "json")
        #expect(invoked.json["result"] == ["greeting": "hello Bo"], "\(invoked.text)")
        let id = invoked.json["id"]?.string ?? ""
        #expect(try await weir("invoke", "greet", "-p", "name=bad", status: 10).text.contains("no such person"))
        let started = try await weir("invoke", "greet", "--no-wait", "-o", "json")
        #expect(started.json["activationId"]?.string?.count == 32, "\(started.text)")
        _ = try await eventually { try await server.client.activations("greet").count == 5 }
        let activations = try await weir("activations", "--function", "greet", "-o", "json")
        #expect(activations.json.array?.count == 5, "\(activations.text)")
        #expect(try await weir("activations").text.contains("greet"))
        #expect(try await weir("activations", id, "-o", "json").json["status"] == "success")
        #expect(try await weir("logs", id).text.contains("greeting Bo"))
        #expect(try await weir("logs", id, "-o", "json").json["items"]?.array?.count == 1)
        #expect(try await weir("logs", "--function", "greet").text.contains("greeting Bo"))

        let plan = try await weir("replay", "greet-all", "--dry-run", "-o", "json")
        #expect(plan.json["matched"] == 2, "\(plan.text)")
        let replay = try await weir("replay", "greet-all", "--sink", "channel:dead", "-o", "json")
        #expect(replay.json["state"] == "done" && replay.json["delivered"] == 2, "\(replay.text)")
        #expect(try await weir("pause", "greet-all", "-o", "json").json["status"]?["state"] == "paused")
        #expect(try await weir("resume", "greet-all", "-o", "json").json["status"]?["state"] == "running")

        #expect(try await weir("status", "-o", "json").json["isolation"]?["level"]?.integer ?? 0 > 0)
        #expect(try await weir("status").text.contains("channels"))
        let version = try await weir("version", "-o", "json").json
        #expect(version["command"] == version["server"]?["version"], "\(version.text)")
        for shell in ["bash", "zsh", "fish"] { #expect(try await weir("completions", shell).text.contains("weir")) }
        #expect(try await weir("delete", "subscription", "greet-all").text.contains("deleted"))
        try await weir("delete", "function", "greet")
        try await weir("delete", "channel", "in", "dead")
        #expect(try await weir("get", "channels", "-o", "json").json == [])
        #expect(server.stop() == 0)
    }

    @Test func theExitStatusSaysWhatHappened() async throws {
        try await weir("apply", "-f", folder.file("weir.yaml"))
        try await weir("get", "channels", "absent", status: 4)
        try await weir("describe", "function", "absent", status: 4)
        try await weir("delete", "channel", "absent", status: 4)
        try await weir("delete", "channel", "absent", "--ignore-missing")
        try await weir("tail", "absent", "--limit", "1", status: 4)
        try await weir("publish", "absent", "--type", "t", status: 4)
        try await weir("invoke", "absent", status: 4)
        try await weir("logs", "absent", status: 4)
        try await weir("replay", "absent", "--dry-run", status: 4)
        try await weir("pause", "absent", status: 4)
        try await weir("delete", "channel", "in", status: 6)
        try await weir("tail", "in", "--limit", "1", "--sql", "((", status: 7)
        try await weir("publish", "in", "--type", "t", "-a", "Bad-Name=x", status: 7)
        try await weir("replay", "greet-all", "--from", "whenever", status: 7)
        try await weir("get", "planets", status: 64)
        try await weir("nonsense", status: 64)
        try await weir("publish", "in", status: 64)
        try await weir("invoke", "greet", "--args", "[1]", status: 64)
        try write("wrong.key", "weir_" + String(repeating: "A", count: 43))
        try await weir("get", "channels", "--key-file", folder.file("wrong.key"), status: 5)
        try await weir("get", "channels", "--key-file", folder.file("absent.key"), status: 5)
        try await weir("get", "channels", "--server", "http://127.0.0.1:1", status: 3)
        #expect(server.stop() == 0)
        let gone = try await weir("get", "channels", status: 3)
        #expect(gone.errors.contains("weir serve"), "\(gone.errors)")
        #expect(try await weir("version", "-o", "json").json["server"] == .null)
    }

    @Test func decodeGivesOneEventALineAndSaysWhatItCannotRead() async throws {
        try await weir(
            "generate", "billing", "--directory", folder.file("billing"), "--records", "300", "--seed", "5")
        let files = Fixtures.files(under: folder.file("billing")) { $0.contains("billing-") }
        let file = try #require(files.first)
        let good = try await weir("decode", "--from", "dcache-billing", file)
        #expect(good.errors.isEmpty && good.lines.count >= 250, "\(good.lines.count): \(good.errors)")
        #expect(good.lines.allSatisfy { $0["specversion"] == "1.0" && $0["id"] != nil })
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let bad = try await weir(
            "decode", "--from", "dcache-billing", "-", input: text + "nothing that is a record\n", status: 2)
        #expect(bad.lines.count == good.lines.count && !bad.errors.isEmpty)
        try await weir("decode", "--from", "dcache-billing", folder.file("absent"), status: 1)
        try await weir("decode", "--from", "parchment", file, status: 64)
        // A reader that has seen enough is no failure.
        for line in [
            "$WEIR decode --from dcache-billing '\(file)' '\(file)' '\(file)'", "$WEIR completions bash",
            "$WEIR --help",
        ] {
            let cut = try await Command.shell("\(line) | head -n 1; echo ${PIPESTATUS[0]}", data: data)
            #expect(cut.text.split(separator: "\n").last == "0", "\(line): \(cut.text.prefix(200)) \(cut.errors)")
        }
        #expect(server.stop() == 0)
    }
}
