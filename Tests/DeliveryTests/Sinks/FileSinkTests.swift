import CloudEvents
import Foundation
import Manifest
import Synchronization
import TestSupport
import Testing

@testable import Delivery

@Suite("Files of JSON lines")
struct FileSinkTests {
    private func spec(_ directory: String, _ more: JSONObject = [:]) throws -> FileSinkSpec {
        var document: JSONObject = ["kind": "files", "directory": .string(directory)]
        for member in more.members { document[member.name] = member.value }
        guard case .files(let spec) = try SinkSpec(.object(document), path: "sink") else {
            throw DocumentError(path: "", message: "no file sink")
        }
        return spec
    }

    private func parcel(
        _ offset: UInt64, time: String = "2026-05-20T12:00:00Z", subject: String = "/a/b", floor: UInt64 = 0
    ) -> Parcel {
        let event = CloudEvent(
            id: "e\(offset)", source: "s", type: "t", subject: subject, time: EventTime(time),
            data: .json(Array("{\n \"n\": \(offset)}".utf8)))
        return Parcel(event: EventRecord(event), partition: 0, offset: offset, attempt: 1, floor: floor)
    }

    /// What a reader finds: by path below the folder, hidden files left out as Spark does.
    static func visible(_ directory: String) throws -> [String: [JSONValue]] {
        var found: [String: [JSONValue]] = [:]
        for file in Fixtures.files(under: directory, where: { !$0.hasPrefix(".") && $0.hasSuffix(".json") }) {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.hasSuffix("\n"))
            found[String(file.dropFirst(directory.count + 1))] = try text.split(separator: "\n").map {
                try JSONValue(parsing: String($0))
            }
        }
        return found
    }

    @Test("events lie by date and hour of their own time, a line each")
    func partitions() async throws {
        let folder = try TemporaryDirectory("weir-files")
        let sink = FileSink(try spec(folder.path), owner: "default.lake")
        let answers = await sink.deliver([
            parcel(1, time: "2026-05-20T23:59:59+02:00"), parcel(2, time: "2026-05-20T22:00:00Z"),
            parcel(3, time: "2026-05-20T21:30:00Z"),
        ])
        #expect(answers.allSatisfy { $0.outcome == .delivered })
        let found = try Self.visible(folder.path)
        #expect(
            Set(found.keys.map { $0.prefix { $0 != "p" } }) == ["date=2026-05-20/hour=21/", "date=2026-05-20/hour=22/"])
        #expect(found.values.flatMap { $0 }.compactMap { $0["data"]?["n"]?.integer }.sorted() == [1, 2, 3])
    }

    @Test("what an event says cannot lead out of the folder")
    func escaping() async throws {
        let folder = try TemporaryDirectory("weir-files")
        let sink = FileSink(
            try spec(folder.file("lake"), ["partition": "s=${subject}/x${type}"]), owner: "default.lake")
        let answers = await sink.deliver([
            parcel(1, subject: "/../../etc/passwd"), parcel(2, subject: ".."),
            parcel(3, subject: String(repeating: "ü", count: 400)),
        ])
        // What is too long for a folder's name does not keep the others back.
        #expect(answers[0].outcome == .delivered && answers[1].outcome == .delivered)
        guard case .rejected(let why) = answers[2].outcome else { Issue.record("\(answers[2])"); return }
        #expect(why.contains("255 bytes"))
        let folders = Set(try Self.visible(folder.file("lake")).keys.map { String($0.prefix { $0 != "/" }) })
        #expect(folders == ["s=%2F..%2F..%2Fetc%2Fpasswd", "s=%2E."])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["lake"])
    }

    @Test("a line is what the template says")
    func document() async throws {
        let folder = try TemporaryDirectory("weir-files")
        let sink = FileSink(
            try spec(
                folder.path, ["partition": "all", "document": ["path": "${subject}", "n": "${/n}", "pool": "${pool}"]]),
            owner: "default.lake")
        var good = parcel(2)
        good.event = {
            var event = good.event.event; event["pool"] = .string("p"); return EventRecord(event)
        }()
        let answers = await sink.deliver([parcel(1), good])
        #expect(answers[1].outcome == .delivered)
        guard case .rejected(let why) = answers[0].outcome else { Issue.record("\(answers[0])"); return }
        #expect(why.contains("${pool}"))
        #expect(try Self.visible(folder.path).values.flatMap { $0 } == [["path": "/a/b", "n": 2, "pool": "p"]])
    }

    @Test("the same events again, cut otherwise, are not written again; also not after a restart")
    func again() async throws {
        let folder = try TemporaryDirectory("weir-files")
        let first = FileSink(try spec(folder.path), owner: "default.lake")
        _ = await first.deliver((0..<10).map { parcel($0) })
        _ = await first.deliver((5..<15).map { parcel($0) })
        let second = FileSink(try spec(folder.path), owner: "default.lake")
        _ = await second.deliver((0..<20).map { parcel($0) })
        let numbers = try Self.visible(folder.path).values.flatMap { $0 }.compactMap { $0["data"]?["n"]?.integer }
        #expect(numbers.sorted() == Array(0..<20))
        // What is settled for good is forgotten.
        _ = await second.deliver([parcel(20, floor: 20)])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path + "/.weir/default.lake/ledger").count == 1)
        await second.removed()
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/.weir/default.lake"))
    }

    @Test("a folder that cannot be written to is said, and written to when it can")
    func unwritable() async throws {
        let folder = try TemporaryDirectory("weir-files")
        try Data().write(to: URL(fileURLWithPath: folder.file("lake")))
        let sink = FileSink(try spec(folder.file("lake")), owner: "default.lake")
        guard case .retry(let why, _) = await sink.deliver([parcel(1)])[0].outcome else {
            Issue.record("delivered"); return
        }
        #expect(why.contains(folder.file("lake")))
        try FileManager.default.removeItem(atPath: folder.file("lake"))
        #expect(await sink.deliver([parcel(1)])[0].outcome == .delivered)
    }

    @Test("a crash anywhere: each event stands in exactly one file, and no reader sees half of one", arguments: 0..<40)
    func crashes(_ round: Int) throws {
        var random = SeededGenerator()
        print("crash round \(round) with seed \(random.seed)")
        let folder = try TemporaryDirectory("weir-files")
        let count: UInt64 = 60
        var delivered: Set<UInt64> = []
        var crashes = 0
        while delivered.count < count {
            var tree = FileTree(directory: folder.path, owner: "default.lake")
            let steps = Int.random(in: 1...60, using: &random)
            tree.interruptAfter = crashes < 12 ? steps : nil
            do throws(FileTree.Failure) {
                while delivered.count < count {
                    // What is not known to be delivered comes again, and some that is, for progress lags behind.
                    var batch = (0..<count).filter { !delivered.contains($0) }.shuffled(using: &random)
                        .prefix(Int.random(in: 1...20, using: &random))
                    batch += delivered.shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random))
                    let lines = batch.map { offset in
                        FileTree.Line(
                            partition: Int(offset % 2), offset: offset, floor: 0, folder: "h=\(offset % 3)",
                            bytes: Array("{\"n\": \(offset)}".utf8))
                    }
                    try tree.write(lines)
                    delivered.formUnion(batch)
                }
            } catch {
                crashes += 1
            }
            for (_, lines) in try Self.visible(folder.path) { #expect(!lines.isEmpty) }
        }
        var tree = FileTree(directory: folder.path, owner: "default.lake")
        try tree.write([.init(partition: 9, offset: 0, floor: 0, folder: "end", bytes: Array("{\"n\": -1}".utf8))])
        let numbers = try Self.visible(folder.path).values.flatMap { $0 }.compactMap { $0["n"]?.integer }
        #expect(numbers.sorted() == [-1] + (0..<Int64(count)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/.weir/default.lake/staged").isEmpty)
    }

    @Test(
        "mistakes are named",
        arguments: [
            (#"{"kind": "files"}"#, "sink.directory", "this is required"),
            (#"{"kind": "files", "directory": "data"}"#, "sink.directory", "absolute"),
            (#"{"kind": "files", "directory": "/d", "partition": "../${type}"}"#, "sink.partition", "downwards"),
            (#"{"kind": "files", "directory": "/d", "partition": "/x"}"#, "sink.partition", "downwards"),
            (#"{"kind": "files", "directory": "/d", "partition": "${Type}"}"#, "sink.partition", "neither"),
            (#"{"kind": "files", "directory": "/d", "form": 1}"#, "sink.form", "unknown"),
            (#"{"kind": "fils", "directory": "/d"}"#, "sink.kind", "did you mean \"files\"?"),
        ])
    func documents(_ text: String, _ path: String, _ part: String) throws {
        do throws(DocumentError) {
            _ = try SinkSpec(JSONValue.reading(text), path: "sink")
            Issue.record("it was accepted")
        } catch {
            #expect(error.path == path && error.message.contains(part), "\(error)")
        }
    }
}

extension JSONValue {
    /// A literal of a test.
    static func reading(_ text: String) -> JSONValue { (try? JSONValue(parsing: text)) ?? .null }
}
