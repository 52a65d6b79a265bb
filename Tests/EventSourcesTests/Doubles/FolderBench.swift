import CloudEvents
import EventSources
import Foundation
import Synchronization
import TestSupport
import Testing

/// A watched folder under test: its channel, its store, and the running source.
final class FolderBench: Sendable {
    let temporary: TemporaryDirectory
    let root: String
    let channel: MemoryChannel
    let deadLetters: MemoryChannel
    let store: MemoryStore

    init() throws {
        temporary = try TemporaryDirectory("weir-folder")
        root = temporary.path + "/watched"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        channel = MemoryChannel()
        deadLetters = MemoryChannel("storage.dead")
        store = MemoryStore()
    }

    /// Runs the source while `body` runs, from when the first listing is done; until it ends by itself, when it is to.
    func watching(
        _ change: (inout FolderSpec) -> Void = { _ in }, endsByItself: Bool = false,
        files: any FileAccess = PosixFiles(),
        clock: SourceClock = .system, settings: FolderSource.Settings = .init(),
        feed: @escaping @Sendable () throws(SourceError) -> any WatchFeed = kernelFeed,
        _ body: (SourceReport) async throws -> Void
    ) async throws {
        var spec = FolderSpec(directory: root)
        change(&spec)
        let report = SourceReport()
        let source = FolderSource(
            id: SourceID(namespace: "default", name: "inbox"), spec: spec, host: "testhost",
            output: SourceOutput(channel: channel, deadLetters: deadLetters, report: report), store: store,
            files: files, clock: clock, settings: settings, feed: feed)
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
        if !endsByItself { running.cancel() }
        if case .failure(let error) = await running.result, !(error is CancellationError) { throw error }
    }

    func write(_ name: String, _ text: String = "content") throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: root + "/" + name))
    }

    func makeDirectory(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: root + "/" + name, withIntermediateDirectories: true)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: root + "/" + name) }

    func rename(_ name: String, to target: String) throws {
        try #require(Foundation.rename(root + "/" + name, target.hasPrefix("/") ? target : root + "/" + target) == 0)
    }

    /// The names (below the folder) of the events of a type, in order.
    func names(_ type: String) -> [String] {
        channel.events.filter { $0.type == "dev.weir.\(type)" }.compactMap { $0.subject }
            .map { $0.hasPrefix(root + "/") ? String($0.dropFirst(root.count + 1)) : $0 }
    }

    /// Waits until everything before has come through: a file of its own is written and announced.
    func settle() async throws {
        let name = "settle-\(UUID().uuidString)"
        try write(name)
        try await eventually("\(name) is announced") { names("file.written").contains(name) }
    }
}

/// The real thing.
func kernelFeed() throws(SourceError) -> any WatchFeed { try KernelFeed() }
