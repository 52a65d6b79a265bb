import CloudEvents
import Foundation
import TestSupport
import Testing

/// Files in and out, through the real server: as root and as an ordinary user, at whatever level there is.
@Suite(.fewAtATime) struct DataStagingTests {
    /// A server with a watched folder and two mounts.
    private final class Room: Sendable {
        let folder: TemporaryDirectory
        let host: AbuseHost
        var client: TestClient { host.client }
        var inbox: String { folder.file("inbox") }
        var results: String { folder.file("results") }
        var raw: String { folder.file("raw") }

        static func make(_ account: Account, _ arguments: [String] = []) async throws -> Room? {
            let folder = try TemporaryDirectory("weir-room")
            for name in ["inbox", "results", "raw", "private"] {
                try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
                if account == .ordinary, geteuid() == 0 {
                    chown(folder.file(name), Account.ordinaryUser, Account.ordinaryUser)
                }
            }
            let mounts = [
                "--mount", "results=\(folder.file("results")):rw", "--mount",
                "raw=\(folder.file("raw")),subject=/exfel/raw",
                "--mount", "private=\(folder.file("private")):rw,namespace=other",
            ]
            guard let host = try await AbuseHost.start(account, mounts + arguments, minimum: 0) else { return nil }
            let room = Room(folder, host)
            for channel in ["files", "dead", "replies"] { try await room.client.make("channels/\(channel)", [:]) }
            try await room.client.make(
                "sources/inbox", ["kind": "folder", "directory": .string(room.inbox), "channel": "files"])
            return room
        }

        private init(_ folder: TemporaryDirectory, _ host: AbuseHost) {
            self.folder = folder
            self.host = host
        }

        func write(_ path: String, _ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }

        func text(_ path: String) -> String? {
            FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
        }

        func names(_ folder: String) -> [String] {
            ((FileManager.default.enumerator(atPath: folder)?.allObjects as? [String]) ?? []).sorted()
        }

        func subscribe(_ function: String, _ delivery: JSONObject = [:]) async throws {
            var policy: JSONObject = [
                "start": "earliest", "retry": ["attempts": 2, "backoff": "10ms"], "deadLetter": "dead",
                "reply": "replies",
            ]
            for member in delivery.members { policy[member.name] = member.value }
            try await client.make(
                "subscriptions/\(function)",
                [
                    "channel": "files", "filters": [["exact": ["type": "dev.weir.file.written"]]],
                    "sink": .string("function:\(function)"), "delivery": .object(policy),
                ])
        }

        /// The activations of a function, whole.
        func runs(_ function: String, atLeast count: Int) async throws -> [JSONValue] {
            _ = try await eventually { try await client.activations(function).count >= count }
            var runs: [JSONValue] = []
            for one in try await client.activations(function) {
                runs.append(try await client.call("GET", "/v1/activations/\(one["id"]?.string ?? "")").json)
            }
            return runs
        }
    }

    private static let reverse = """
        import os
        def handle(event, context):
            with open(context.input) as file: text = file.read()
            with open(os.path.join(context.output, "reversed.txt"), "w") as file: file.write(text[::-1])
            wrote = None
            if context.params.get("write"):
                try:
                    with open(context.input, "a") as file: wrote = file.write("x")
                except OSError as error: wrote = error.__class__.__name__
            context.publish(type="reversed", subject=event.subject)
            return {"input": context.input, "folder": sorted(os.listdir(os.path.dirname(context.input))), "wrote": wrote}
        """

    @Test(arguments: Account.allCases)
    func aFileComesInAndItsResultGoesOut(account: Account) async throws {
        guard let room = try await Room.make(account) else { return }
        let client = room.client
        try await client.function(
            "reverse", Self.reverse,
            [
                "input": "file", "output": "mount:results/{subject.stem}/{subject.name}.rev",
                "parameters": ["write": .bool(room.host.level > 0)],
            ])
        try await room.subscribe("reverse")
        try room.write(room.inbox + "/hello.txt", "hello")
        try room.write(room.inbox + "/other.txt", "")
        let run = try #require(
            try await room.runs("reverse", atLeast: 2).first { $0["inputs"]?.text.contains("hello.txt") == true })
        #expect(run["status"] == "success", "\(run.text)")
        let output = room.results + "/hello/hello.txt.rev"
        #expect(room.text(output) == "olleh", "\(room.names(room.results))")
        #expect(
            run["outputs"]?.array?.first?["path"] == "hello/hello.txt.rev" && run["outputs"]?.array?.first?["size"] == 5
        )
        #expect(run["inputs"]?.array?.first?["size"] == 5)
        let origin = try JSONValue(parsing: Array(try #require(room.text(output + ".weir.json")).utf8))
        #expect(
            origin["activation"] == run["id"] && origin["output"]?["sha256"] == run["outputs"]?.array?.first?["sha256"])
        #expect(
            origin["event"]?["subject"]?.string == room.inbox + "/hello.txt" && origin["parameters"]?["write"] != nil)
        #expect(origin["inputs"]?.array?.first?["path"]?.string == room.inbox + "/hello.txt")
        if room.host.level >= 2 {
            #expect(
                run["result"]?["input"] == "/input/hello.txt" && run["result"]?["folder"] == ["hello.txt"],
                "\(run.text)")
        }
        if room.host.level >= 1 {
            #expect(["OSError", "PermissionError"].contains(run["result"]?["wrote"]?.string), "\(run.text)")
        } else {
            print("at level 0 the function sees the machine's own paths, and may write there")
        }
        #expect(room.text(room.inbox + "/hello.txt") == "hello")

        // Delivered again, it finds what is there; nothing is doubled.
        let replies = try await client.events("replies").count
        let replay = try await client.call(
            "POST", "/v1/subscriptions/reverse/replay", body: JSONValue.object(["from": "earliest"]).encoded())
        #expect(replay.status == 202, "\(replay.text)")
        let again = try await room.runs("reverse", atLeast: 4)
        let second = again.filter { $0["inputs"]?.text.contains("hello.txt") == true }
        #expect(second.count == 2 && second.allSatisfy { $0["status"] == "success" }, "\(again)")
        #expect(second.contains { $0["outputs"]?.array?.first?["earlier"] == true }, "\(second)")
        #expect(room.text(output) == "olleh")
        #expect(try await client.events("replies").count == replies)
        #expect(room.names(room.results).filter { $0.contains(".weir-") }.isEmpty)
        #expect(room.names(room.host.server.data + "/staging/journal").isEmpty)
        try await room.host.end()
    }

    @Test(arguments: Account.allCases)
    func whatIsNotTheEventsFileAnyMoreIsSaid(account: Account) async throws {
        guard let room = try await Room.make(account) else { return }
        try await room.client.function(
            "reverse", Self.reverse, ["input": "file", "output": "mount:results/{subject.name}"])
        try room.write(room.inbox + "/changed.txt", "hello")
        try room.write(room.inbox + "/gone.txt", "hello")
        try room.write(room.inbox + "/link.txt", "hello")
        #expect(try await eventually { try await room.client.events("files").count >= 3 })
        try room.write(room.inbox + "/changed.txt", "hello, world")
        unlink(room.inbox + "/gone.txt")
        unlink(room.inbox + "/link.txt")
        #expect(symlink(room.host.folder.file("canary.txt"), room.inbox + "/link.txt") == 0)
        try await room.subscribe("reverse", ["retry": ["attempts": 1]])
        #expect(try await eventually { try await room.client.isSettled("reverse") })
        let runs = try await room.runs("reverse", atLeast: 3)
        let errors = runs.filter { $0["status"] == "staging error" }.compactMap { $0["result"]?["error"]?.string }
            .sorted()
        #expect(errors.contains { $0.contains("changed.txt has changed since the event") }, "\(errors)")
        #expect(errors.contains { $0.hasSuffix("gone.txt is not there (any more)") }, "\(errors)")
        #expect(
            errors.contains { $0.contains("link.txt is a symbolic link") || $0.contains("over a symbolic link") },
            "\(errors)")
        let dead = try await room.client.events("dead")
        #expect(dead.contains { $0["weirdlerror"]?.string?.hasPrefix("staging error: ") == true }, "\(dead)")
        #expect(!runs.contains { $0.text.contains(room.host.canary) })

        // An event that anybody may publish names a file that is on no mount.
        try await room.client.publish(
            "files",
            [
                TestClient.event(
                    "evil", ["type": "dev.weir.file.written", "source": "file://x", "subject": "/etc/passwd"]),
                TestClient.event(
                    "dots",
                    ["type": "dev.weir.file.written", "source": "x:y", "subject": "/exfel/raw/../../etc/passwd"]),
            ])
        #expect(
            try await eventually {
                let dead = try await room.client.events("dead").compactMap { $0["weirdlerror"]?.string }
                return dead.contains {
                    $0.contains("/etc/passwd\\\" lies on no mount") || $0.contains("lies on no mount")
                }
                    && dead.contains { $0.contains("is no path that can be opened") }
            })
        try await room.host.end()
    }

    @Test(arguments: Account.allCases)
    func whatTheOperatorDoesNotGrantIsRefusedAtDeploy(account: Account) async throws {
        guard let room = try await Room.make(account) else { return }
        let refused: [(JSONObject, [String])] = [
            (["mounts": ["nosuch"]], ["mounts[0]", "there is no mount \\\"nosuch\\\"", "there are raw, results"]),
            (["mounts": ["private"]], ["there is no mount \\\"private\\\""]),
            (["mounts": [["name": "raw", "writable": true]]], ["mounts[0]", "is read-only"]),
            (["output": "mount:raw/x"], ["output: the mount \\\"raw\\\" is read-only"]),
            (["network": "host"], ["--allow-host-network"]), (["network": "proxy"], ["say what may be reached"]),
        ]
        for (more, words) in refused {
            let answer = try await room.client.put(
                "/v1/functions/f", TestClient.upload("f.py", Array("def main(args): return {}".utf8), more))
            expectProblem(answer, 422, "invalid-function", saying: words, "\(more)")
            let dry = try await room.client.put(
                "/v1/functions/f?dryRun=true", TestClient.upload("f.py", Array("def main(args): return {}".utf8), more))
            #expect(dry.status == 422, "\(dry.text)")
        }
        let grants = try await room.client.call("GET", "/v1/status").json["grants"]
        #expect(grants?["mounts"]?.array?.count == 3 && grants?["hostNetwork"] == false, "\(grants?.text ?? "")")
        try await room.host.end()
    }

    @Test(arguments: Account.allCases)
    func onlyASuccessfulRunAndOnlyFilesArePublished(account: Account) async throws {
        guard let room = try await Room.make(account) else { return }
        try await room.client.function(
            "leave",
            """
            import os
            def handle(event, context):
                what = event.data["what"]
                path = os.path.join(context.output, "file")
                assert os.listdir(context.output) == [], os.listdir(context.output)
                if what == "link": os.symlink("/etc/passwd", path)
                elif what == "pipe": os.mkfifo(path)
                elif what == "large":
                    with open(path, "wb") as file: file.write(b"x" * 20_000_000)
                elif what == "two":
                    open(path, "w").close(); open(path + "2", "w").close()
                else:
                    with open(path, "w") as file: file.write(what)
                if what == "fail": raise ValueError("after it wrote")
                context.publish(type="left", subject=what)
                return {"what": what}
            """, ["handler": "handle", "output": ["to": "mount:results/{activation}", "limit": "1MB"]])
        var seen: [String: JSONValue] = [:]
        for what in ["link", "pipe", "large", "two", "fail", "fine", "fine again"] {
            let answer = try await room.client.call(
                "POST", "/v1/functions/leave/invoke?blocking=true",
                body: JSONValue.object(["what": .string(what)]).encoded())
            seen[what] = answer.json
        }
        #expect(
            seen["link"]?["result"]?["error"] == "the output \"file\" is a symbolic link: only files are taken",
            "\(seen)")
        #expect(seen["pipe"]?["status"] == "staging error" && seen["two"]?["status"] == "staging error", "\(seen)")
        // A hard quota refuses the write, a checked one the publication.
        let refusal = room.host.level >= 2 ? "application error" : "staging error"
        #expect(seen["large"]?["status"]?.string == refusal, "\(seen)")
        #expect(seen["fail"]?["status"] == "application error" && seen["fine"]?["status"] == "success", "\(seen)")
        #expect(seen["fine"]?["outputs"]?.array?.count == 1 && seen["fail"]?["outputs"] == nil)
        #expect(room.names(room.results).count == 4, "\(room.names(room.results))")
        try await room.host.end()
    }

    @Test(arguments: Account.allCases)
    func programsAndBatchesAreGivenFilesToo(account: Account) async throws {
        guard let room = try await Room.make(account) else { return }
        let program = """
            #!/bin/sh
            while read -r line; do
                input=$(printf %s "$line" | sed 's/.*"input":"\\([^"]*\\)".*/\\1/')
                output=$(printf %s "$line" | sed 's/.*"output":"\\([^"]*\\)".*/\\1/')
                tr a-z A-Z <"$input" >"$output/upper"
                echo '{"done":true}'
            done
            """
        try await room.client.function(
            "upper", file: "upper", Array(program.utf8),
            ["runtime": "executable", "input": "file", "output": "mount:results/upper/{subject.name}"])
        try await room.client.function(
            "join",
            """
            import os
            def handle_batch(events, context):
                with open(os.path.join(context.output, "joined"), "a") as out:
                    for path in context.inputs:
                        with open(path) as file: out.write(file.read())
                return len(events)
            """,
            ["input": "file", "output": ["to": "mount:results/joined/{activation}", "overwrite": "replace"]])
        try await room.subscribe("upper")
        for name in ["a", "b", "c", "d", "e"] { try room.write(room.inbox + "/" + name, "x" + name) }
        #expect(try await eventually { try await room.client.events("files").count >= 5 })
        #expect(try await eventually { room.names(room.results + "/upper").count == 10 }, "\(room.names(room.results))")
        #expect(room.text(room.results + "/upper/b") == "XB")
        try await room.subscribe("join", ["batch": ["size": 5, "linger": "1s"]])
        #expect(try await eventually { try await room.client.isSettled("join") })
        let joined = room.names(room.results + "/joined").filter { !$0.hasSuffix(".json") }
        let text = joined.compactMap { room.text(room.results + "/joined/" + $0) }.joined()
        #expect(text.count == 10 && Set(text) == Set("xabcde"), "\(text)")
        let runs = try await room.runs("join", atLeast: 1)
        #expect(runs.allSatisfy { $0["status"] == "success" }, "\(runs)")
        try await room.host.end()
    }

    /// The server is killed while it publishes, again and again: at no time is half of an output visible, and in the end
    /// every output is there and nothing else.
    @Test func killedWhilePublishingNothingHalfWrittenIsEverVisible() async throws {
        let folder = try TemporaryDirectory("weir-killed")
        for name in ["inbox", "results"] {
            try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
        }
        let (inbox, results, size) = (folder.file("inbox"), folder.file("results"), 24 << 20)
        let arguments = ["--mount", "results=\(results):rw"]
        var server = try await ServerProcess(data: folder.file("data"), arguments: arguments)
        for channel in ["files", "dead"] { try await server.client.make("channels/\(channel)", [:]) }
        try await server.client.make(
            "sources/inbox", ["kind": "folder", "directory": .string(inbox), "channel": "files"])
        try await server.client.function(
            "large",
            """
            import os
            def handle(event, context):
                with open(context.input, "rb") as file: letter = file.read(1)
                with open(os.path.join(context.output, "large"), "wb") as file:
                    for _ in range(24): file.write(letter * (1 << 20))
                return None
            """, ["input": "file", "output": "mount:results/{subject.name}", "memory": "256MB"])
        try await server.client.make(
            "subscriptions/large",
            [
                "channel": "files", "filters": [["exact": ["type": "dev.weir.file.written"]]], "sink": "function:large",
                "delivery": ["start": "earliest", "retry": ["attempts": 20, "backoff": "10ms"], "deadLetter": "dead"],
            ])
        func entries() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: results)) ?? [] }
        func check() {
            for name in entries() where !name.hasSuffix(".part") && !name.hasSuffix(".weir.json") {
                let bytes = FileManager.default.contents(atPath: results + "/" + name) ?? Data()
                #expect(bytes.count == size && bytes.allSatisfy { $0 == name.utf8.first }, "\(name): \(bytes.count)")
            }
        }
        var killed = 0
        let letters = ["a", "b", "c", "d", "e", "f"]
        for letter in letters {
            try Data(letter.utf8).write(to: URL(fileURLWithPath: inbox + "/" + letter))
            _ = try await eventually { entries().contains { $0.hasSuffix(".part") } || entries().contains(letter) }
            if entries().contains(where: { $0.hasSuffix(".part") }) { killed += 1 }
            server.kill9()
            check()
            server = try await ServerProcess(data: folder.file("data"), arguments: arguments)
        }
        #expect(
            try await eventually(within: .seconds(60)) { letters.allSatisfy { entries().contains($0) } }, "\(entries())"
        )
        #expect(try await eventually { try await server.client.isSettled("large") })
        check()
        #expect(entries().sorted() == letters.flatMap { [$0, $0 + ".weir.json"] }, "\(entries())")
        #expect(try await server.client.events("dead").isEmpty)
        print("killed in the middle of a publication \(killed) times of \(letters.count)")
        #expect(killed > 0)
        #expect(server.stop() == 0)
    }
}
