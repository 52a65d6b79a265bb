import CKafka
import CLinux
import Glibc
import Logging
import Synchronization

/// One client of librdkafka and the thread that serves its events: logs, errors, tokens, and what its owner asks for.
///
/// Nothing that blocks is called on it but from its own thread or through ``blocking(_:)``.
final class KafkaClient: Sendable {
    enum Kind { case producer, consumer }

    private struct Life {
        var isClosing = false
        /// Calls into the library that are under way on other threads.
        var users = 0
        var isEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    // Set once in `init`; librdkafka locks its own objects, and its calls may come from any thread (INTRODUCTION.md,
    // "Threads and callbacks"). `use(_:)` keeps the object alive while a call is under way.
    private nonisolated(unsafe) let pointer: OpaquePointer
    private nonisolated(unsafe) let events: OpaquePointer
    let kind: Kind
    private let hasGroup: Bool
    private let life = Mutex(Life())
    private let tokens: KafkaTokenProvider?
    private let handler: @Sendable (KafkaClient, KafkaEvent) -> Void
    private let ending: @Sendable (KafkaClient, OpaquePointer) -> Void
    private let failure = Mutex<KafkaError?>(nil)
    private let pulse = Mutex(Pulse())
    let log: Logger

    /// - Parameters:
    ///   - properties: what the owner needs, set after the operator's.
    ///   - handler: called on the client's thread with each event that the client does not serve itself.
    ///   - ending: called on the client's thread before the object goes, when no other call is under way.
    init(
        _ kind: Kind, _ settings: KafkaSettings, properties: [KafkaProperty], events mask: Int32 = 0,
        tokens: KafkaTokenProvider?, log: Logger,
        handler: @escaping @Sendable (KafkaClient, KafkaEvent) -> Void = { _, _ in },
        ending: @escaping @Sendable (KafkaClient, OpaquePointer) -> Void = { _, _ in }
    ) throws(KafkaError) {
        let configuration = try Self.configuration(settings, properties, mask)
        var text = [CChar](repeating: 0, count: 512)
        let type = kind == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        guard let client = rd_kafka_new(type, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(.configuration, "the Kafka client cannot be made: \(Self.string(text))")
        }
        rd_kafka_set_log_queue(client, nil)
        hasGroup = properties.contains { $0.name == "group.id" }
        // A client of a group has one queue for all of its events; the others have the main queue only.
        if hasGroup { rd_kafka_poll_set_consumer(client) }
        pointer = client
        events = hasGroup ? rd_kafka_queue_get_consumer(client) : rd_kafka_queue_get_main(client)
        self.kind = kind
        self.tokens = tokens ?? settings.tokenFile.map { KafkaTokenFile(path: $0).provider }
        self.handler = handler
        self.ending = ending
        self.log = log
        startThread()
    }

    private struct Pulse {
        /// When the client's thread looked last; the clock goes on while the machine sleeps.
        var last = ContinuousClock.now
        var stoodStill = false
    }

    /// Whether the process stood still for longer than a few beats of its thread, now or since ``clearStandstill()``.
    var stoodStill: Bool {
        pulse.withLock { $0.stoodStill || ContinuousClock.now - $0.last > .seconds(4) }
    }

    func clearStandstill() { pulse.withLock { $0 = Pulse() } }

    private func beat() {
        pulse.withLock { pulse in
            let now = ContinuousClock.now
            if now - pulse.last > .seconds(4) { pulse.stoodStill = true }
            pulse.last = now
        }
    }

    // MARK: Configuration

    private static func configuration(
        _ settings: KafkaSettings, _ properties: [KafkaProperty], _ mask: Int32
    ) throws(KafkaError) -> OpaquePointer {
        guard let configuration = rd_kafka_conf_new() else {
            throw KafkaError(.configuration, "the Kafka client cannot be configured: out of memory")
        }
        var all = [
            KafkaProperty("bootstrap.servers", settings.bootstrap), KafkaProperty("client.id", "weir"),
            KafkaProperty("log.queue", "true"),
            // The address may be one of a service that is about to answer again: do not wait long to find out.
            KafkaProperty("reconnect.backoff.max.ms", "2000"),
        ]
        all += settings.properties
        all += properties
        for property in all {
            var text = [CChar](repeating: 0, count: 512)
            let outcome = rd_kafka_conf_set(configuration, property.name, property.value, &text, text.count)
            guard outcome == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw KafkaError(.configuration, "the Kafka property \(property.name): \(string(text))")
            }
        }
        rd_kafka_conf_set_events(
            configuration,
            mask | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH)
        return configuration
    }

    static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Calls

    /// Runs a call that does not block, unless the client is being closed.
    func use<Result, Failure: Error>(_ body: (OpaquePointer) throws(Failure) -> Result) throws(Failure) -> Result? {
        let isOpen = life.withLock { life in
            if !life.isClosing { life.users += 1 }
            return !life.isClosing
        }
        guard isOpen else { return nil }
        defer { life.withLock { $0.users -= 1 } }
        return try body(pointer)
    }

    /// Runs a call on the client's own thread, from `handler` or `ending`: also while the client is being closed, for it is
    /// this thread that ends it.
    ///
    /// A rebalance that librdkafka has told of is answered by this: its close waits for that answer as long as it takes.
    func answer(
        _ event: KafkaEvent, assign: ([TopicPartition], OpaquePointer) -> Void,
        revoke: ([TopicPartition], OpaquePointer) -> Void
    ) {
        let isAssignment = event.error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
        isAssignment ? assign(event.partitions, pointer) : revoke(event.partitions, pointer)
    }

    /// Runs a call that blocks, on a thread of its own; for what is asked seldom.
    func blocking<Success: Sendable>(
        _ body: @escaping @Sendable (OpaquePointer) -> Result<Success, KafkaError>
    ) async throws(KafkaError) -> Success {
        let result = await onThread("kafka-ask") {
            self.use(body) ?? .failure(KafkaError(.closed, "the Kafka client is closed"))
        }
        return try result.get()
    }

    /// The last error that concerned the whole client (brokers down, credentials refused) and has not passed.
    var lastFailure: KafkaError? { failure.withLock { $0 } }

    /// Something worked: what went wrong before has passed, unless it is fatal.
    func clearFailure() {
        failure.withLock { if let one = $0, one.code != .fatal { $0 = nil } }
    }

    /// What was asked has failed in a way in which all that follows will.
    func condemn(_ error: KafkaError) { failure.withLock { if $0?.code != .fatal { $0 = error } } }

    /// Wakes the client's thread.
    func wake() { _ = use { _ in rd_kafka_queue_yield(events) } }

    /// Ends the thread and the client; returns when both have gone, or do not go for a while: librdkafka does not end a
    /// consumer that has something to commit and no broker to tell (its issue 3740). They go when a broker is back.
    func close() async {
        await Patience.wait {
            self.log.warning("a Kafka client does not end while its brokers are away; it is left to itself")
            self.letGo()
        } for: {
            await withCheckedContinuation { continuation in
                let isEnded = life.withLock { life in
                    if !life.isEnded { life.waiters.append(continuation) }
                    return life.isEnded
                }
                if isEnded { continuation.resume() } else { end() }
            }
        }
    }

    /// Lets those go on who wait for the end.
    private func letGo() {
        let waiters = life.withLock { life in
            defer { life.waiters = [] }
            return life.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The same without waiting, for owners that go.
    func end() {
        let isFirst = life.withLock { life in
            defer { life.isClosing = true }
            // Before `isClosing` stands, so that the thread cannot have gone.
            if !life.isClosing { rd_kafka_queue_yield(events) }
            return !life.isClosing
        }
        if isFirst { log.trace("a Kafka client is being closed") }
    }

    // MARK: The thread

    private func startThread() {
        let started = Detached.start(name: kind == .producer ? "kafka-produce" : "kafka-consume") { self.serve() }
        guard !started else { return }
        // Nobody serves it and it is of no use; a process out of threads has greater trouble.
        failure.withLock { $0 = KafkaError(.fatal, "no thread can be started for the Kafka client") }
        life.withLock { life in
            life.isClosing = true
            life.isEnded = true
        }
    }

    private func serve() {
        while !life.withLock({ $0.isClosing }) {
            let event = rd_kafka_queue_poll(events, 1_000)
            beat()
            guard let event else { continue }
            serve(KafkaEvent(event))
            rd_kafka_event_destroy(event)
        }
        // Calls are short, and no new one begins.
        while life.withLock({ $0.users > 0 }) { usleep(500) }
        ending(self, pointer)
        if hasGroup { rd_kafka_consumer_close(pointer) }
        rd_kafka_queue_destroy(events)
        rd_kafka_destroy(pointer)
        log.trace("a Kafka client has ended")
        life.withLock { $0.isEnded = true }
        letGo()
    }

    private func serve(_ event: KafkaEvent) {
        switch event.type {
        case RD_KAFKA_EVENT_LOG: relay(event)
        case RD_KAFKA_EVENT_ERROR: note(event)
        case RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH: refreshToken()
        default: handler(self, event)
        }
    }

    private func relay(_ event: KafkaEvent) {
        var facility: UnsafePointer<CChar>?
        var text: UnsafePointer<CChar>?
        var level: Int32 = 7
        guard rd_kafka_event_log(event.pointer, &facility, &text, &level) == 0, let text else { return }
        // syslog's levels; librdkafka calls every lost connection an error, and goes on by itself.
        let severity: Logger.Level =
            switch level {
            case ...2: .error
            case 3...4: .debug
            case 5...6: .debug
            default: .trace
            }
        log.log(
            level: severity, "\(String(cString: text))",
            metadata: ["kafka": "\(facility.map { String(cString: $0) } ?? "")"])
    }

    private func note(_ event: KafkaEvent) {
        let number = event.error
        var error = KafkaError(number, "Kafka", detail: event.errorText)
        // Not all events that come of a failure for good are called so (`FENCED_INSTANCE_ID` is not).
        var text = [CChar](repeating: 0, count: 512)
        let cause = rd_kafka_fatal_error(pointer, &text, text.count)
        if cause != RD_KAFKA_RESP_ERR_NO_ERROR {
            error = KafkaError(.fatal, "Kafka: \(Self.string(text))", number: cause.rawValue)
        }
        let previous = failure.withLock { failure in
            // What failed for good stays so.
            defer { if failure?.code != .fatal { failure = error } }
            return failure
        }
        // The same trouble is told once, not at every attempt.
        if previous?.number != error.number {
            log.warning("Kafka reports a problem", metadata: ["error": "\(error.message)", "code": "\(error.code)"])
        }
        handler(self, event)
    }

    private func refreshToken() {
        guard let tokens else {
            _ = use { rd_kafka_oauthbearer_set_token_failure($0, "no token source is configured") }
            return
        }
        Task {
            do {
                let token = try await tokens()
                let refused = use { client -> String? in
                    var text = [CChar](repeating: 0, count: 512)
                    let outcome = rd_kafka_oauthbearer_set_token(
                        client, token.value, token.expires, token.principal, nil, 0, &text, text.count)
                    return outcome == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : Self.string(text)
                }
                if case let why?? = refused { fail(token: why) }
            } catch {
                fail(token: "\(error)")
            }
        }
    }

    private func fail(token why: String) {
        log.warning("no token for Kafka", metadata: ["error": "\(why)"])
        failure.withLock { $0 = KafkaError(.authentication, "no token for Kafka: \(why)") }
        // librdkafka asks again ten seconds later.
        _ = use { rd_kafka_oauthbearer_set_token_failure($0, why) }
    }
}
