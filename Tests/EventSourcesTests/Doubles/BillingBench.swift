import CloudEvents
import EventSources
import Foundation
import Synchronization
import TestSupport
import Testing

/// A billing directory under test.
final class BillingBench: Sendable {
    let temporary: TemporaryDirectory
    let root: String
    let channel = MemoryChannel()
    let deadLetters = MemoryChannel("storage.dead")
    let store = MemoryStore()

    init() throws {
        temporary = try TemporaryDirectory("weir-billing")
        root = temporary.path + "/billing"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    /// The lines that have come, without the events about gaps.
    var ids: [String] { channel.events.filter { $0.type == "line" }.map(\.id) }
    var gaps: Int { channel.events.count { $0.type == "dev.weir.source.gap" } }

    func source(
        start: BillingSpec.Start = .earliest, report: SourceReport = SourceReport(),
        _ change: (inout BillingSource.Settings) -> Void = { _ in }
    ) -> BillingSource {
        var settings = BillingSource.Settings()
        settings.poll = .milliseconds(200)
        change(&settings)
        return BillingSource(
            id: SourceID(namespace: "default", name: "billing"),
            spec: BillingSpec(directory: root, start: start),
            output: SourceOutput(channel: channel, deadLetters: deadLetters, report: report), store: store,
            settings: settings, decoder: { _, state in NumberedLines(state: state) })
    }

    /// Runs the source while `body` runs; a failure of the source fails the test.
    func following(
        start: BillingSpec.Start = .earliest, _ change: (inout BillingSource.Settings) -> Void = { _ in },
        _ body: (SourceReport) async throws -> Void
    ) async throws {
        let report = SourceReport()
        let source = source(start: start, report: report, change)
        let ended = Mutex(false)
        let running = Task {
            defer { ended.withLock { $0 = true } }
            try await source.run()
        }
        do {
            try await eventually("the source runs") {
                report.snapshot.state == .running || ended.withLock { $0 }
            }
            if ended.withLock({ $0 }) { try await running.value }
            try await body(report)
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
        running.cancel()
        if case .failure(let error) = await running.result, !(error is CancellationError) { throw error }
    }

    func has(_ count: Int) async throws { try await eventually("\(count) lines have come") { ids.count >= count } }

    /// One open, append, close, as dCache does it.
    func append(_ name: String, _ text: String) throws {
        let path = root + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let handle = FileHandle(forWritingAtPath: path) else { throw NeverHappened(what: "open \(path)") }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    func rename(_ name: String, to target: String) throws {
        guard Foundation.rename(root + "/" + name, root + "/" + target) == 0 else {
            throw NeverHappened(what: "rename \(name)")
        }
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: root + "/" + name) }

    func truncate(_ name: String, to length: Int = 0) throws {
        guard Foundation.truncate(root + "/" + name, off_t(length)) == 0 else {
            throw NeverHappened(what: "truncate \(name)")
        }
    }
}

/// `a-0 a-1 …`, one a line.
func numbered(_ prefix: String, _ range: Range<Int>) -> [String] { range.map { "\(prefix)-\($0)" } }

extension [String] {
    var asLines: String { map { $0 + "\n" }.joined() }
}
