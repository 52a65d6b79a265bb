import CKafka
import CloudEvents
package import Logging
import Synchronization

/// A member of a consumer group that gets partitions to work on and reads none of them: who may work on what is all that
/// it is for, and where each group stands.
///
/// Partitions come and go cooperatively: those that stay are not disturbed by a rebalance.
package final class KafkaMember: Sendable {
    /// What the owner does when partitions come and go; called one after the other.
    package struct Handler: Sendable {
        /// These are ours from now on.
        package var assigned: @Sendable ([TopicPartition]) async -> Void
        /// These are to go to somebody else, who gets them when this returns; when they are lost, somebody has them already.
        package var revoked: @Sendable ([TopicPartition], _ isLost: Bool) async -> Void

        package init(
            assigned: @escaping @Sendable ([TopicPartition]) async -> Void,
            revoked: @escaping @Sendable ([TopicPartition], _ isLost: Bool) async -> Void
        ) {
            self.assigned = assigned
            self.revoked = revoked
        }
    }

    private enum Change: Sendable {
        /// What is assigned of a topic is to be told again.
        case asked(String)
        case assigned([TopicPartition])
        case revoked([TopicPartition], isLost: Bool)
    }

    private final class Core: Sendable {
        let assigned = Mutex<Set<TopicPartition>>([])
        /// What the owner is giving up, by rebalance; librdkafka waits until it is told that it is done.
        let leaving = Mutex<[[TopicPartition]]>([])
        let changes: AsyncStream<Change>.Continuation
        let watch: Mutex<MemberWatch>

        init(_ changes: AsyncStream<Change>.Continuation, _ watch: MemberWatch) {
            self.changes = changes
            self.watch = Mutex(watch)
        }
    }

    private let client: KafkaClient
    private let core: Core
    private let work: Task<Void, Never>
    package let group: String

    /// - Parameter patience: how much longer than the first time ``trouble()`` waits before it calls a member lost.
    package init(
        _ settings: KafkaSettings, group: String, handler: Handler, patience: Int = 1,
        tokens: KafkaTokenProvider? = nil, log: Logger
    ) throws(KafkaError) {
        // Unbounded, but there is one rebalance at a time.
        let (changes, continuation) = AsyncStream.makeStream(of: Change.self)
        // librdkafka's own values where the operator gave none (CONFIGURATION.md).
        let watch = MemberWatch(
            session: settings["session.timeout.ms"].flatMap { Int($0) } ?? 45_000,
            rebalance: settings["max.poll.interval.ms"].flatMap { Int($0) } ?? 300_000, factor: patience)
        let core = Core(continuation, watch)
        self.core = core
        self.group = group
        let client = try KafkaClient(
            .consumer, settings,
            properties: [
                KafkaProperty("group.id", group), KafkaProperty("enable.auto.commit", "false"),
                KafkaProperty("enable.auto.offset.store", "false"),
                KafkaProperty("partition.assignment.strategy", "cooperative-sticky"),
                // Nothing is read, so nothing need be fetched ahead.
                KafkaProperty("queued.min.messages", "1"), KafkaProperty("allow.auto.create.topics", "false"),
                KafkaProperty("statistics.interval.ms", String(watch.beat)),
            ],
            events: RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_STATS, tokens: tokens,
            log: log,
            handler: { client, event in
                switch event.type {
                case RD_KAFKA_EVENT_REBALANCE: Self.rebalance(client, core, event)
                case RD_KAFKA_EVENT_OFFSET_COMMIT: CommitCall.finish(event)
                case RD_KAFKA_EVENT_STATS: Self.note(event, core)
                case RD_KAFKA_EVENT_ERROR: if client.lastFailure?.code == .fatal { Self.lose(client, core) }
                default: break
                }
            },
            ending: { client, pointer in
                for partitions in core.leaving.withLock({ $0 }) { Self.giveUp(partitions, client, pointer, core) }
            })
        self.client = client
        work = Task {
            for await change in changes {
                switch change {
                case .asked(let topic):
                    let partitions = core.assigned.withLock { $0.filter { $0.topic == topic } }
                    if !partitions.isEmpty { await handler.assigned(partitions.sorted()) }
                case .assigned(let partitions): await handler.assigned(partitions)
                case .revoked(let partitions, let isLost):
                    await handler.revoked(partitions, isLost)
                    // A client that is being closed has done it.
                    if !isLost { _ = client.use { Self.giveUp(partitions, client, $0, core) } }
                }
            }
        }
    }

    deinit {
        core.changes.finish()
        client.end()
    }

    package var failure: KafkaError? { client.lastFailure }

    /// What is ours now, or still being given up.
    package var assigned: Set<TopicPartition> { core.assigned.withLock { $0 } }

    /// Asks for a share of these topics from now on, and of no others.
    package func subscribe(_ topics: [String]) throws(KafkaError) {
        core.watch.withLock { $0.isWanted = !topics.isEmpty }
        let number = client.use { client -> rd_kafka_resp_err_t in
            guard !topics.isEmpty else { return rd_kafka_unsubscribe(client) }
            let list = PartitionList(topics.map { TopicPartition($0, -1) })
            return rd_kafka_subscribe(client, list.pointer)
        }
        guard number == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(
                number ?? RD_KAFKA_RESP_ERR__DESTROY, "the group \(group) cannot be asked for its topics")
        }
    }

    /// Has the handler told of a topic's partitions that are assigned already, which it may have been told of before: a
    /// topic that was left and is asked for again in the midst of a rebalance stays assigned.
    package func tellAgain(_ topic: String) { core.changes.yield(.asked(topic)) }

    // MARK: Whether it gets anywhere

    /// How often ``trouble()`` is to be called, in milliseconds.
    package var beat: Int { core.watch.withLock { $0.beat } }

    /// Whether it has been in the group.
    package var hasJoined: Bool { core.watch.withLock { $0.hasSettled } }

    /// Why this member will not be in the group any more, and another has to be made; `nil` while there is hope.
    package func trouble() -> KafkaError? {
        var text = [CChar](repeating: 0, count: 512)
        let fatal = client.use { rd_kafka_fatal_error($0, &text, text.count) } ?? RD_KAFKA_RESP_ERR_NO_ERROR
        let hasFailed = fatal != RD_KAFKA_RESP_ERR_NO_ERROR
        if hasFailed { Self.lose(client, core) }
        switch core.watch.withLock({ $0.count(hasFailed: hasFailed) }) {
        case .failed?:
            return KafkaError(.fatal, "the group \(group): \(KafkaClient.string(text))", number: fatal.rawValue)
        case .silent?: return KafkaError(.timedOut, "the Kafka client of the group \(group) stands still")
        case .outside?: return KafkaError(.timedOut, "the group \(group) does not take this server up")
        case nil: return nil
        }
    }

    private static func note(_ event: KafkaEvent, _ core: Core) {
        guard let text = rd_kafka_event_stats(event.pointer),
            let group = try? JSONValue(parsing: Array(String(cString: text).utf8))["cgrp"],
            let state = group["state"]?.string, let join = group["join_state"]?.string
        else { return }
        core.watch.withLock { $0.heard(.init(state: state, join: join)) }
    }

    // MARK: Offsets

    /// Notes how far the group is: the offset of the first message of each partition that is not dealt with.
    ///
    /// - Throws: `fenced` when a partition is somebody else's by now.
    package func commit(_ positions: [TopicPartition: Int64]) async throws(KafkaError) {
        guard !positions.isEmpty else { return }
        try await CommitCall.run(client, positions)
    }

    /// How far the group is; partitions without an offset are left out.
    package func committed(
        _ partitions: [TopicPartition], timeout: Int = 10_000
    ) async throws(KafkaError) -> [TopicPartition: Int64] {
        try await client.blocking { pointer -> Result<[TopicPartition: Int64], KafkaError> in
            let list = PartitionList(partitions)
            let number = rd_kafka_committed(pointer, list.pointer, Int32(timeout))
            guard number == RD_KAFKA_RESP_ERR_NO_ERROR else {
                return .failure(KafkaError(number, "the group's offsets cannot be asked for"))
            }
            var offsets: [TopicPartition: Int64] = [:]
            for element in list.elements where element.offset >= 0 { offsets[element.partition] = element.offset }
            return .success(offsets)
        }
    }

    /// Whether a partition is still ours. The coordinator is asked only when this process stood still for so long that it
    /// may have been given up: a commit is refused to who is no longer a member.
    ///
    /// - Parameter offset: what is committed already, to be committed again.
    package func confirms(_ partition: TopicPartition, offset: Int64?) async -> Bool {
        guard assigned.contains(partition) else { return false }
        guard client.stoodStill else { return true }
        do throws(KafkaError) {
            var known = offset
            if known == nil { known = try await committed([partition])[partition] }
            // Nothing was ever settled: the first offset is as good as none.
            try await commit([partition: known ?? 0])
            client.clearStandstill()
            return assigned.contains(partition)
        } catch {
            return false
        }
    }

    /// Leaves the group; what is still assigned is somebody else's from then on.
    package func leave() async {
        core.changes.finish()
        await work.value
        await client.close()
    }

    // MARK: On the client's thread

    private static func rebalance(_ client: KafkaClient, _ core: Core, _ event: KafkaEvent) {
        client.answer(
            event, assign: { assign($0, client, $1, core) }, revoke: { revoke($0, client, $1, core) })
    }

    private static func assign(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        client.log.debug("partitions were assigned", metadata: ["partitions": "\(partitions)"])
        core.assigned.withLock { $0.formUnion(partitions) }
        // From the end, and paused: nothing is read here.
        let list = PartitionList(partitions, offset: -1)
        report(client, rd_kafka_incremental_assign(pointer, list.pointer))
        rd_kafka_pause_partitions(pointer, list.pointer)
        core.changes.yield(.assigned(partitions))
    }

    private static func revoke(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        let isLost = rd_kafka_assignment_lost(pointer) != 0
        client.log.debug("partitions are revoked", metadata: ["partitions": "\(partitions)", "lost": "\(isLost)"])
        core.leaving.withLock { $0.append(partitions) }
        // Lost ones are gone, whatever is done here; the others stay until the owner has let go of them.
        if isLost { giveUp(partitions, client, pointer, core) }
        let outcome = core.changes.yield(.revoked(partitions, isLost: isLost))
        // The owner is leaving, and hears of nothing any more.
        if case .terminated = outcome { giveUp(partitions, client, pointer, core) }
    }

    /// A client that failed for good has lost what it had, and librdkafka tells of no rebalance then
    /// (`rd_kafka_rebalance_op_incr`).
    private static func lose(_ client: KafkaClient, _ core: Core) {
        let partitions = core.assigned.withLock { assigned in
            defer { assigned = [] }
            return assigned.sorted()
        }
        guard !partitions.isEmpty else { return }
        client.log.debug("partitions are lost", metadata: ["partitions": "\(partitions)"])
        core.changes.yield(.revoked(partitions, isLost: true))
    }

    /// Tells librdkafka, once, that the owner has let go of what was revoked.
    private static func giveUp(
        _ partitions: [TopicPartition], _ client: KafkaClient, _ pointer: OpaquePointer, _ core: Core
    ) {
        let isDue = core.leaving.withLock { leaving in
            guard let index = leaving.firstIndex(of: partitions) else { return false }
            leaving.remove(at: index)
            return true
        }
        guard isDue else { return }
        core.assigned.withLock { $0.subtract(partitions) }
        let list = PartitionList(partitions)
        report(client, rd_kafka_incremental_unassign(pointer, list.pointer))
    }

    private static func report(_ client: KafkaClient, _ error: OpaquePointer?) {
        var text = [CChar](repeating: 0, count: 512)
        let number = weir_kafka_take_error(error, &text, text.count)
        guard number != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        client.log.warning("a rebalance went wrong", metadata: ["error": "\(KafkaClient.string(text))"])
    }
}
