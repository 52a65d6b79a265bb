import Kafka
import Logging
import Synchronization

/// The servers that share the channels of a cluster: one membership for all channels of this server.
final class KafkaGroup: Sendable {
    private struct State {
        var holders: [String: any PartitionHolder] = [:]
        /// What each holder has taken and not released.
        var held: Set<TopicPartition> = []
        /// What was committed last.
        var committed: [TopicPartition: Int64] = [:]
        var member: KafkaMember?
    }

    private let connection: KafkaConnection
    private let name: String
    private let state = Mutex(State())
    /// Held while topics are joined or left, so that they do not cross.
    private let lock = AsyncLock()

    init(_ connection: KafkaConnection, name: String) throws(KafkaError) {
        self.connection = connection
        self.name = name
    }

    func join(_ topic: String, _ holder: any PartitionHolder) async throws(KafkaError) {
        try await lock.with { () throws(KafkaError) in
            let topics = state.withLock { state in
                state.holders[topic] = holder
                return state.holders.keys.sorted()
            }
            try member().subscribe(topics)
        }
    }

    /// Lets go of a topic's partitions one after the other, then asks for them no more.
    func leave(_ topic: String) async {
        await lock.with {
            let (holder, mine, topics) = state.withLock { state in
                let holder = state.holders.removeValue(forKey: topic)
                let mine = state.held.filter { $0.topic == topic }
                state.held.subtract(mine)
                return (holder, mine, state.holders.keys.sorted())
            }
            guard let holder else { return }
            for one in mine.sorted() { await holder.release(Int(one.partition), isLost: false) }
            do throws(KafkaError) { try state.withLock { $0.member }?.subscribe(topics) } catch {
                connection.log.warning("a topic cannot be left", metadata: ["error": "\(error.message)"])
            }
        }
    }

    private func member() throws(KafkaError) -> KafkaMember {
        if let known = state.withLock({ $0.member }) { return known }
        let made = try KafkaMember(
            connection.settings, group: name,
            handler: .init(
                assigned: { [weak self] in await self?.take($0) },
                revoked: { [weak self] in await self?.release($0, isLost: $1) }), log: connection.log)
        state.withLock { $0.member = made }
        return made
    }

    // MARK: What comes and goes

    private func take(_ partitions: [TopicPartition]) async {
        await withDiscardingTaskGroup { group in
            for one in partitions {
                guard let holder = holder(of: one, takes: true) else { continue }
                group.addTask { await holder.take(Int(one.partition)) }
            }
        }
    }

    private func release(_ partitions: [TopicPartition], isLost: Bool) async {
        // What is still on its way would come after what the next owner writes.
        if isLost { connection.purge() }
        await withDiscardingTaskGroup { group in
            for one in partitions {
                guard let holder = holder(of: one, takes: false) else { continue }
                group.addTask { await holder.release(Int(one.partition), isLost: isLost) }
            }
        }
        state.withLock { state in for one in partitions { state.committed[one] = nil } }
    }

    private func holder(of partition: TopicPartition, takes: Bool) -> (any PartitionHolder)? {
        state.withLock { state in
            guard let holder = state.holders[partition.topic] else { return nil }
            if takes { return state.held.insert(partition).inserted ? holder : nil }
            return state.held.remove(partition) != nil ? holder : nil
        }
    }

    // MARK: Offsets

    func commit(_ positions: [TopicPartition: Int64]) async {
        let (member, news) = state.withLock { state in
            (state.member, positions.filter { state.held.contains($0.key) && state.committed[$0.key] != $0.value })
        }
        guard let member, !news.isEmpty else { return }
        do throws(KafkaError) {
            try await member.commit(news)
            state.withLock { $0.committed.merge(news) { $1 } }
        } catch {
            // The group's offsets are for those who look; what counts is kept in the ledger.
            connection.log.debug("offsets were not committed", metadata: ["error": "\(error.message)"])
        }
    }

    /// Whether a partition is this server's; asked of the coordinator when this server stood still.
    func confirms(_ partition: TopicPartition) async -> Bool {
        let (member, isHeld, committed) = state.withLock { ($0.member, $0.held.contains(partition), $0.committed) }
        guard let member, isHeld, member.assigned.contains(partition) else { return false }
        return await member.confirms(partition, offset: committed[partition])
    }

    func close() async {
        for topic in state.withLock({ $0.holders.keys.sorted() }) { await leave(topic) }
        let member = state.withLock { state in
            defer { state.member = nil }
            return state.member
        }
        await member?.leave()
    }
}
