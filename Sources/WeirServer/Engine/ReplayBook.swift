import CloudEvents
import Delivery
import Foundation
import Synchronization

/// The replays of this server: those that run, and the last of those that have ended.
///
/// A replay is work that somebody asked for and watches; a restart ends it, and it can be asked for again.
actor ReplayBook {
    private struct Entry {
        let id: String
        let key: SubscriptionKey
        let started: Int64
        let report: LiveReport
        var state = "running"
        var reason: String?
        var ended: Int64?
        var task: Task<Void, Never>?
    }

    /// What a running replay says of itself, written by it and read by whoever asks.
    private final class LiveReport: Sendable {
        let value = Mutex(Replay.Report())
    }

    private static let kept = 200
    private var entries: [Entry] = []

    func begin(
        _ replay: Replay, subscription: SubscriptionKey, sink: any Sink, batchSize: Int, concurrency: Int,
        attempts: Int, keep: @escaping @Sendable ([EventRecord]) async throws -> Void
    ) -> JSONObject {
        let id = UUID().uuidString.lowercased()
        let report = LiveReport()
        var entry = Entry(id: id, key: subscription, started: ServerEngine.now, report: report)
        entry.task = Task {
            do {
                let last = try await replay.run(
                    into: sink, batchSize: batchSize, concurrency: concurrency, attempts: attempts, keep: keep
                ) { now in
                    report.value.withLock { $0 = now }
                }
                report.value.withLock { $0 = last }
                self.end(id, Task.isCancelled ? "cancelled" : "done", nil)
            } catch {
                self.end(id, "failed", "\(error)")
            }
            await sink.close()
            await sink.removed()
        }
        entries.append(entry)
        if entries.count > ReplayBook.kept, let old = entries.firstIndex(where: { $0.ended != nil }) {
            entries.remove(at: old)
        }
        return document(entry)
    }

    func all(namespace: String) -> [JSONObject] {
        entries.reversed().filter { $0.key.namespace == namespace }.map { document($0) }
    }

    func document(_ id: String, namespace: String) -> JSONObject? {
        entries.first { $0.id == id && $0.key.namespace == namespace }.map { document($0) }
    }

    func cancel(_ id: String, namespace: String) -> Bool {
        guard let entry = entries.first(where: { $0.id == id && $0.key.namespace == namespace }) else { return false }
        entry.task?.cancel()
        return true
    }

    private func end(_ id: String, _ state: String, _ reason: String?) {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
        entries[index].state = state
        entries[index].reason = reason
        entries[index].ended = ServerEngine.now
        entries[index].task = nil
    }

    private func document(_ entry: Entry) -> JSONObject {
        let report = entry.report.value.withLock { $0 }
        var document: JSONObject = [
            "id": .string(entry.id), "namespace": .string(entry.key.namespace),
            "subscription": .string(entry.key.name), "state": .string(entry.state),
            "started": .time(entry.started), "scanned": .integer(Int64(report.scanned)),
            "matched": .integer(Int64(report.matches)), "delivered": .integer(Int64(report.delivered)),
            "failed": .integer(Int64(report.failed)), "lost": .integer(Int64(report.lost)),
        ]
        document["ended"] = entry.ended.map { .time($0) }
        document["reason"] = entry.reason.map { .string($0) }
        document["lastError"] = report.lastError.map { .string($0) }
        return document
    }
}
