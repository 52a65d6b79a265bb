import AsyncHTTPClient
import Channels
import CloudEvents
import Foundation
import Invocation
import Kafka
import Logging
import Persistence
import Synchronization
import TestSupport
import Testing

@testable import Delivery

/// A place to keep channels in; what delivery promises holds in each of them.
private struct ChannelKind: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var hasFaults = false
    /// Opens `storage` (three partitions), `replies` and `failed`; called once more after a restart.
    var site: @Sendable () async throws -> Place

    final class Place: Sendable {
        let open: @Sendable () async throws -> (channels: [String: any Channel], close: @Sendable () async -> Void)
        /// Makes trouble, where there can be some.
        let trouble: @Sendable (Int) async -> Void

        init(
            open:
                @escaping @Sendable () async throws -> (
                    channels: [String: any Channel], close: @Sendable () async -> Void
                ), trouble: @escaping @Sendable (Int) async -> Void = { _ in }
        ) {
            self.open = open
            self.trouble = trouble
        }
    }

    static let names = [("storage", 3), ("replies", 1), ("failed", 1)]

    static let embedded = ChannelKind(testDescription: "the embedded log") {
        let folder = try TemporaryDirectory("weir-delivery")
        return Place {
            let store = try EmbeddedLogStore(directory: folder.path, log: quiet)
            var channels: [String: any Channel] = [:]
            for (name, partitions) in names {
                channels[name] = try await store.open(name, ChannelSpec(partitions: partitions))
            }
            return (channels, { await store.close() })
        }
    }

    /// librdkafka's own brokers; with faults: moved leaders, refused requests, delays, a broker down.
    static func kafka(_ description: String, hasFaults: Bool) -> ChannelKind {
        ChannelKind(testDescription: description, hasFaults: hasFaults) {
            let kafka = try MockKafka(brokers: 3)
            for (name, partitions) in names {
                kafka.topic(name, partitions: partitions, replication: 3)
                kafka.topic(KafkaStore.ledger(of: name, group: "weir"), partitions: partitions, replication: 3)
            }
            return Place {
                let store = try kafkaStore(kafka.bootstrap)
                do {
                    return (try await open(store), { await store.close() })
                } catch {
                    await store.close()
                    throw error
                }
            } trouble: { step in
                guard hasFaults else { return }
                switch step % 5 {
                case 0: for partition in 0..<3 { kafka.lead("storage", partition, by: 1 + (step + partition) % 3) }
                // NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS.
                case 1: kafka.fail(.produce, with: [6, 7, 19])
                case 2: kafka.fail(.fetch, with: [5, 6])
                case 3:
                    let broker = 1 + step % 3
                    kafka.down(broker)
                    // A broker is away for a while; there is nothing to await.
                    try? await Task.sleep(for: .milliseconds(150))
                    kafka.up(broker)
                default: for broker in 1...3 { kafka.delay(broker, milliseconds: step % 2 == 0 ? 20 : 0) }
                }
            }
        }
    }

    static let broker = ChannelKind(testDescription: "a Kafka broker") {
        let broker = try await KafkaBroker()
        return Place {
            let store = try kafkaStore(broker.bootstrap)
            var channels: [String: any Channel] = [:]
            for (name, partitions) in names {
                channels[name] = try await store.open(
                    "default/" + name, ChannelSpec(partitions: partitions, storage: .kafka(KafkaTopicSpec(topic: name)))
                )
            }
            return (
                channels,
                {
                    await store.close()
                    withExtendedLifetime(broker) {}
                }
            )
        }
    }

    static let all =
        [embedded, kafka("Kafka", hasFaults: false), kafka("Kafka with faults", hasFaults: true)]
        + (KafkaBroker.unreachable == nil ? [broker] : [])

    /// What goes wrong is said: faults are made on purpose, and a test that hangs is told by its last words.
    static var quiet: Logger {
        var log = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = getenv("WEIR_TEST_LOG").flatMap { Logger.Level(rawValue: String(cString: $0)) } ?? .error
        return log
    }

    private static func kafkaStore(_ bootstrap: String) throws -> KafkaStore {
        // The last: librdkafka's brokers forget a member that waits to join when the machine is a second late, and never
        // answer it (`rd_kafka_mock_cgrp_rebalance`); it asks again then.
        let properties =
            "bootstrap.servers = \(bootstrap)\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 300\n"
            + "max.poll.interval.ms = 10000"
        var options = KafkaStore.Options()
        options.timeout = 20_000
        return KafkaStore(try KafkaClusters(properties: properties), options: options, log: quiet)
    }

    private static func open(_ store: KafkaStore) async throws -> [String: any Channel] {
        var channels: [String: any Channel] = [:]
        for (name, partitions) in names {
            channels[name] = try await store.open(
                "default/" + name, ChannelSpec(partitions: partitions, storage: .kafka(KafkaTopicSpec(topic: name))))
        }
        return channels
    }
}

/// A channel of which is known what was appended to it, by how often the channel said so.
private final class CountedChannel: ForwardingChannel {
    let channel: any Channel
    let counts: Counts

    final class Counts: Sendable {
        private let state = Mutex<[String: Int]>([:])
        func add(_ id: String) { state.withLock { $0[id, default: 0] += 1 } }
        var repeated: [String: Int] { state.withLock { $0.filter { $0.value > 1 } } }
    }

    init(_ channel: any Channel, _ counts: Counts) { (self.channel, self.counts) = (channel, counts) }

    func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        let outcomes = try await channel.append(events)
        for (event, outcome) in zip(events, outcomes) {
            if case .appended = outcome { counts.add(event.event.id) }
        }
        return outcomes
    }
}

@Suite("Delivery from each kind of channel", .timeLimit(.minutes(5)))
struct ChannelKindsTests {
    private let key = SubscriptionKey(namespace: "default", name: "s")

    /// Runs `body` beside subscriptions over channels that were just opened, then ends and closes them.
    private func run(
        _ place: ChannelKind.Place, _ store: MemoryStore, _ invoker: FakeInvoker,
        counting counts: CountedChannel.Counts = .init(),
        _ body: (Subscriptions, [String: any Channel]) async throws -> Void
    ) async throws {
        let (opened, close) = try await place.open()
        let channels = opened.mapValues { $0.name.hasSuffix("replies") ? CountedChannel($0, counts) : $0 }
        let subscriptions = Subscriptions(
            channels: { channels[$1] }, store: store, invoker: invoker, client: HTTPClient.shared, drain: 5_000,
            log: ChannelKind.quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await subscriptions.run() }
            do {
                try await body(subscriptions, channels)
            } catch {
                subscriptions.shutdown()
                throw error
            }
            subscriptions.shutdown()
            try await group.waitForAll()
        }
        await close()
    }

    private func events(_ channel: any Channel) async throws -> [CloudEvent] {
        try await channel.refreshBounds()
        var events: [CloudEvent] = []
        for partition in 0..<channel.partitionCount {
            var offset = channel.bounds(ofPartition: partition).first
            while offset < channel.bounds(ofPartition: partition).next {
                let batch = try await channel.read(partition: partition, from: offset, limit: ReadLimit())
                for index in 0..<batch.count { events.append(batch.record(at: index).event) }
                guard batch.nextOffset > offset else { break }
                offset = batch.nextOffset
            }
        }
        return events
    }

    /// One event of each of eight keys; tried again until it is kept, as a client would.
    private func publish(_ channel: any Channel, _ number: Int) async {
        let events = (0..<8).map { key in
            var event = CloudEvent(
                id: "\(key)-\(number)", source: "test", type: "t", subject: "/data/\(key)/f\(number)")
            event["partitionkey"] = .string("k\(key)")
            return EventRecord(event)
        }
        while (try? await channel.append(events)) == nil, !Task.isCancelled {}
    }

    @Test(arguments: ChannelKind.all)
    fileprivate func `in order by key, every event, each reply once, over a restart`(_ kind: ChannelKind) async throws {
        let place = try await kind.site()
        let store = MemoryStore()
        let done = Mutex<[String: [Int]]>([:])
        let failures = Mutex<Set<String>>([])
        let handler: FakeInvoker.Handler = { _, call in
            let id = call.cause.eventID ?? ""
            let parts = id.split(separator: "-").compactMap { Int($0) }
            // Never, and each fifth once.
            if id == "3-9" { return (.applicationError, []) }
            if parts.count == 2, parts[1] % 5 == 0, failures.withLock({ $0.insert(id).inserted }) {
                return (.applicationError, [])
            }
            if parts.count == 2 { done.withLock { $0[String(parts[0]), default: []].append(parts[1]) } }
            return (.success, [Activation.Published(type: "done", subject: id)])
        }
        let spec = try SubscriptionSpec([
            "channel": "storage", "sink": "function:f",
            "delivery": [
                "start": "earliest", "order": "key", "retry": ["attempts": 4, "backoff": "2ms"], "deadLetter": "failed",
                "reply": "replies", "batch": ["size": 8],
            ],
        ])
        let first = FakeInvoker(handler)
        let counts = CountedChannel.Counts()
        try await run(place, store, first, counting: counts) { subscriptions, channels in
            let storage = try #require(channels["storage"])
            try await subscriptions.add(key, spec)
            for number in 0..<20 {
                await publish(storage, number)
                await place.trouble(number)
            }
            await waitUntil { done.withLock { $0.values.reduce(0) { $0 + $1.count } } >= 60 }
        }
        let second = FakeInvoker(handler)
        try await run(place, store, second, counting: counts) { subscriptions, channels in
            let storage = try #require(channels["storage"])
            try await subscriptions.add(key, spec)
            for number in 20..<40 {
                await publish(storage, number)
                await place.trouble(number)
            }
            let replies = try #require(channels["replies"])
            await waitUntil { Set((try? await events(replies))?.compactMap(\.subject) ?? []).count >= 8 * 40 - 1 }
            let failed = try #require(channels["failed"])
            await waitUntil { (try? await events(failed).count) ?? 0 >= 1 }
            let subjects = try await events(replies).compactMap(\.subject)
            #expect(Set(subjects).count == 8 * 40 - 1, "replies that nobody asked for")
            #expect(counts.repeated.isEmpty, "replies that were appended more than once")
            // librdkafka's brokers write a request twice that is tried again after its answer was lost: of a producer
            // without transactions they do not look at sequences (`rd_kafka_mock_validate_records`).
            if !kind.hasFaults {
                #expect(subjects.count == 8 * 40 - 1, "\(kind.testDescription): \(subjects.count) replies")
            }
            #expect(try await events(failed).map { $0["weirdlid"] } == [.string("3-9")])
        }
        for (key, numbers) in done.withLock({ $0 }) {
            // What was under way at the restart, or when partitions were lost, may be run again from an earlier place;
            // nothing is run for the first time behind a later one.
            var seen: Set<Int> = []
            for number in numbers where seen.insert(number).inserted {
                let last = seen.max() ?? number
                #expect(number == last, "\(kind.testDescription): key \(key): \(number) behind \(last) in \(numbers)")
            }
            let wanted = key == "3" ? (0..<40).filter { $0 != 9 } : Array(0..<40)
            #expect(Set(numbers) == Set(wanted), "\(kind.testDescription): key \(key)")
        }
    }

    /// Which members of which groups lack in the channel, and which in what is kept of them.
    private func lacking(_ channel: any Channel, _ store: MemoryStore) async throws -> String {
        let read = Set(try await events(channel).filter { $0.type == "t" }.compactMap(\.subject))
        var entries: [String: [UInt8]] = [:]
        if let sharing = channel.sharing {
            entries = try await sharing.kept(partition: SharedGathering.home)
        } else {
            for entry in try await store.entries(prefix: Gatherer.prefix) { entries[entry.key] = entry.value }
        }
        let members = entries.values.compactMap { Stored.member($0)?.1.facts["subject"]?.string }
        let fired = Set(
            entries.values.compactMap { Stored.group($0)?.0 }.filter { $0.state != .firing }.map(\.key.text))
        return (0..<8).filter { !fired.contains(String($0)) }.map { group in
            let all = Set((0..<12).map { "/data/\(group)/f\($0)" })
            return "group \(group): not in the channel \(all.subtracting(read).sorted()), "
                + "not kept \(all.subtracting(members).sorted())"
        }.joined(separator: "; ")
    }

    @Test(arguments: ChannelKind.all)
    fileprivate func `gathered over a restart: each set once, with all its members`(_ kind: ChannelKind) async throws {
        let place = try await kind.site()
        let store = MemoryStore()
        let spec = try SubscriptionSpec([
            "channel": "storage", "sink": "function:f", "gather": ["by": ["path": "/data/{set}/*"], "count": 12],
            "delivery": ["start": "earliest", "retry": ["backoff": "2ms"]],
        ])
        let invoker = FakeInvoker { _, _ in (.success, []) }
        for half in 0..<2 {
            try await run(place, store, invoker) { subscriptions, channels in
                let storage = try #require(channels["storage"])
                try await subscriptions.add(key, spec)
                for number in (half * 6)..<(half * 6 + 6) {
                    await publish(storage, number)
                    await place.trouble(number)
                }
                let end = ContinuousClock.now + .seconds(90)
                if half == 0 {
                    await waitUntil {
                        await subscriptions.status(key)?.gathering?.open == 8 || ContinuousClock.now > end
                    }
                } else {
                    await waitUntil {
                        Set(invoker.causes.compactMap(\.eventID)).count >= 8 || ContinuousClock.now > end
                    }
                }
                if ContinuousClock.now > end {
                    let status = await subscriptions.status(key)
                    Issue.record(
                        """
                        \(kind.testDescription), half \(half): \(invoker.causes.count) fired; \
                        \(try await lacking(storage, store)); \(String(describing: status))
                        """)
                    return
                }
                if half == 1 {
                    let groups = try await events(storage).filter { $0.type == Gatherer.type }
                    #expect(Set(groups.map(\.id)).count == 8)
                    if !kind.hasFaults { #expect(groups.count == 8) }
                    for group in groups {
                        guard case .json(let bytes)? = group.data else { continue }
                        let members = try JSONValue(parsing: bytes)["members"]?.array ?? []
                        #expect(Set(members.compactMap { $0["subject"]?.string }).count == 12, "\(group.subject ?? "")")
                    }
                }
            }
        }
        #expect(Set(invoker.causes.compactMap(\.eventID)).count == 8)
        // What the brokers wrote twice comes twice.
        if !kind.hasFaults { #expect(invoker.causes.count == 8) }
    }
}
