import CloudEvents
import EventSources
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Files of lines", .timeLimit(.minutes(2)))
struct LinesSourceTests {
    private let folder: TemporaryDirectory
    private let channel = MemoryChannel()
    private let deadLetters = MemoryChannel("storage.dead")
    private let store = MemoryStore()

    init() throws { folder = try TemporaryDirectory("weir-lines") }

    private static func line(_ number: Int) -> String {
        "\(number) 01CREAT 04:24:09.7792\(10_000 + number) 2024.08.20 0x0 t=[0x2000013a1:0x\(String(number, radix: 16)):0x0] "
            + "p=[0x200000007:0x1:0x0] f\(number)"
    }

    private func append(_ numbers: Range<Int>, to name: String, ending: String = "\n") throws {
        let path = folder.file(name)
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let file = try #require(FileHandle(forWritingAtPath: path))
        file.seekToEndOfFile()
        file.write(Data((numbers.map(Self.line).joined(separator: "\n") + ending).utf8))
        try file.close()
    }

    private func following(
        _ change: (inout LinesSpec) -> Void = { _ in }, _ body: (SourceReport) async throws -> Void
    ) async throws {
        var spec = LinesSpec(
            directory: folder.path, filter: NameFilter(include: [Glob("*.log")]), format: .lustreChangelog)
        spec.system = "scratch-MDT0000"
        change(&spec)
        let report = SourceReport()
        let source = LinesSource(
            id: SourceID(namespace: "default", name: "lines"), spec: spec,
            output: SourceOutput(channel: channel, deadLetters: deadLetters, report: report), store: store, chunk: 512
        ) { try await Task.sleep(for: .nanoseconds(min($0, 2_000_000))) }
        let task = Task { try await source.run() }
        do {
            try await body(report)
        } catch {
            print("the source says: \(report.snapshot)")
            task.cancel()
            throw error
        }
        task.cancel()
        _ = await task.result
    }

    private var names: [String] {
        channel.events.compactMap { $0.subject.map { String($0.split(separator: "/").last ?? "") } }
    }

    @Test("what is there and what comes, over restarts, once and in order")
    func followed() async throws {
        try append(1..<40, to: "a.log")
        try append(0..<1, to: "other.txt")
        try await following { _ in
            try await eventually("the past is read") { channel.count == 39 }
            try append(40..<50, to: "a.log")
            // A line without its end waits.
            try append(50..<51, to: "a.log", ending: "")
            try await eventually("what comes is read") { channel.count == 49 }
        }
        try append(51..<51, to: "a.log")
        try append(51..<60, to: "a.log")
        try await following { _ in try await eventually("it goes on") { channel.count == 59 } }
        #expect(names == (1..<60).map { "f\($0)" })
        #expect(deadLetters.count == 0)
    }

    @Test("a rotation loses nothing: the old file's rest first, whatever its name is now")
    func rotation() async throws {
        try append(1..<20, to: "a.log")
        try await following { report in
            try await eventually("the past is read") { channel.count == 19 }
            try append(20..<25, to: "a.log", ending: "")
            try FileManager.default.moveItem(atPath: folder.file("a.log"), toPath: folder.file("a.log.1"))
            try append(25..<30, to: "a.log")
            try await eventually("both are read") { channel.count == 29 }
            try FileManager.default.moveItem(atPath: folder.file("a.log"), toPath: folder.file("b.log"))
            try append(30..<35, to: "b.log")
            try await eventually("a new name changes nothing") { channel.count == 34 }
            #expect(report.snapshot.counts.duplicates == 0 && report.snapshot.counts.gaps == 0)
        }
        #expect(names == (1..<35).map { "f\($0)" })
    }

    @Test("a truncated file is a gap that is told, and read from its beginning")
    func truncation() async throws {
        try append(1..<20, to: "a.log")
        try await following { report in
            try await eventually("the past is read") { channel.count == 19 }
            let file = try #require(FileHandle(forWritingAtPath: folder.file("a.log")))
            try file.truncate(atOffset: 0)
            try file.close()
            try await eventually("the gap is told") { channel.events.contains { $0.type == "dev.weir.source.gap" } }
            try append(20..<25, to: "a.log")
            try await eventually("it goes on") { channel.count == 25 }
            #expect(report.snapshot.counts.gaps == 1)
        }
    }

    @Test("latest begins behind what is there; a line that is none is set aside")
    func latest() async throws {
        try append(1..<20, to: "a.log")
        try await following {
            $0.start = .latest
        } _: { report in
            try await eventually("it stands at the end") { report.snapshot.position?.hasPrefix("a.log") == true }
            try Data("no line\n".utf8).write(to: URL(fileURLWithPath: folder.file("b.log")))
            try append(20..<25, to: "a.log")
            try await eventually("what comes is read") { channel.count == 5 && deadLetters.count == 1 }
        }
        #expect(deadLetters.events.first?["line"] == .string("1"))
    }
}
