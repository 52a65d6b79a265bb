import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

/// Sources on the real server: what was written is in the channel, all of it and once, whatever happens in between.
@Suite(.fewAtATime) struct SourceTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory("weir-sources")
        for name in ["billing", "inbox"] {
            try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
        }
    }

    private func append(_ lines: [String], to path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if !FileManager.default.fileExists(atPath: path) {
            try #require(FileManager.default.createFile(atPath: path, contents: nil))
        }
        let file = try #require(FileHandle(forWritingAtPath: path))
        file.seekToEndOfFile()
        file.write(Data(lines.map { $0 + "\n" }.joined().utf8))
        try file.close()
    }

    private func decoded(_ path: String, _ data: String) async throws -> [JSONValue] {
        try await Command.weir(data, "decode", "--from", "dcache-billing", path).lines
    }

    private func reads(_ count: Int, _ client: TestClient) async throws {
        let isThere = try await eventually { try await client.events("storage").count >= count }
        #expect(isThere, "\(count) events were not read in time")
    }

    @Test func aBillingDirectoryIsReadWholeThroughRotationsAndRestarts() async throws {
        let data = folder.file("data")
        var server = try await ServerProcess(data: data)
        try await server.client.make("channels/storage", ["partitions": 4])

        // The past: a day that is over before the source is there.
        let day: Int64 = 86_400
        let now = Int64(Date().timeIntervalSince1970)
        var generator = BillingGenerator(seed: 11, start: now - 2 * day)
        var paths: [String] = []
        func path(_ name: String) -> String { folder.file("billing") + "/" + name }
        var written: Set<String> = []
        func write(_ count: Int, header: Bool = false) throws {
            if header { try append(BillingGenerator.headerLines, to: path(generator.fileName)) }
            if paths.last != path(generator.fileName) { paths.append(path(generator.fileName)) }
            var lines: [String] = []
            while lines.count < count {
                // Records that are equal to the letter within a second are told apart only as far as the decoder's
                // small memory goes; here every record is one of its own.
                let next = generator.next()
                if written.isDisjoint(with: next) { lines += next }
                written.formUnion(next)
            }
            try append(lines, to: path(generator.fileName))
        }
        try write(700, header: true)
        try await server.client.make(
            "sources/billing",
            ["kind": "dcache-billing", "directory": .string(folder.file("billing")), "channel": "storage"])
        var sums = generator.bytesByPool
        // The next day's file grows while the server runs, is stopped, and is killed.
        generator = BillingGenerator(seed: 12, start: now - day)
        try write(50, header: true)
        for step in 0..<20 {
            try write(60)
            if step == 6 {
                // Some has been read and some has not: that is the moment for a stop, and below for a crash.
                try await reads(200, server.client)
                #expect(server.stop() == 0)
                try write(60)
                server = try await ServerProcess(data: data)
            } else if step == 11 {
                try await reads(1_200, server.client)
                server.kill9()
                try write(60)
                server = try await ServerProcess(data: data)
            }
        }
        sums.merge(generator.bytesByPool) { $0 + $1 }
        // Rotation: a third file begins, and the first one is packed away, as dCache does it, while nobody looks.
        generator = BillingGenerator(seed: 13, start: now)
        try write(300, header: true)
        server.kill9()
        var wanted = try await decoded(paths[0], data)
        let packed = try await Command.shell("bzip2 '\(paths[0])'")
        if packed.status != 0 { print("skipped: packing the first file: \(packed.errors)") }
        server = try await ServerProcess(data: data)
        try write(700)
        sums.merge(generator.bytesByPool) { $0 + $1 }
        for path in paths.dropFirst() { wanted += try await decoded(path, data) }
        #expect(written.count >= 3_000)

        // No two of the records are equal, so no two of their ids may be.
        let want = Set(wanted.compactMap { $0["id"]?.string })
        #expect(want.count == wanted.count)
        let client = server.client
        let isThere = try await eventually(within: .seconds(60)) {
            try await client.events("storage").count >= want.count
        }
        let events = try await client.events("storage")
        #expect(isThere, "\(events.count) of \(want.count): \(server.log.suffix(2000))")
        #expect(events.count == want.count)
        let have = Set(events.compactMap { $0["id"]?.string })
        #expect(have.subtracting(want).count == 0 && want.subtracting(have).count == 0)
        var moved: [String: Int64] = [:]
        for event in events where ["written", "read"].contains(event["type"]?.string?.split(separator: ".").last) {
            moved[event["pool"]?.string ?? "", default: 0] += event["data"]?["bytes"]?.integer ?? 0
        }
        for event in events where event["type"] == "dev.weir.replica.copied" {
            moved[event["pool"]?.string ?? "", default: 0] += event["data"]?["bytes"]?.integer ?? 0
        }
        #expect(moved == sums)
        let status = try await client.status("sources/billing")
        #expect(status["state"] == "running", "\(status.text)")
        #expect(status["lagBytes"] == 0, "\(status.text)")
        #expect(server.stop() == 0)
    }

    @Test func whatCannotBeReadGoesBesideAndTheStatusSaysSo() async throws {
        let data = folder.file("data")
        let server = try await ServerProcess(data: data)
        try await server.client.make("channels/storage", [:])
        try await server.client.make(
            "sources/billing",
            ["kind": "dcache-billing", "directory": .string(folder.file("billing")), "channel": "storage"])
        try await server.client.make(
            "sources/absent", ["kind": "folder", "directory": .string(folder.file("absent")), "channel": "storage"])
        try await server.client.make(
            "sources/early", ["kind": "folder", "directory": .string(folder.file("inbox")), "channel": "later"])
        var generator = BillingGenerator(seed: 3, start: Int64(Date().timeIntervalSince1970))
        let path = folder.file("billing") + "/" + generator.fileName
        var lines = BillingGenerator.headerLines
        for _ in 0..<5 { lines += generator.next() }
        try append(lines + ["this is no record", "05.20 99:99:99 [nobody"], to: path)
        for _ in 0..<5 { try append(generator.next(), to: path) }
        let client = server.client
        let isThere = try await eventually {
            guard try await client.call("GET", "/v1/channels/storage.unreadable").status == 200 else { return false }
            guard try await client.events("storage.unreadable").count == 2 else { return false }
            return try await client.status("sources/billing")["lagBytes"] == 0
        }
        let billingStatus = try await client.status("sources/billing")
        #expect(isThere, "\(billingStatus.text)")
        let unreadable = try await client.events("storage.unreadable")
        #expect(unreadable.allSatisfy { $0["type"] == "dev.weir.source.unreadable" && $0["reason"] != nil })
        let texts = unreadable.compactMap { $0["data_base64"]?.string }.compactMap { Data(base64Encoded: $0) }
            .map { String(decoding: $0, as: UTF8.self) }
        #expect(texts.contains { $0.contains("this is no record") }, "\(unreadable)")

        let listed = try await Command.weir(data, "get", "sources", "-o", "json")
        #expect(listed.status == 0)
        let sources = Dictionary(
            uniqueKeysWithValues: (listed.json.array ?? []).map { ($0["name"]?.string ?? "", $0["status"] ?? .null) })
        #expect(sources["billing"]?["state"] == "running")
        #expect(sources["billing"]?["failures"] == 2)
        #expect((sources["billing"]?["events"]?.integer ?? 0) >= 10)
        #expect(sources["billing"]?["lastEvent"]?.string != nil)
        #expect(sources["absent"]?["state"] == "failing")
        #expect(sources["absent"]?["reason"]?.string?.contains(folder.file("absent")) == true, "\(listed.text)")
        #expect(sources["early"]?["state"] == "failing")
        #expect(sources["early"]?["reason"]?.string?.contains("later") == true, "\(listed.text)")

        // Both heal by themselves when what they need is there.
        try FileManager.default.createDirectory(atPath: folder.file("absent"), withIntermediateDirectories: true)
        try await client.make("channels/later", [:])
        let healed = try await eventually {
            let states = try await [client.status("sources/absent")["state"], client.status("sources/early")["state"]]
            return states == ["running", "running"]
        }
        let healing = try await [client.status("sources/absent"), client.status("sources/early")]
        #expect(healed, "\(healing)")
        #expect(server.stop() == 0)
    }

    @Test func filesOfAWatchedFolderAreAnnouncedOnceAcrossRestarts() async throws {
        let data = folder.file("data")
        let inbox = folder.file("inbox")
        func put(_ name: String, _ text: String) throws {
            let path = URL(fileURLWithPath: inbox + "/" + name)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: path)
        }
        func written(_ client: TestClient) async throws -> [String] {
            try await client.events("files").filter { $0["type"] == "dev.weir.file.written" }
                .compactMap { $0["subject"]?.string?.dropFirst(inbox.count + 1) }.map(String.init).sorted()
        }
        try put("before", "0")
        var server = try await ServerProcess(data: data)
        var client = server.client
        try await client.make("channels/files", [:])
        try await client.make(
            "sources/inbox", ["kind": "folder", "directory": .string(inbox), "channel": "files"])
        try put("a", "1")
        try put("deep/er/b", "2")
        var names = ["a", "before", "deep/er/b"]
        _ = try await eventually { try await written(client) == names }
        #expect(try await written(client) == names)
        #expect(server.stop() == 0)

        try put("c", "3")
        try put("deep/er/d", "4")
        try put("new/e", "5")
        server = try await ServerProcess(data: data)
        client = server.client
        names += ["c", "deep/er/d", "new/e"]
        names.sort()
        _ = try await eventually { try await written(client).count >= names.count }
        #expect(try await written(client) == names)

        server.kill9()
        try put("a", "changed and longer")
        try put("f", "6")
        server = try await ServerProcess(data: data)
        client = server.client
        try put("g", "7")
        names = (names + ["a", "f", "g"]).sorted()
        _ = try await eventually { try await written(client).count >= names.count }
        #expect(try await written(client) == names)
        let ids = try await client.ids("files")
        #expect(ids.count == Set(ids).count)
        #expect(server.stop() == 0)
    }

    @Test func linesOnStandardInputBecomeEvents() async throws {
        // Closed on exec from the first moment: another test's server that inherited an end would keep it open.
        try #require(mkfifo(folder.file("pipe"), 0o600) == 0)
        let writing = open(folder.file("pipe"), O_RDWR | O_CLOEXEC)
        let reading = open(folder.file("pipe"), O_RDONLY | O_CLOEXEC)
        let server = try await ServerProcess(data: folder.file("data"), input: reading)
        close(reading)
        let client = server.client
        try await client.make("channels/lines", [:])
        try await client.make("sources/input", ["kind": "stdin", "format": "cloudevents", "channel": "lines"])
        func write(_ text: String) {
            _ = Array(text.utf8).withUnsafeBytes { Foundation.write(writing, $0.baseAddress, $0.count) }
        }
        write(TestClient.event("1").text + "\n" + TestClient.event("2").text + "\nno event\n")
        write(TestClient.event("3").text)
        close(writing)
        let isThere = try await eventually { try await client.ids("lines") == ["1", "2", "3"] }
        let inputStatus = try await client.status("sources/input")
        #expect(isThere, "\(inputStatus.text)")
        let unreadable = try await client.events("lines.unreadable")
        #expect(unreadable.count == 1, "\(unreadable)")
        #expect(unreadable.first?["line"] == "3" || unreadable.first?["line"] == 3, "\(unreadable)")
        let ended = try await eventually { try await client.status("sources/input")["state"]?.string == "finished" }
        let last = try await client.status("sources/input")
        #expect(ended, "\(last.text)")
        #expect(server.stop() == 0)
    }
}
