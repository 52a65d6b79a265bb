import CloudEvents
package import Kafka
package import Logging
import Synchronization

/// All channels of one server that are Kafka topics: opens them, makes their topics, and holds the clients of each cluster.
package final class KafkaStore: Sendable {
    package struct Options: Sendable {
        /// Before namespace and name of a channel in the name of its topic.
        package var prefix = "weir."
        /// The group of the servers that share the channels' partitions.
        package var group = "weir"
        /// Replicas of a topic that is made; `nil`: three, or as many as there are brokers.
        package var replication: Int?
        /// How long the brokers may take to answer a question, in milliseconds.
        package var timeout = 10_000
        /// How long an append may take before it fails, in milliseconds.
        package var appendTimeout = 30_000
        /// How much may be on its way to the brokers of a cluster before appends wait.
        package var outstandingBytes = 64 << 20

        package init() {}
    }

    private struct State {
        var channels: [String: KafkaChannel] = [:]
        var connections: [KafkaSettings: KafkaConnection] = [:]
        var isClosed = false
    }

    private let clusters: KafkaClusters
    private let options: Options
    private let log: Logger
    private let state = Mutex(State())
    private let lock = AsyncLock()

    package init(_ clusters: KafkaClusters, options: Options = Options(), log: Logger) {
        self.clusters = clusters
        self.options = options
        self.log = log
    }

    /// The topic in which delivery keeps what travels with the partitions of a topic.
    package static func ledger(of topic: String, group: String) -> String {
        let name = "\(topic).delivery.\(group)"
        // A name of at most 249 letters; a long one is cut and told apart by its hash.
        guard name.utf8.count > 249 else { return name }
        let hash = Array(name.utf8).withUnsafeBytes { Murmur2.hash($0) }
        return String(name.prefix(240)) + String(hash, radix: 16)
    }

    /// Opens a channel, making its topic when absent. One that is open already and does not change is returned again.
    ///
    /// - Parameter name: `namespace/name`.
    package func open(_ name: String, _ spec: ChannelSpec) async throws(ChannelError) -> KafkaChannel {
        try await lock.with { () throws(ChannelError) in
            if let known = state.withLock({ $0.channels[name] }) {
                if known.spec == spec { return known }
                await close(name)
            }
            let wanted = if case .kafka(let wanted) = spec.storage { wanted } else { KafkaTopicSpec() }
            let connection = try connection(wanted)
            let topic = if let named = wanted.topic { named } else { try self.topic(of: name) }
            let partitions = try await onKafka { () throws(KafkaError) in
                try await ensure(topic, spec, wanted, connection)
            }
            var log = log
            log[metadataKey: "channel"] = .string(name)
            let channel = KafkaChannel(
                name: name, topic: topic, spec: spec, mode: wanted.mode == .binary ? .binary : .structured,
                partitions: partitions, connection: connection, log: log)
            try await channel.begin()
            let isOpen = state.withLock { state in
                if !state.isClosed { state.channels[name] = channel }
                return !state.isClosed
            }
            guard isOpen else { throw ChannelError(.closed, "the Kafka channels are being closed") }
            return channel
        }
    }

    private func connection(_ wanted: KafkaTopicSpec) throws(ChannelError) -> KafkaConnection {
        let settings: KafkaSettings
        do throws(KafkaError) {
            settings =
                if let bootstrap = wanted.bootstrap, bootstrap != clusters.standard?.bootstrap {
                    try KafkaSettings(bootstrap: bootstrap)
                } else { try clusters.settings(wanted.cluster) }
        } catch {
            throw ChannelError(error)
        }
        return state.withLock { state in
            if let known = state.connections[settings] { return known }
            let made = KafkaConnection(settings, options: options, log: log)
            state.connections[settings] = made
            return made
        }
    }

    private func topic(of name: String) throws(ChannelError) -> String {
        let topic = options.prefix + name.split(separator: "/").joined(separator: ".")
        guard KafkaTopicSpec.isTopicName(topic) else {
            throw ChannelError(
                .conflict,
                "the channel's name makes no name for a topic (\"\(topic)\"): name one with kafka: { topic: … }")
        }
        return topic
    }

    /// Makes the topic, or more partitions of it; how many it has then. A topic that is there may have more than are asked
    /// for, and keeps its other settings.
    private func ensure(
        _ topic: String, _ spec: ChannelSpec, _ wanted: KafkaTopicSpec, _ connection: KafkaConnection
    ) async throws(KafkaError) -> Int {
        let admin = try connection.admin()
        if let known = try await admin.topic(topic) {
            guard known.partitions < spec.partitions else { return known.partitions }
            try await admin.grow(topic, to: spec.partitions)
            return spec.partitions
        }
        var settings = [KafkaProperty("message.timestamp.type", "LogAppendTime")]
        settings.append(KafkaProperty("retention.ms", spec.retentionAge.map { String($0) } ?? "-1"))
        if let bytes = spec.retentionBytes {
            settings.append(KafkaProperty("retention.bytes", String(max(1, bytes / Int64(spec.partitions)))))
        }
        let replication = wanted.replication ?? options.replication
        do throws(KafkaError) {
            try await admin.create(
                .init(
                    name: topic, partitions: spec.partitions, replication: replication, configuration: settings))
            log.notice("a topic was made", metadata: ["topic": "\(topic)", "partitions": "\(spec.partitions)"])
        } catch {
            // Another server was faster.
            guard error.code == .topicExists, let known = try await admin.topic(topic) else { throw error }
            return known.partitions
        }
        return spec.partitions
    }

    /// Closes a channel; its topic and all that is in it stays.
    package func close(_ name: String) async {
        let channel = state.withLock { $0.channels.removeValue(forKey: name) }
        await channel?.close()
    }

    /// Gives up what was not needed for a while; to be called now and then.
    package func maintain() async -> [String: ChannelError] {
        var failures: [String: ChannelError] = [:]
        for (name, channel) in state.withLock({ $0.channels }) {
            await channel.rest()
            do throws(ChannelError) { try await channel.refreshBounds() } catch { failures[name] = error }
        }
        return failures
    }

    /// Writes what is queued, at most so long, and closes all channels and clients.
    package func close(within milliseconds: Int64 = 5_000) async {
        let old = state.withLock { state in
            state.isClosed = true
            defer { (state.channels, state.connections) = ([:], [:]) }
            return state
        }
        for channel in old.channels.values { await channel.close() }
        for connection in old.connections.values { await connection.close(within: milliseconds) }
    }
}
