import CKafka
package import Logging
import Synchronization

/// Asks a cluster about topics and makes them.
package final class KafkaAdmin: Sendable {
    package struct Topic: Sendable, Hashable {
        package var name: String
        package var partitions: Int
        /// The fewest replicas that a partition has.
        package var replication: Int
    }

    /// What a topic shall be.
    package struct NewTopic: Sendable, Hashable {
        package var name: String
        package var partitions: Int
        /// `nil`: three, or as many as there are brokers if there are fewer.
        package var replication: Int?
        /// The topic's own settings (`cleanup.policy`, `retention.ms` …).
        package var configuration: [KafkaProperty]

        package init(name: String, partitions: Int, replication: Int? = nil, configuration: [KafkaProperty] = []) {
            self.name = name
            self.partitions = partitions
            self.replication = replication
            self.configuration = configuration
        }
    }

    private let client: KafkaClient
    private let timeout: Int32

    /// - Parameter timeout: how long one question may take, in milliseconds.
    package init(
        _ settings: KafkaSettings, timeout: Int = 10_000, tokens: KafkaTokenProvider? = nil, log: Logger
    ) throws(KafkaError) {
        self.timeout = Int32(clamping: timeout)
        client = try KafkaClient(.producer, settings, properties: [], tokens: tokens, log: log)
    }

    deinit { client.end() }

    package func close() async { await client.close() }

    // MARK: Asking

    /// How many brokers there are.
    package func brokerCount() async throws(KafkaError) -> Int {
        try await metadata(of: nil) { Int($0.pointee.broker_cnt) }
    }

    /// A topic; `nil` when there is none of this name. Asking does not make it.
    package func topic(_ name: String) async throws(KafkaError) -> Topic? {
        try await metadata(of: name) { $0.topics.first { $0.name == name } }
    }

    /// All topics that whoever asks may see.
    package func topics() async throws(KafkaError) -> [Topic] { try await metadata(of: nil) { $0.topics } }

    private func metadata<Value: Sendable>(
        of topic: String?, _ read: @escaping @Sendable (UnsafePointer<rd_kafka_metadata>) -> Value
    ) async throws(KafkaError) -> Value {
        let timeout = timeout
        return try await client.blocking { [client] pointer in
            var metadata: UnsafePointer<rd_kafka_metadata>?
            // Asked for all topics, a broker makes none; asked for one by name, some do.
            let outcome = rd_kafka_metadata(pointer, 1, nil, &metadata, timeout)
            guard outcome == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
                var error = KafkaError(outcome, "the brokers cannot be asked")
                if let why = client.lastFailure { error = KafkaError(why.code, error.message + "; " + why.message) }
                return .failure(error)
            }
            defer { rd_kafka_metadata_destroy(metadata) }
            client.clearFailure()
            return .success(read(metadata))
        }
    }

    // MARK: Making

    /// Makes a topic; one that is there already is `topicExists`.
    package func create(_ topic: NewTopic) async throws(KafkaError) {
        let replication =
            if let wanted = topic.replication { wanted } else { min(3, max(1, try await brokerCount())) }
        let what = "the topic \(topic.name) cannot be made"
        try await perform(what, RD_KAFKA_ADMIN_OP_CREATETOPICS) { pointer, options, queue in
            var text = [CChar](repeating: 0, count: 512)
            let made = rd_kafka_NewTopic_new(
                topic.name, Int32(topic.partitions), Int32(replication), &text, text.count)
            guard let made else { return KafkaError(.configuration, "\(what): \(KafkaClient.string(text))") }
            defer { rd_kafka_NewTopic_destroy(made) }
            for setting in topic.configuration { rd_kafka_NewTopic_set_config(made, setting.name, setting.value) }
            var list: OpaquePointer? = made
            rd_kafka_CreateTopics(pointer, &list, 1, options, queue)
            return nil
        }
    }

    /// Gives a topic more partitions.
    package func grow(_ topic: String, to partitions: Int) async throws(KafkaError) {
        let what = "the topic \(topic) cannot get \(partitions) partitions"
        try await perform(what, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS) { pointer, options, queue in
            var text = [CChar](repeating: 0, count: 512)
            guard let made = rd_kafka_NewPartitions_new(topic, partitions, &text, text.count) else {
                return KafkaError(.configuration, "\(what): \(KafkaClient.string(text))")
            }
            defer { rd_kafka_NewPartitions_destroy(made) }
            var list: OpaquePointer? = made
            rd_kafka_CreatePartitions(pointer, &list, 1, options, queue)
            return nil
        }
    }

    /// Removes a topic and all that is in it.
    package func delete(_ topic: String) async throws(KafkaError) {
        try await perform("the topic \(topic) cannot be removed", RD_KAFKA_ADMIN_OP_DELETETOPICS) {
            pointer, options, queue in
            guard let one = rd_kafka_DeleteTopic_new(topic) else { return KafkaError(.other, "out of memory") }
            defer { rd_kafka_DeleteTopic_destroy(one) }
            var list: OpaquePointer? = one
            rd_kafka_DeleteTopics(pointer, &list, 1, options, queue)
            return nil
        }
    }

    /// Asks one thing and waits for its answer, on a thread of its own.
    private func perform(
        _ what: String, _ operation: rd_kafka_admin_op_t,
        _ ask: @escaping @Sendable (OpaquePointer, OpaquePointer?, OpaquePointer) -> KafkaError?
    ) async throws(KafkaError) {
        let timeout = timeout
        try await client.blocking { [client] pointer -> Result<Void, KafkaError> in
            guard let queue = rd_kafka_queue_new(pointer) else { return .failure(KafkaError(.other, "out of memory")) }
            defer { rd_kafka_queue_destroy(queue) }
            let options = rd_kafka_AdminOptions_new(pointer, operation)
            defer { rd_kafka_AdminOptions_destroy(options) }
            var text = [CChar](repeating: 0, count: 512)
            rd_kafka_AdminOptions_set_request_timeout(options, timeout, &text, text.count)
            if operation != RD_KAFKA_ADMIN_OP_DELETETOPICS {
                rd_kafka_AdminOptions_set_operation_timeout(options, timeout, &text, text.count)
            }
            if let error = ask(pointer, options, queue) { return .failure(error) }
            guard let answer = rd_kafka_queue_poll(queue, timeout + 1_000) else {
                return .failure(KafkaError(.timedOut, "\(what): no answer within \(timeout) ms"))
            }
            defer { rd_kafka_event_destroy(answer) }
            if let error = Self.failure(answer, what) {
                if error.code == .timedOut, let why = client.lastFailure {
                    return .failure(KafkaError(why.code, error.message + "; " + why.message, number: error.number))
                }
                return .failure(error)
            }
            return .success(())
        }
    }

    private static func failure(_ answer: OpaquePointer, _ what: String) -> KafkaError? {
        let event = KafkaEvent(answer)
        if event.error != RD_KAFKA_RESP_ERR_NO_ERROR { return KafkaError(event.error, what, detail: event.errorText) }
        var count = 0
        let results: UnsafeMutablePointer<OpaquePointer?>?
        switch event.type {
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT: results = rd_kafka_CreateTopics_result_topics(answer, &count)
        case RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT: results = rd_kafka_CreatePartitions_result_topics(answer, &count)
        case RD_KAFKA_EVENT_DELETETOPICS_RESULT: results = rd_kafka_DeleteTopics_result_topics(answer, &count)
        default: results = nil
        }
        for index in 0..<count {
            let error = rd_kafka_topic_result_error(results?[index])
            guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            let detail = rd_kafka_topic_result_error_string(results?[index]).map { String(cString: $0) }
            return KafkaError(error, what, detail: detail)
        }
        return nil
    }
}

extension UnsafePointer<rd_kafka_metadata> {
    fileprivate var topics: [KafkaAdmin.Topic] {
        (0..<Int(pointee.topic_cnt)).compactMap { index in
            let topic = pointee.topics[index]
            guard topic.err == RD_KAFKA_RESP_ERR_NO_ERROR, let name = topic.topic else { return nil }
            let replication = (0..<Int(topic.partition_cnt)).map { Int(topic.partitions[$0].replica_cnt) }.min() ?? 0
            return KafkaAdmin.Topic(
                name: String(cString: name), partitions: Int(topic.partition_cnt), replication: replication)
        }
    }
}
