import Channels
import CloudEvents
import Logging
import Testing
import TestSupport

@testable import Invocation

struct ActivationStoreTests {
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func withStore(
        recent: Int = 4, _ body: (ActivationStore, () async throws -> ActivationStore) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory("activations")
        let logs = try EmbeddedLogStore(directory: directory.path, log: logger)
        let channel = try await logs.open("activations", ChannelSpec(duplicateWindow: 0))
        var configuration = ActivationStore.Configuration()
        configuration.recentCount = recent
        configuration.linger = .milliseconds(1)
        let store = ActivationStore(channel: channel, configuration: configuration, logger: logger)
        let logger = logger
        try await body(store) {
            // What a new server sees: the same channel, nothing in memory.
            await store.flush()
            return ActivationStore(channel: channel, configuration: configuration, logger: logger)
        }
        await logs.close()
    }

    private func activation(
        _ number: Int, function: String = "f", status: Activation.Status = .success, subscription: String? = nil,
        start: Int64? = nil
    ) -> Activation {
        let start = start ?? TimeOfDay.milliseconds
        var ids = ActivationIDs(seed: UInt64(number))
        return Activation(
            id: ids.next(milliseconds: start), function: .init(namespace: "default", name: function, version: "abc"),
            cause: .init(subscription: subscription, eventID: "event-\(number)"), status: status,
            result: Array("{\"number\":\(number)}".utf8), start: start, end: start + 3)
    }

    @Test func everythingThatIsKnownOfARunComesBack() async throws {
        try await withStore { store, reopened in
            var original = activation(1, function: "package/name", status: .applicationError, subscription: "sub \"1\"")
            original.cause.channel = "storage"
            original.cause.partition = 3
            original.cause.offset = 77
            original.cause.attempt = 2
            original.logs = [
                .init(time: 5, stream: .stdout, text: "out \u{1} \"q\""), .init(time: 6, stream: .stderr, text: "ü"),
            ]
            original.logsTruncated = true
            original.published = [.init(type: "t", subject: "s", id: "i", source: "/x", data: .json([0x31]))]
            original.runNanoseconds = 1_234_567
            original.waitMilliseconds = 9
            original.initMilliseconds = 0
            await store.recordAndWait([original])
            for one in [store, try await reopened()] {
                let found = try await one.get(original.id)
                let copy = try #require(found)
                #expect(copy.id == original.id)
                #expect(copy.function == original.function)
                #expect(copy.cause == original.cause)
                #expect(copy.status == original.status)
                #expect(copy.result == original.result)
                #expect(copy.logs == original.logs)
                #expect(copy.logsTruncated)
                #expect(copy.published == [.init(type: "t", subject: "s", id: "i", source: "/x")])
                #expect(copy.start == original.start)
                #expect(copy.end == original.end)
                #expect(copy.runNanoseconds == original.runNanoseconds)
                #expect(copy.waitMilliseconds == 9)
                #expect(copy.initMilliseconds == 0)
            }
        }
    }

    @Test func aRunIsFoundByItsIDBeforeAndAfterItIsWritten() async throws {
        try await withStore { store, reopened in
            let all = (0..<5_000).map { activation($0) }
            store.record(all)
            let early = try await store.get(all[4_999].id)
            #expect(early?.result == all[4_999].result)
            let other = try await reopened()
            for index in [0, 1, 2_500, 4_999] {
                let found = try await other.get(all[index].id)
                #expect(found?.cause.eventID == "event-\(index)")
            }
            for id in [activation(99_999).id, "nonsense"] {
                let found = try await other.get(id)
                #expect(found == nil)
            }
        }
    }

    @Test func listsAreNewestFirstInPagesThatMeet() async throws {
        try await withStore { store, _ in
            store.record((0..<2_500).map { activation($0) })
            var seen: [String] = []
            var cursor: String?
            var pages = 0
            repeat {
                let page = try await store.list(limit: 700, cursor: cursor)
                seen += page.activations.map { $0.cause.eventID ?? "" }
                cursor = page.cursor
                pages += 1
            } while cursor != nil
            #expect(pages == 4)
            #expect(seen == (0..<2_500).reversed().map { "event-\($0)" })
        }
    }

    @Test func filtersChoose() async throws {
        try await withStore { store, _ in
            let now = TimeOfDay.milliseconds
            await store.recordAndWait([
                activation(1, function: "a", start: now - 3_000),
                activation(2, function: "b", status: .timeout, start: now - 2_000),
                activation(3, function: "a", subscription: "s", start: now - 1_000),
                activation(4, function: "ab", start: now),
            ])
            func expect(_ filter: ActivationFilter, _ events: [String]) async throws {
                let page = try await store.list(filter)
                #expect(page.activations.map(\.cause.eventID) == events, "\(filter)")
            }
            try await expect(.init(function: "a"), ["event-3", "event-1"])
            try await expect(.init(namespace: "default", function: "ab"), ["event-4"])
            try await expect(.init(namespace: "other"), [])
            try await expect(.init(status: .timeout), ["event-2"])
            try await expect(.init(subscription: "s"), ["event-3"])
            try await expect(.init(since: now - 2_000), ["event-4", "event-3", "event-2"])
            try await expect(.init(since: now - 2_000, until: now), ["event-3", "event-2"])
        }
    }

    @Test func callsThatSharedABatchAreOneRecord() async throws {
        try await withStore { store, _ in
            let one = activation(1)
            await store.recordAndWait([one, one, one, activation(2)])
            let page = try await store.list()
            #expect(page.activations.count == 2)
        }
    }

    @Test func idsSortByTimeAndCarryIt() {
        var ids = ActivationIDs(seed: 1)
        let made = (0..<1_000).map { ids.next(milliseconds: 1_700_000_000_000 + $0) }
        #expect(made == made.sorted())
        #expect(Set(made).count == 1_000)
        #expect(ActivationIDs.milliseconds(of: made[7]) == 1_700_000_000_007)
        #expect(ActivationIDs.milliseconds(of: "g" + made[7].dropFirst()) == nil)
    }
}
