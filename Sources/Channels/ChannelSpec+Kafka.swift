import CloudEvents
import Manifest

/// What a person wants of a channel that is a Kafka topic.
///
///     storage: { kafka: true }                                  # on the server's Kafka
///     raw: { kafka: { topic: ingest.events, cluster: tape } }   # a topic that is there, of another cluster
///     plain: { kafka: { bootstrap: "k1:9092", replication: 2, mode: structured } }
public struct KafkaTopicSpec: Sendable, Hashable {
    /// How events stand in records (CloudEvents Kafka binding).
    public enum Mode: String, Sendable, CaseIterable { case binary, structured }

    /// The topic; `nil`: named for namespace and channel.
    public var topic: String?
    /// The cluster of the server's Kafka properties; `nil`: the standard one, or that of `bootstrap`.
    public var cluster: String?
    /// The brokers of a cluster that asks for no credentials.
    public var bootstrap: String?
    /// Replicas of a topic that is made; `nil`: three, or as many as there are brokers.
    public var replication: Int?
    public var mode: Mode

    public init(
        topic: String? = nil, cluster: String? = nil, bootstrap: String? = nil, replication: Int? = nil,
        mode: Mode = .binary
    ) {
        self.topic = topic
        self.cluster = cluster
        self.bootstrap = bootstrap
        self.replication = replication
        self.mode = mode
    }

    init(_ document: DocumentReader) throws(DocumentError) {
        var reader = document
        self.init()
        topic = try reader.string("topic")
        if let topic, !Self.isTopicName(topic) {
            throw DocumentError(
                path: reader.path(of: "topic"),
                message: "\"\(topic)\" is no name for a topic: up to 249 letters, digits, dots, dashes and underscores")
        }
        cluster = try reader.string("cluster")
        bootstrap = try reader.string("bootstrap")
        if cluster != nil, bootstrap != nil {
            throw DocumentError(
                path: reader.path(of: "bootstrap"),
                message: "the brokers of a cluster are named by the operator: leave one out")
        }
        replication = try reader.integer("replication", in: 1...32)
        if let word = try reader.word("mode", of: Mode.allCases.map(\.rawValue)) {
            mode = Mode(rawValue: word) ?? .binary
        }
        try reader.finish()
    }

    /// The rule of Kafka itself (`org.apache.kafka.common.internals.Topic`).
    package static func isTopicName(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 249, name != ".", name != ".." else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || $0 == 0x2E || $0 == 0x2D || $0 == 0x5F
        }
    }

    var document: JSONValue {
        var object = JSONObject()
        object["topic"] = topic.map { .string($0) }
        object["cluster"] = cluster.map { .string($0) }
        object["bootstrap"] = bootstrap.map { .string($0) }
        object["replication"] = replication.map { .integer(Int64($0)) }
        if mode != .binary { object["mode"] = .string(mode.rawValue) }
        return object.isEmpty ? true : .object(object)
    }
}

extension ChannelSpec {
    /// Where the channel's events are.
    public enum Storage: Sendable, Hashable {
        /// Where the server keeps its channels unless told otherwise.
        case standard
        /// In the embedded log.
        case embedded
        case kafka(KafkaTopicSpec)
    }

    /// Reads `kafka`: `true`, `false` or an object.
    static func storage(_ reader: inout DocumentReader) throws(DocumentError) -> Storage {
        switch reader.value("kafka") {
        case nil: return .standard
        case .bool(let isKafka): return isKafka ? .kafka(KafkaTopicSpec()) : .embedded
        case .object:
            guard let inner = try reader.object("kafka") else { return .standard }
            return .kafka(try KafkaTopicSpec(inner))
        default:
            throw DocumentError(path: reader.path(of: "kafka"), message: "true, false or an object was expected")
        }
    }
}
