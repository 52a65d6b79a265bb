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
        /// How many members there have been.
        var number = 0
        /// How much patience the next has.
        var patience = 1
        var isWatched = false
        var isClosed = false
    }

    private let connection: KafkaConnection
    private let name: String
    private let state = Mutex(State())
    /// Held while topics are joined or left, so that they do not cross.
    private let lock = AsyncLock()
    /// Held while partitions come or go.
    private let changing = AsyncLock()

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
            let member = try member()
            try member.subscribe(topics)
            // A topic that was left a moment ago may still be assigned; then nothing would be told of it.
            member.tellAgain(topic)
        }
        watch()
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
        let (known, number, patience) = state.withLock { ($0.member, $0.number, $0.patience) }
        if let known { return known }
        let made = try KafkaMember(
            connection.settings, group: name,
            handler: .init(
                assigned: { [weak self] in await self?.take($0, of: number) },
                revoked: { [weak self] in await self?.release($0, of: number, isLost: $1) }),
            patience: patience, log: connection.log)
        state.withLock { $0.member = made }
        return made
    }

    // MARK: A member that gets nowhere

    private func watch() {
        let isFirst = state.withLock { state in
            defer { state.isWatched = true }
            return !state.isWatched
        }
        guard isFirst else { return }
        Task { [weak self] in
            while let beat = self?.beat {
                // Nothing tells that nothing happens.
                try? await Task.sleep(for: .milliseconds(beat))
                await self?.look()
            }
        }
    }

    /// How often to look, in milliseconds; `nil` when there is nothing to look after any more.
    private var beat: Int? {
        let (member, isClosed) = state.withLock { ($0.member, $0.isClosed) }
        return isClosed ? nil : member?.beat ?? 1_000
    }

    private func look() async {
        let (member, isNeeded) = state.withLock { ($0.member, !$0.holders.isEmpty && !$0.isClosed) }
        guard isNeeded else { return }
        if let member {
            guard let why = member.trouble() else { return }
            connection.log.error("this server joins the group anew", metadata: ["error": "\(why.message)"])
            await giveUp(member)
        }
        await lock.with {
            let topics = state.withLock { $0.isClosed ? [] : $0.holders.keys.sorted() }
            guard !topics.isEmpty else { return }
            do throws(KafkaError) { try self.member().subscribe(topics) } catch {
                connection.log.error("the group cannot be joined", metadata: ["error": "\(error.message)"])
            }
        }
    }

    /// Has nothing more to do with a member; its partitions are lost.
    private func giveUp(_ old: KafkaMember) async {
        await changing.with {
            let mine = state.withLock { state -> [TopicPartition]? in
                guard state.member === old else { return nil }
                state.member = nil
                state.number += 1
                state.patience = old.hasJoined ? 1 : min(state.patience * 2, 32)
                return state.held.sorted()
            }
            guard let mine else { return }
            // Not waited for: it may never end.
            Task { await old.leave() }
            if !mine.isEmpty { await release(mine, isLost: true) }
        }
    }

    // MARK: What comes and goes

    private func take(_ partitions: [TopicPartition], of number: Int) async {
        await changing.with {
            guard state.withLock({ $0.number }) == number else { return }
            await withDiscardingTaskGroup { group in
                for one in partitions {
                    guard let holder = holder(of: one, takes: true) else { continue }
                    group.addTask { await holder.take(Int(one.partition)) }
                }
            }
        }
    }

    private func release(_ partitions: [TopicPartition], of number: Int, isLost: Bool) async {
        await changing.with {
            guard state.withLock({ $0.number }) == number else { return }
            await release(partitions, isLost: isLost)
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
        state.withLock { $0.isClosed = true }
        for topic in state.withLock({ $0.holders.keys.sorted() }) { await leave(topic) }
        let member = state.withLock { state in
            defer { state.member = nil }
            return state.member
        }
        await member?.leave()
    }
}
