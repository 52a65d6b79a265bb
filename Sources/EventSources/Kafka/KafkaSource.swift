import CloudEvents
import Kafka
package import Logging
package import Outbound
package import StorageEvents

/// Reads records of topics and makes events of them; its place is kept in the consumer group's offsets.
///
/// A record that cannot be read goes to the dead letters with its topic, partition and offset, and the reading goes on.
/// Offsets are committed behind what the channel has answered, so that a crash repeats records and loses none; what is
/// repeated has the same ids. With dCache's two routes switched on at once each record comes twice: it waits a moment
/// for its copy, and the one that says more is taken.
package actor KafkaSource: EventSource {
    private let spec: KafkaSourceSpec
    private let namespace: String
    private let group: String
    private let output: SourceOutput
    private let secrets: SecretStore
    private let options: LineDecoder.Options
    private let clock: SourceClock
    private let log: Logger

    private var decoders: [TopicPartition: LineDecoder] = [:]
    private var routes: RouteDeduplicator
    /// Batches whose records may still be held, with when they came.
    private var uncommitted: [(since: Int64, positions: [TopicPartition: Int64])] = []

    package init(
        id: SourceID, spec: KafkaSourceSpec, output: SourceOutput, secrets: SecretStore,
        options: LineDecoder.Options = .init(), clock: SourceClock = .system, log: Logger
    ) {
        self.spec = spec
        namespace = id.namespace
        group = spec.group ?? "weir.\(id.namespace).\(id.name)"
        self.output = output
        self.secrets = secrets
        var options = options
        options.system = spec.system
        options.endpoint = spec.system
        self.options = options
        self.clock = clock
        self.log = log
        routes = RouteDeduplicator(windowMilliseconds: spec.deduplicate, capacity: 100_000)
    }

    package func run() async throws {
        (decoders, uncommitted) = ([:], [])
        routes = RouteDeduplicator(windowMilliseconds: spec.deduplicate, capacity: 100_000)
        var settings = KafkaConsumer.Options()
        settings.start = spec.start == .earliest ? .earliest : .latest
        let consumer = try KafkaConsumer(
            try spec.cluster.settings(secrets, namespace: namespace), group: group, topics: spec.topics,
            options: settings, log: log)
        let queue = WaitingQueue<KafkaBatch>(capacity: 2)
        let outcome: Result<Void, any Error> = await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                do throws(KafkaError) {
                    while !queue.isClosed, let batch = try await consumer.next() { await queue.push(waiting: batch) }
                    queue.close()
                } catch {
                    queue.fail(SourceError(.ioFailure, error.message))
                }
            }
            let outcome: Result<Void, any Error>
            do {
                try await work(queue, consumer)
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            queue.close()
            tasks.cancelAll()
            return outcome
        }
        await consumer.close()
        try outcome.get()
    }

    private func work(_ queue: WaitingQueue<KafkaBatch>, _ consumer: KafkaConsumer) async throws {
        output.report.running()
        while true {
            try Task.checkCancellation()
            // At least every second, to say what keeps it from going on.
            let wait = routes.heldCount > 0 || !uncommitted.isEmpty ? min(max(spec.deduplicate, 20), 1_000) : 1_000
            guard let batches = try await queue.next(waitingAtMost: .milliseconds(wait)) else { return }
            for batch in batches { try await take(batch) }
            try await goOn(consumer)
            tell(consumer.status(), isIdle: batches.isEmpty)
        }
    }

    private func take(_ batch: KafkaBatch) async throws {
        let now = clock.wall()
        var made = DecodedBatch()
        var unreadable: [EventRecord] = []
        for message in batch.messages {
            // A tombstone says that a key is gone; nothing happened.
            guard let value = message.value else { continue }
            let place = TopicPartition(message.topic, message.partition)
            made.removeAll()
            var decoder = decoders[place] ?? LineDecoder(spec.format, options: options)
            if value.isEmpty {
                unreadable.append(poison(message, value, "the value is empty", now))
            } else {
                value.withUnsafeBytes { decoder.feed($0, into: &made) }
                // The record's end is the text's end, with or without a line's end.
                decoder.endRecord(into: &made)
            }
            decoders[place] = decoder
            for failure in made.failures { unreadable.append(poison(message, failure.raw, failure.description, now)) }
            for record in made.records {
                _ = routes.take(record, source: "kafka:\(message.topic)", at: now / 1_000_000)
            }
        }
        if !unreadable.isEmpty { try await output.publish(unreadable: unreadable) }
        uncommitted.append((now / 1_000_000, batch.positions))
    }

    private func poison(_ message: KafkaMessage, _ bytes: [UInt8], _ reason: String, _ now: Int64) -> EventRecord {
        Unreadable(
            bytes: bytes, reason: reason, source: "kafka:\(spec.cluster.brokers.prefix { $0 != "," })",
            subject: "\(message.topic)/\(message.partition)", offset: message.offset, time: now
        ).event
    }

    /// Publishes what has waited long enough, and commits what is published.
    private func goOn(_ consumer: KafkaConsumer) async throws {
        let now = clock.wall() / 1_000_000
        var ready = routes.due(at: now)
        if uncommitted.isEmpty || uncommitted[0].since + spec.deduplicate <= now {
            // Halves of moves do not wait for ever.
            var made = DecodedBatch()
            for place in decoders.keys where decoders[place]?.isWaiting == true { decoders[place]?.settle(into: &made) }
            ready += made.records
        }
        if !ready.isEmpty { try await output.publish(ready) }
        var positions: [TopicPartition: Int64] = [:]
        while let first = uncommitted.first, first.since + spec.deduplicate <= now {
            positions.merge(first.positions) { max($0, $1) }
            uncommitted.removeFirst()
        }
        guard !positions.isEmpty else { return }
        do throws(KafkaError) {
            try await consumer.commit(positions)
        } catch {
            // Another member has the partition, or the coordinator is away: the records come again, with the same ids.
            output.report.note("Offsets could not be committed: \(error.message)")
        }
    }

    private func tell(_ status: KafkaConsumer.Status, isIdle: Bool) {
        if let failure = status.failure {
            output.report.failing(failure.message)
        } else if case .failing = output.report.snapshot.state {
            output.report.running()
        }
        let lag = status.partitions.compactMap(\.lag).reduce(0, +)
        let count = status.partitions.count
        output.report.change {
            $0.lag.events = lag
            $0.position = "\(count) partitions"
        }
    }
}
