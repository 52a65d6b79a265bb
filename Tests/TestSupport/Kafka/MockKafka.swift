import CKafka

/// librdkafka's own brokers, in this process, with faults on demand.
///
/// They speak the protocol over loopback. They keep 5 MB a partition, do not know CreateTopics, and have no markers of
/// transactions.
public final class MockKafka: Sendable {
    // Set once; librdkafka locks what is behind them.
    private nonisolated(unsafe) let client: OpaquePointer
    private nonisolated(unsafe) let cluster: OpaquePointer
    public let bootstrap: String

    public struct StartFailure: Error {}

    /// Requests by their number in the protocol.
    public enum Request: Int16, Sendable {
        case produce = 0
        case fetch = 1
        case listOffsets = 2
        case metadata = 3
        case offsetCommit = 8
        case offsetFetch = 9
        case findCoordinator = 10
        case joinGroup = 11
        case heartbeat = 12
        case syncGroup = 14
        case initProducerID = 22
    }

    public init(brokers: Int = 3) throws {
        let configuration = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 256)
        // Its log is that of a client that is never used.
        rd_kafka_conf_set(configuration, "log_level", "0", &text, text.count)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &text, text.count),
            let cluster = rd_kafka_mock_cluster_new(client, Int32(brokers)),
            let bootstrap = rd_kafka_mock_cluster_bootstraps(cluster)
        else { throw StartFailure() }
        self.client = client
        self.cluster = cluster
        self.bootstrap = String(cString: bootstrap)
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    public func topic(_ name: String, partitions: Int = 1, replication: Int = 1) {
        rd_kafka_mock_topic_create(cluster, name, Int32(partitions), Int32(replication))
    }

    /// Takes a broker down, connections and all; the first is 1.
    public func down(_ broker: Int) { rd_kafka_mock_broker_set_down(cluster, Int32(broker)) }
    public func up(_ broker: Int) { rd_kafka_mock_broker_set_up(cluster, Int32(broker)) }

    /// Delays each answer of a broker by so many milliseconds.
    public func delay(_ broker: Int, milliseconds: Int) {
        rd_kafka_mock_broker_set_rtt(cluster, Int32(broker), Int32(milliseconds))
    }

    /// Moves the leader of a partition; `nil`: there is none.
    public func lead(_ topic: String, _ partition: Int, by broker: Int?) {
        rd_kafka_mock_partition_set_leader(cluster, topic, Int32(partition), Int32(broker ?? -1))
    }

    /// Lets the next requests of a kind fail, one error each.
    public func fail(_ request: Request, with errors: [Int32]) {
        let codes = errors.map { rd_kafka_resp_err_t(rawValue: $0) }
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, codes.count, codes)
    }

    /// Lets a topic answer with an error until it is 0 again.
    public func fail(topic: String, with error: Int32) {
        rd_kafka_mock_topic_set_error(cluster, topic, rd_kafka_resp_err_t(rawValue: error))
    }
}
