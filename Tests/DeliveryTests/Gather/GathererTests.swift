import AsyncHTTPClient
import Channels
import CloudEvents
import Invocation
import Logging
import Manifest
import Persistence
import Synchronization
import TestSupport
import Testing

@testable import Delivery

/// What a crash is to a store and a channel: from some call on nothing more is done; the last one may still have been.
private final class Fate: Sendable {
    private let left = Mutex<Int?>(nil)

    func strike(after calls: Int?) { left.withLock { $0 = calls } }

    var isStruck: Bool { left.withLock { $0 == -1 } }

    /// Whether this call is done, and whether it is told so.
    func next(_ random: Bool) -> (isDone: Bool, isTold: Bool) {
        left.withLock { left in
            guard let count = left else { return (true, true) }
            if count > 0 {
                left = count - 1
                return (true, true)
            }
            if count == 0 {
                left = -1
                return (random, false)
            }
            return (false, false)
        }
    }
}

private struct FatedStore: StateStore {
    let store: MemoryStore
    let fate: Fate
    let isDoneAtTheEnd: Bool
    /// How many entries of the last call were written, of a store that writes one after the other.
    let part: Int

    func put(_ entries: [StateEntry]) async throws(PersistenceError) {
        let (isDone, isTold) = fate.next(isDoneAtTheEnd)
        if isDone { try await store.put(fate.isStruck ? Array(entries.prefix(part)) : entries) }
        if !isTold { throw PersistenceError(.ioFailure, "the process has died") }
    }

    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        try await store.entries(prefix: prefix)
    }
}

private final class FatedChannel: ForwardingChannel {
    let channel: any Channel
    let fate: Fate
    let isDoneAtTheEnd: Bool

    init(channel: MemoryChannel, fate: Fate, isDoneAtTheEnd: Bool) {
        (self.channel, self.fate, self.isDoneAtTheEnd) = (channel, fate, isDoneAtTheEnd)
    }

    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        let (isDone, isTold) = fate.next(isDoneAtTheEnd)
        let outcomes = isDone ? try await channel.append(events) : []
        if !isTold { throw ChannelError(.ioFailure, "the process has died") }
        return outcomes
    }
}

@Suite("Gathering", .timeLimit(.minutes(2)))
struct GathererTests {
    private let key = SubscriptionKey(namespace: "default", name: "s")

    private func spec(_ gather: JSONValue) throws -> SubscriptionSpec {
        try SubscriptionSpec([
            "channel": "storage", "sink": "function:f", "gather": gather,
            "delivery": ["start": "earliest", "retry": ["backoff": "1ms"]],
        ])
    }

    /// Runs `body` beside subscriptions over a channel, then ends them.
    private func run(
        _ storage: MemoryChannel, _ store: MemoryStore, _ invoker: FakeInvoker,
        _ body: (Subscriptions) async throws -> Void
    ) async throws {
        let subscriptions = Subscriptions(
            channels: { $1 == "storage" ? storage : nil }, store: store, invoker: invoker, client: HTTPClient.shared,
            drain: 2_000, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await subscriptions.run() }
            try await body(subscriptions)
            subscriptions.shutdown()
            try await group.waitForAll()
        }
    }

    private func publish(_ storage: MemoryChannel, _ range: Range<Int>) async throws {
        _ = try await storage.append(
            range.map {
                EventRecord(CloudEvent(id: "e\($0)", source: "test", type: "t", subject: "/data/\($0 % 7)/f\($0)"))
            })
    }

    private func groups(_ channel: MemoryChannel) throws -> [(subject: String, data: JSONValue)] {
        try channel.events.filter { $0.type == "dev.weir.group.completed" }.map { event in
            guard case .json(let bytes)? = event.data else { return (event.subject ?? "", .null) }
            return (event.subject ?? "", try JSONValue(parsing: bytes))
        }.sorted {
            ($0.subject, $0.data["generation"]?.integer ?? 0) < ($1.subject, $1.data["generation"]?.integer ?? 0)
        }
    }

    @Test("a group goes to the function once, when it is complete; a restart in between changes nothing")
    func acrossARestart() async throws {
        let (storage, store) = (MemoryChannel("storage", partitions: 2), MemoryStore())
        let invoker = FakeInvoker { _, _ in (.success, []) }
        try await publish(storage, 0..<35)
        try await run(storage, store, invoker) { subscriptions in
            try await subscriptions.add(key, try spec(["count": 10]))
            await waitUntil {
                let status = await subscriptions.status(key)
                return status?.gathering?.open == 7 && status?.partitions.allSatisfy { $0.lag == 0 } == true
            }
        }
        #expect(invoker.causes.isEmpty)
        try await run(storage, store, invoker) { subscriptions in
            try await subscriptions.add(key, try spec(["count": 10]))
            try await publish(storage, 35..<77)
            await waitUntil { invoker.causes.count >= 7 }
            await waitUntil { await subscriptions.status(key)?.gathering?.late == 7 }
            await waitUntil { await subscriptions.status(key)?.counts.delivered == 7 }
            #expect(await subscriptions.status(key)?.state == .running)
            try await subscriptions.remove(key)
        }
        #expect(invoker.causes.count == 7)
        let groups = try groups(storage)
        #expect(groups.map(\.subject) == (0..<7).map { "/data/\($0)" })
        #expect(groups.allSatisfy { $0.data["count"]?.integer == 10 && $0.data["reason"] == "count" })
        // Ten of the eleven of each; which, is a matter of the order between the partitions.
        for (folder, group) in groups.enumerated() {
            let members = Set(group.data["members"]?.array?.compactMap { $0["subject"]?.string } ?? [])
            #expect(members.count == 10)
            #expect(members.isSubset(of: (0..<11).map { "/data/\(folder)/f\(folder + $0 * 7)" }))
        }
        // Nothing is left of it.
        #expect(try await store.entries(prefix: "").isEmpty)
    }

    @Test("quiet: all that came goes together, also of several partitions")
    func quiet() async throws {
        let (storage, store) = (MemoryChannel("storage", partitions: 3), MemoryStore())
        let invoker = FakeInvoker { _, _ in (.success, []) }
        try await publish(storage, 0..<700)
        try await run(storage, store, invoker) { subscriptions in
            try await subscriptions.add(key, try spec(["quiet": "10ms"]))
            await waitUntil { invoker.causes.count >= 7 }
        }
        #expect(try groups(storage).map { $0.data["count"]?.integer } == Array(repeating: 100, count: 7))
        #expect(invoker.causes.count == 7)
    }

    @Test("an event that the channel finds too large says less of its members, then nothing")
    func tooLarge() throws {
        let members: [JSONValue] = (0..<3).map {
            ["id": .string("\($0)"), "subject": .string("/d/\($0)"), "time": "t"]
        }
        let data: JSONValue = ["count": 3, "members": .array(members)]
        let event = EventRecord(CloudEvent(id: "1", source: "s", type: "t", data: .json(data.encoded())))
        let less = try #require(Gatherer.reduced(event))
        guard case .json(let bytes)? = less.event.data else {
            Issue.record("no data")
            return
        }
        #expect(
            try JSONValue(parsing: bytes) == [
                "count": 3, "members": [["subject": "/d/0"], ["subject": "/d/1"], ["subject": "/d/2"]],
            ])
        let least = try #require(Gatherer.reduced(less))
        guard case .json(let rest)? = least.event.data else {
            Issue.record("no data")
            return
        }
        #expect(try JSONValue(parsing: rest) == ["count": 3, "membersLeftOut": true])
        #expect(Gatherer.reduced(least) == nil && less.event.id == "1")
    }

    /// Fails once when what is kept of one group is asked for.
    private final class Forgetful: StateStore {
        let store = MemoryStore()
        private let hasFailed = Mutex(false)

        func put(_ entries: [StateEntry]) async throws(PersistenceError) { try await store.put(entries) }

        func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
            if prefix.contains("/m/"), !prefix.hasSuffix("/m/"), !hasFailed.withLock({ $0 }) {
                hasFailed.withLock { $0 = true }
                throw PersistenceError(.ioFailure, "not now")
            }
            return try await store.entries(prefix: prefix)
        }
    }

    @Test("members that cannot be read when their group fires do not come again as late ones")
    func forgottenMembers() async throws {
        let (channel, store) = (MemoryChannel("storage"), Forgetful())
        let gather = try GatherSpec(DocumentReader(["count": 2, "late": "new"], path: "gather"))
        let parcels = (0..<2).map { number in
            Parcel(
                event: EventRecord(CloudEvent(id: "e\(number)", source: "s", type: "t", subject: "/d/f\(number)")),
                partition: 0, offset: UInt64(number), attempt: 1, floor: UInt64(number))
        }
        let first = Gatherer(key, gather, store: store, clock: .system) { channel }
        for parcel in parcels { _ = await first.deliver([parcel]) }
        await first.start { _ in true }
        await waitUntil { (try? await store.entries(prefix: Gatherer.prefix(key) + "m/").isEmpty) == true }
        await first.close()
        let second = Gatherer(key, gather, store: store, clock: .system) { channel }
        _ = await second.deliver([parcels[1]])
        #expect(await second.status.open == 0)
        #expect(channel.events.count == 1)
    }

    @Test(
        "a crash anywhere: each group fires once, with what belongs to it",
        arguments: Array(0..<30) as [UInt64], [GatherSpec.Late.ignore, .again, .new])
    func crashes(_ seed: UInt64, _ late: GatherSpec.Late) async throws {
        var random = SeededGenerator(seed: seed + 1)
        let (channel, store) = (MemoryChannel("storage"), MemoryStore())
        let gather = try GatherSpec(
            DocumentReader(["count": 3, "late": .string(late.rawValue)], path: "gather"))
        // Four of each of five groups, in some order; the fourth is late.
        let parcels = (0..<20).shuffled(using: &random).enumerated().map { offset, number in
            Parcel(
                event: EventRecord(
                    CloudEvent(id: "e\(number)", source: "s", type: "t", subject: "/d\(number % 5)/f\(number)")),
                partition: 0, offset: UInt64(offset), attempt: 1, appended: Int64(offset), floor: 0)
        }
        var floor = 0
        var settled = 0
        var crashes = 0
        while settled < parcels.count {
            let fate = Fate()
            let isDone = Bool.random(using: &random)
            if crashes < 15 { fate.strike(after: Int.random(in: 0..<8, using: &random)) }
            let target = FatedChannel(channel: channel, fate: fate, isDoneAtTheEnd: isDone)
            let gatherer = Gatherer(
                key, gather,
                store: FatedStore(
                    store: store, fate: fate, isDoneAtTheEnd: isDone,
                    part: Bool.random(using: &random) ? .max : Int.random(in: 0..<6, using: &random)), clock: .system
            ) { target }
            // What was settled last may not have been kept.
            settled = floor
            while settled < parcels.count {
                let end = min(parcels.count, settled + Int.random(in: 1...5, using: &random))
                var batch = Array(parcels[settled..<end])
                for index in batch.indices { batch[index].floor = UInt64(floor) }
                guard await gatherer.deliver(batch).allSatisfy({ $0.outcome == .delivered }) else { break }
                settled = end
                if Bool.random(using: &random) { floor = settled }
            }
            crashes += 1
        }
        let gatherer = Gatherer(
            key, gather, store: store, clock: .system
        ) { channel }
        await gatherer.start { _ in true }
        let wanted = late == .again ? 10 : 5
        await waitUntil { channel.events.count >= wanted }
        await gatherer.close()
        let groups = try groups(channel)
        #expect(groups.count == wanted, "seed \(seed)")
        for (index, group) in groups.enumerated() {
            let number = late == .again ? index / 2 : index
            #expect(group.subject == "/d\(number)", "seed \(seed)")
            let all = parcels.compactMap { $0.event.event.subject }.filter { $0.hasPrefix("/d\(number)/") }
            let count = late == .again && index % 2 == 1 ? 4 : 3
            let members = group.data["members"]?.array?.compactMap { $0["subject"]?.string }
            #expect(members == Array(all.prefix(count)), "seed \(seed)")
        }
    }
}
