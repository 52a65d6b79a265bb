import CloudEvents
import EventSources
import Outbound
import Synchronization
import TestSupport
import Testing

/// A dCache event source under test: the frontend double, the channel, the store, and the running source.
final class EventsBench: Sendable {
    let frontend: FrontendDouble
    let channel = MemoryChannel()
    let deadLetters = MemoryChannel("storage.dead")
    let store = MemoryStore()
    let report = Mutex(SourceReport())

    init() async throws {
        frontend = try await FrontendDouble()
        frontend.makeFolder("/data")
    }

    static let secrets = SecretStore { (_, name) throws(SecretError) in
        guard name == "macaroon" else { throw SecretError(.missing, "there is no secret \"\(name)\"") }
        return Array(FrontendDouble.token.utf8)
    }

    /// Runs the source, started again as the supervisor does it, while `body` runs; from when the first listing is done.
    func following(
        _ change: (inout DCacheEventsSpec) -> Void = { _ in }, waiting: Bool = true, _ body: () async throws -> Void
    ) async throws {
        var spec = DCacheEventsSpec(
            url: frontend.url, paths: ["/data"], credential: .bearer(SecretReference("macaroon")))
        change(&spec)
        let report = SourceReport()
        self.report.withLock { $0 = report }
        let output = SourceOutput(channel: channel, deadLetters: deadLetters, report: report)
        let (made, store) = (spec, store)
        var settings = DCacheEventsSource.Settings()
        settings.yieldPause = 50_000_000
        let chosen = settings
        let supervisor = Task {
            while !Task.isCancelled {
                do {
                    let source = try DCacheEventsSource(
                        id: SourceID(namespace: "default", name: "sse"), spec: made, output: output, store: store,
                        secrets: Self.secrets, settings: chosen
                    ) { try await Task.sleep(for: .nanoseconds(min($0, 20_000_000))) }
                    try await source.run()
                } catch {
                    report.failing("\(error)")
                    try? await Task.sleep(for: .milliseconds(20))
                }
            }
        }
        defer { supervisor.cancel() }
        do {
            if waiting { try await eventually("the first listing is done") { isSettled } }
            try await body()
        } catch {
            print("the source says: \(report.snapshot)")
            supervisor.cancel()
            await supervisor.value
            throw error
        }
        supervisor.cancel()
        await supervisor.value
    }

    /// Whether all folders are known and nothing is to be looked for.
    var isSettled: Bool {
        store.value(of: "complete").map { !$0.isEmpty } == true && frontend.isFollowed && store.value(of: "gap") == nil
    }

    var status: SourceStatus { report.withLock { $0.snapshot } }

    func paths(_ type: String) -> [String] {
        channel.events.filter { $0.type == "dev.weir.\(type)" }.map { $0.subject ?? "" }
    }

    /// Waits until everything before has come through: a file of its own is uploaded and announced.
    func settle(_ folder: String = "/data") async throws {
        let name = "\(folder)/settle-\(channel.count)-\(frontend.state.withLock { $0.nextNode })"
        frontend.upload(name)
        try await eventually("\(name) is announced") { paths("file.written").contains(name) }
    }
}
