import CloudEvents
import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// What a stop, a crash and a full disk leave behind.
@Suite(.fewAtATime) struct RestartTests {
    /// A function that runs until it is ended.
    static let endless = "import time\n\ndef handle(event, context):\n    time.sleep(600)\n"

    /// The processes below a process, as the kernel has them now.
    private static func descendants(of pid: pid_t) -> [pid_t] {
        var children: [pid_t: [pid_t]] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let child = pid_t(name), let stat = FileManager.default.contents(atPath: "/proc/\(name)/stat") else {
                continue
            }
            // The second field is the name in parentheses and may hold anything; the parent is the second behind it.
            let text = String(decoding: stat, as: UTF8.self)
            let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
            guard fields.count > 2, let parent = pid_t(fields[2]) else { continue }
            children[parent, default: []].append(child)
        }
        var found: [pid_t] = []
        var next = [pid]
        while let one = next.popLast() {
            found += children[one] ?? []
            next += children[one] ?? []
        }
        return found
    }

    private static func isAlive(_ pid: pid_t) -> Bool {
        guard let stat = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return false }
        let text = String(decoding: stat, as: UTF8.self)
        return !text[(text.lastIndex(of: ")") ?? text.startIndex)...].hasPrefix(") Z")
    }

    @Test func everythingIsThereAfterACrash() async throws {
        let folder = try TemporaryDirectory("weir-crash")
        var server = try await ServerProcess(data: folder.file("data"))
        var client = server.client
        try await client.make("channels/in", ["partitions": 2, "retention": "7d"])
        try await client.make("channels/out", [:])
        try await client.function(
            "echo",
            "def handle(event, context):\n    context.publish(type='echo', data={'id': event['id']})\n    return {'id': event['id']}\n",
            ["parameters": ["a": 1], "timeout": "5s"])
        try await client.make(
            "subscriptions/echo",
            ["channel": "in", "sink": "function:echo", "delivery": ["start": "earliest", "reply": "out"]])
        try await client.make(
            "subscriptions/still", ["channel": "in", "sink": "channel:out", "delivery": ["start": "earliest"]])
        _ = try await client.call("POST", "/v1/subscriptions/still/pause")
        try await client.publish("in", (0..<20).map { TestClient.event("e\($0)") })
        _ = try await eventually { try await client.isSettled("echo") }
        _ = try await eventually { try await client.activations("echo").count == 20 }
        #expect(try await client.isSettled("echo"))
        let before = try await Self.resources(client)
        let runs = try await client.activations("echo").compactMap { $0["id"]?.string }
        let replies = try await client.ids("out")
        #expect(runs.count == 20 && replies.count == 20)
        server.kill9()

        server = try await ServerProcess(data: folder.file("data"))
        client = server.client
        #expect(try await Self.resources(client) == before)
        #expect(try await client.activations("echo").compactMap { $0["id"]?.string } == runs)
        let one = try await client.call("GET", "/v1/activations/\(runs[0])").json
        #expect(one["result"]?["id"] != nil, "\(one.text)")
        #expect(try await client.status("subscriptions/still")["state"] == "paused")
        #expect(try await client.status("subscriptions/still")["lag"] == 20)
        try await client.publish("in", [TestClient.event("after")])
        #expect(try await eventually { try await client.ids("out").count >= 21 })
        #expect(try await eventually { try await client.isSettled("echo") })
        // Nothing ran again: the place was kept.
        _ = try await eventually { try await client.activations("echo").count >= 21 }
        #expect(try await client.activations("echo").count == 21)
        #expect(try await client.ids("out").count == 21)
        #expect(server.stop() == 0)
    }

    /// All resources without their states.
    private static func resources(_ client: TestClient) async throws -> [String] {
        var found: [String] = []
        for kind in ["channels", "functions", "subscriptions"] {
            for item in try await client.call("GET", "/v1/\(kind)").json["items"]?.array ?? [] {
                found.append(
                    "\(item["name"]?.text ?? "") \(item["uid"]?.text ?? "") \(item["generation"]?.text ?? "") \(item["spec"]?.text ?? "")"
                )
            }
        }
        return found
    }

    /// A server with three calls under way that do not end by themselves.
    private func busyServer(_ folder: TemporaryDirectory) async throws -> (ServerProcess, [pid_t]) {
        let server = try await ServerProcess(data: folder.file("data"))
        let client = server.client
        try await client.make("channels/in", [:])
        try await client.function("endless", Self.endless, ["timeout": "10m"])
        try await client.make(
            "subscriptions/endless",
            ["channel": "in", "sink": "function:endless", "delivery": ["start": "earliest", "timeout": "10m"]])
        try await client.publish("in", (0..<3).map { TestClient.event("e\($0)") })
        let isBusy = try await eventually {
            try await client.call("GET", "/v1/status").json["workers"]?["running"] == 3
        }
        let status = try await client.call("GET", "/v1/status")
        #expect(isBusy, "\(status.text)")
        let below = Self.descendants(of: server.pid)
        // The launcher and three workers.
        #expect(below.count >= 4)
        return (server, below)
    }

    @Test func aStopEndsInTimeAndLeavesNothing() async throws {
        let folder = try TemporaryDirectory("weir-stop")
        let (server, below) = try await busyServer(folder)
        // Somebody follows the channel meanwhile.
        let client = server.client
        let follower = Task { try await client.call("GET", "/v1/channels/in/tail") }
        // Ten seconds for the functions and five for everything else, and this machine may be busy.
        let status = try await server.stopped(within: .seconds(30))
        #expect(status == 0, "\(server.log.suffix(2000))")
        if status == nil { server.kill9() }
        _ = await follower.result
        #expect(!FileManager.default.fileExists(atPath: folder.file("data/server.json")))
        let isEmpty = try await eventually { !below.contains { Self.isAlive($0) } }
        #expect(isEmpty, "\(below.filter { Self.isAlive($0) }) still run")
        // What was under way is under way again.
        let again = try await ServerProcess(data: folder.file("data"))
        let next = again.client
        let resumed = try await eventually { try await next.call("GET", "/v1/status").json["workers"]?["running"] == 3 }
        #expect(resumed)
        again.kill9()
    }

    @Test func aCrashLeavesNoProcess() async throws {
        let folder = try TemporaryDirectory("weir-orphans")
        let (server, below) = try await busyServer(folder)
        server.kill9()
        let isEmpty = try await eventually { !below.contains { Self.isAlive($0) } }
        #expect(isEmpty, "\(below.filter { Self.isAlive($0) }) still run")
    }

    @Test func ofTwoServersOnOneFolderOneRuns() async throws {
        let folder = try TemporaryDirectory("weir-two")
        let server = try await ServerProcess(data: folder.file("data"))
        let second = try await Command.weir(folder.file("data"), "serve", "--port", "0")
        #expect(second.status == 1)
        #expect(second.errors.contains(folder.file("data")), "\(second.errors)")
        let status = try await Command.weir(folder.file("data"), "status")
        #expect(status.status == 0, "the second one took away the first one's address: \(status.errors)")
        #expect(try await server.client.call("GET", "/readyz").status == 200)
        #expect(server.stop() == 0)
    }

    /// Pages of the program's file, which is most of what starting touches.
    @Test func whatStartingNeededOfTheProgramIsGivenBack() async throws {
        let folder = try TemporaryDirectory("weir-pages")
        let server = try await ServerProcess(data: folder.file("data"))
        // proc_pid_status(5): VmHWM is the most that it ever had, however late it is asked.
        func kilobytes(_ name: String) throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(server.pid)/status", encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + ":") })
            return try #require(Int(line.filter(\.isNumber)))
        }
        let isGivenBack = try await eventually { try kilobytes("VmRSS") < kilobytes("VmHWM") * 3 / 4 }
        let (now, most) = (try kilobytes("VmRSS"), try kilobytes("VmHWM"))
        #expect(isGivenBack, "\(now) kB of \(most)")
        // All of it still works, at its first use and later.
        for _ in 0..<2 { #expect(try await server.client.call("GET", "/v1/status").status == 200) }
        #expect(server.stop() == 0)
    }

    /// A folder that soon is full; `nil`, said aloud, where it cannot be had. Who asked unmounts it.
    private func smallDisk(in folder: TemporaryDirectory) async throws -> String? {
        guard getuid() == 0 else {
            print("skipped: mounting a small file system needs root")
            return nil
        }
        let path = folder.file("data")
        let mounted = try await Command.shell("mkdir '\(path)' && mount -t tmpfs -o size=24m,mode=700 tmpfs '\(path)'")
        if mounted.status != 0 { print("skipped: a tmpfs cannot be mounted: \(mounted.errors)") }
        return mounted.status == 0 ? path : nil
    }

    @Test func aFullDiskIsSaidAndNothingIsLost() async throws {
        let folder = try TemporaryDirectory("weir-full")
        guard let data = try await smallDisk(in: folder) else { return }
        defer { umount2(data, Int32(MNT_DETACH)) }
        let server = try await ServerProcess(data: data)
        let client = server.client
        try await client.make("channels/in", [:])
        try #require(FileManager.default.createFile(atPath: data + "/ballast", contents: Data(count: 2 << 20)))
        let text = JSONValue.string(String(repeating: "x", count: 8_000))
        var acknowledged: [String] = []
        var refusal: TestClient.Answer?
        for batch in 0..<400 where refusal == nil {
            let ids = (0..<20).map { "e\(batch)-\($0)" }
            let answer = try await client.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json",
                body: JSONValue.array(ids.map { TestClient.event($0, ["data": text]) }).encoded())
            if answer.status == 200 { acknowledged += ids } else { refusal = answer }
        }
        let full = try #require(refusal, "the disk never filled")
        expectProblem(full, 507, "disk-full", "a full disk")
        #expect(full.headers.first(name: "retry-after") != nil)
        #expect(!acknowledged.isEmpty)
        #expect(try await client.call("GET", "/healthz").status == 200)
        let have = Set(try await client.ids("in"))
        #expect(acknowledged.allSatisfy { have.contains($0) })

        try FileManager.default.removeItem(atPath: data + "/ballast")
        let works = try await eventually {
            try await client.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents+json",
                body: TestClient.event("after").encoded()
            ).status == 200
        }
        #expect(works)
        server.kill9()
        let again = try await ServerProcess(data: data)
        let kept = try await again.client.ids("in")
        #expect(acknowledged.allSatisfy { Set(kept).contains($0) })
        #expect(kept.filter { $0 == "after" } == ["after"])
        #expect(Set(kept).count == kept.count)
        again.kill9()
    }

    /// Code, versions and records of runs need room; what is deployed runs without.
    @Test func onAFullDiskWhatIsDeployedRunsAndWhatIsNewIsRefused() async throws {
        let folder = try TemporaryDirectory("weir-full")
        guard let data = try await smallDisk(in: folder) else { return }
        defer { umount2(data, Int32(MNT_DETACH)) }
        let server = try await ServerProcess(data: data)
        let client = server.client
        let code = "def main(args):\n    return {\"ok\": True}\n"
        try await client.function("before", code)
        func run(_ name: String, _ client: TestClient) async throws -> Int {
            try await client.call("POST", "/v1/functions/\(name)/invoke?blocking=true", body: Array("{}".utf8)).status
        }
        #expect(try await run("before", client) == 200)
        let filled = try await Command.shell("cat /dev/zero >'\(data)/ballast'; cat /dev/zero >'\(data)/more'; true")
        #expect(filled.errors.contains("No space left"))

        let zip = try await Command.shell(
            "cd '\(folder.path)' && printf 'def main(args): return 1\\n' >__main__.py && python3 -m zipfile -c code.zip __main__.py"
        )
        try #require(zip.status == 0, "\(zip.errors)")
        let archive = Array(FileManager.default.contents(atPath: folder.file("code.zip")) ?? Data())
        for (name, upload) in [
            ("small", TestClient.upload("small.py", Array(code.utf8))),
            ("archive", TestClient.upload("code.zip", archive, ["runtime": "python"])),
        ] {
            let answer = try await client.put("/v1/functions/\(name)", upload)
            expectProblem(answer, 507, "disk-full", name)
            #expect(answer.headers.first(name: "retry-after") != nil)
            #expect(try await client.call("GET", "/v1/functions/\(name)").status == 404)
        }
        for _ in 0..<5 { #expect(try await run("before", client) == 200) }
        #expect(try await client.call("GET", "/healthz").status == 200)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: data + "/code").count == 1, "half of something is left")

        for name in ["ballast", "more"] { try FileManager.default.removeItem(atPath: data + "/" + name) }
        try await client.function("small", code)
        #expect(try await run("small", client) == 200)
        // The records of the runs in between had to wait for room.
        #expect(try await eventually { try await client.activations("before").count == 6 })
        server.kill9()
        let again = try await ServerProcess(data: data)
        #expect(try await run("small", again.client) == 200)
        #expect(try await run("before", again.client) == 200)
        #expect(try await again.client.activations("before").count == 7)
        again.kill9()
    }
}
