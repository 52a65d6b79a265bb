import AsyncHTTPClient
import Channels
import CloudEvents
import Invocation
import Logging
import Persistence
import TestSupport
import Testing

@testable import Delivery

/// Channels, a store and a runtime over them, which can be ended and begun again.
private struct Site {
    let storage = MemoryChannel("storage", partitions: 2)
    let failed = MemoryChannel("failed")
    let replies = MemoryChannel("replies")
    let store = MemoryStore()
    let key = SubscriptionKey(namespace: "default", name: "s")

    /// Runs `body` beside the subscriptions, then ends them.
    func run(_ invoker: FakeInvoker, _ body: (Subscriptions) async throws -> Void) async throws {
        let channels = ["storage": storage, "failed": failed, "replies": replies]
        let subscriptions = Subscriptions(
            channels: { channels[$1] }, store: store, invoker: invoker, client: HTTPClient.shared, drain: 2_000,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await subscriptions.run() }
            try await body(subscriptions)
            subscriptions.shutdown()
            try await group.waitForAll()
        }
    }

    func publish(_ range: Range<Int>) async throws {
        _ = try await storage.append(
            range.map {
                EventRecord(CloudEvent(id: "e\($0)", source: "test", type: "t", subject: "/data/\($0 % 7)/f\($0)"))
            })
    }

    func spec(_ delivery: JSONValue, sink: String = "function:f") throws -> SubscriptionSpec {
        try SubscriptionSpec(["channel": "storage", "sink": .string(sink), "delivery": delivery])
    }
}

@Suite(.timeLimit(.minutes(1))) struct SubscriptionsTests {
    private let fast: JSONValue = [
        "start": "earliest", "retry": ["attempts": 2, "backoff": "1ms"], "deadLetter": "failed", "reply": "replies",
    ]

    @Test func deliversPastAndNewEventsOnce() async throws {
        let site = Site()
        try await site.publish(0..<3000)
        let invoker = FakeInvoker { _, _ in (.success, []) }
        try await site.run(invoker) { subscriptions in
            try await subscriptions.add(site.key, site.spec(fast))
            await waitUntil { invoker.causes.count >= 3000 }
            try await site.publish(3000..<3100)
            await waitUntil { invoker.causes.count >= 3100 }
            #expect(Set(invoker.causes.map(\.eventID)).count == 3100)
            await waitUntil {
                let status = await subscriptions.status(site.key)
                return status?.partitions.allSatisfy { $0.lag == 0 } == true && status?.pending == 0
            }
            #expect(await subscriptions.status(site.key)?.counts.delivered == 3100)
            #expect(await subscriptions.status(site.key)?.state == .running)
        }
        #expect(invoker.causes.count == 3100)
    }

    @Test func goesOnAfterARestartWithWhatWasNotSettled() async throws {
        let site = Site()
        try await site.publish(0..<50)
        let first = FakeInvoker { _, call in (call.cause.eventID == "e7" ? .timeout : .success, []) }
        try await site.run(first) { subscriptions in
            try await subscriptions.add(
                site.key, site.spec(["start": "earliest", "retry": ["backoff": "1h", "jitter": false]]))
            await waitUntil { first.causes.count >= 50 }
        }
        let second = FakeInvoker { _, _ in (.success, []) }
        try await site.run(second) { subscriptions in
            try await subscriptions.add(site.key, site.spec(fast))
            try await site.publish(50..<60)
            await waitUntil { second.causes.count >= 11 }
        }
        #expect(Set(second.causes.map(\.eventID)) == Set((["e7"] + (50..<60).map { "e\($0)" }).map { Optional($0) }))
        #expect(second.causes.count == 11)
    }

    @Test func whatCannotBeDeliveredBecomesADeadLetterWithItsReason() async throws {
        let site = Site()
        let invoker = FakeInvoker { _, call in (call.cause.eventID == "e1" ? .applicationError : .success, []) }
        try await site.run(invoker) { subscriptions in
            try await subscriptions.add(site.key, site.spec(fast))
            try await site.publish(0..<3)
            await waitUntil { site.failed.events.count == 1 }
        }
        let letter = try #require(site.failed.events.first)
        #expect(letter["weirdlid"] == .string("e1"))
        #expect(letter["weirdlreason"] == .string("attempts-exhausted"))
        #expect(letter["weirdlattempts"] == .integer(2))
        #expect(letter["weirdlsubscription"] == .string("default/s"))
        #expect(letter.subject == "/data/1/f1")
        #expect(throws: Never.self) { try letter.validate() }
    }

    @Test func repliesComeOnceHoweverOftenTheEventIsDelivered() async throws {
        let site = Site()
        let published = [Activation.Published(type: "done"), Activation.Published(type: "done")]
        for _ in 0..<2 {
            let invoker = FakeInvoker { _, _ in (.success, published) }
            try await site.run(invoker) { subscriptions in
                try await subscriptions.add(site.key, site.spec(fast))
                try await site.publish(0..<5)
                await waitUntil { invoker.causes.count >= 5 }
            }
            // As if the progress had been lost: everything is delivered again.
            try await site.store.put(
                await site.store.entries(prefix: "").map { .init(key: $0.key, value: nil) })
        }
        #expect(site.replies.events.count == 10)
        #expect(site.replies.duplicates == 10)
        let reply = try #require(site.replies.events.first)
        #expect(reply["weirdepth"] == .integer(1))
        #expect(reply.source == "weir://default/f")
        #expect(reply.id.utf8.count == 32)
    }

    @Test func aFunctionThatAnswersItselfEndsInTheDeadLetters() async throws {
        let site = Site()
        let invoker = FakeInvoker { _, _ in (.success, [Activation.Published(type: "again", subject: "/x")]) }
        try await site.run(invoker) { subscriptions in
            try await subscriptions.add(
                site.key, site.spec(["start": "earliest", "deadLetter": "failed"]))
            try await site.publish(0..<1)
            await waitUntil { site.failed.events.count == 1 }
        }
        #expect(invoker.causes.count == 17)
        let letter = try #require(site.failed.events.first)
        #expect(letter["weirdlreason"] == .string("loop"))
        guard case .string(let chain) = letter["weirchain"] else { return #expect(Bool(false), "no chain") }
        #expect(chain.split(separator: " ").count == 18)
        #expect(chain.hasPrefix("e0 "))
    }

    @Test func aSubscriberThatHangsDelaysNobody() async throws {
        let site = Site()
        let invoker = FakeInvoker { function, _ in
            if function.name == "hangs" { try? await Task.sleep(for: .seconds(3600)) }
            return (.success, [])
        }
        try await site.run(invoker) { subscriptions in
            try await subscriptions.add(
                SubscriptionKey(namespace: "default", name: "slow"),
                site.spec(["timeout": "1h"], sink: "function:hangs"))
            try await subscriptions.add(site.key, site.spec(fast))
            for start in stride(from: 0, to: 12_000, by: 1_000) { try await site.publish(start..<(start + 1_000)) }
            await waitUntil { invoker.causes.count >= 12_000 }
            let slow = await subscriptions.status(SubscriptionKey(namespace: "default", name: "slow"))
            #expect(slow?.inFlight == 8)
            #expect(slow?.counts.delivered == 0)
            await subscriptions.pause(SubscriptionKey(namespace: "default", name: "slow"))
        }
    }

    @Test func pausedNothingIsDeliveredAndResumedAllOfIt() async throws {
        let site = Site()
        let invoker = FakeInvoker { _, _ in (.success, []) }
        try await site.run(invoker) { subscriptions in
            var spec = try site.spec(fast)
            spec.paused = true
            try await subscriptions.add(site.key, spec)
            try await site.publish(0..<9_000)
            #expect(await subscriptions.status(site.key)?.state == .paused)
            #expect(invoker.causes.isEmpty)
            await subscriptions.resume(site.key)
            await waitUntil { invoker.causes.count >= 9_000 }
        }
        #expect(Set(invoker.causes.map(\.eventID)).count == 9_000)
    }

    @Test func anUnknownChannelIsRefusedByName() async throws {
        let site = Site()
        let invoker = FakeInvoker { _, _ in (.success, []) }
        try await site.run(invoker) { subscriptions in
            var spec = try site.spec(fast)
            spec.channel = "nowhere"
            await #expect(throws: SubscriptionError.self) { try await subscriptions.add(site.key, spec) }
        }
    }
}
