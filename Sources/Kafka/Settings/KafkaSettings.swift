/// How a Kafka cluster is reached: its brokers, and properties by librdkafka's names.
///
/// What Weir's promises rest on (acknowledgements of all replicas, idempotence, commits, assignment) is not for
/// properties to change; what would load code or run a program neither.
package struct KafkaSettings: Sendable, Hashable {
    /// `host:port`, several with commas.
    package let bootstrap: String
    /// Sorted by name.
    package let properties: [KafkaProperty]
    /// The file that holds the token of SASL/OAUTHBEARER, read anew each time that one is needed; see ``KafkaToken``.
    package let tokenFile: String?

    /// - Throws: ``KafkaError`` with code `configuration`, naming the property.
    package init(
        bootstrap: String, properties: [KafkaProperty] = [], tokenFile: String? = nil
    ) throws(KafkaError) {
        let servers = bootstrap.split(separator: ",").map { $0.drop { $0 == " " } }
        guard !servers.isEmpty, servers.allSatisfy({ Self.isServer($0) }) else {
            throw KafkaError(
                .configuration, "\"\(bootstrap)\" names no brokers: write host:port, several with commas between")
        }
        for property in properties {
            if let reason = Self.reasonAgainst(property.name) {
                throw KafkaError(.configuration, "the property \(property.name) cannot be set: \(reason)")
            }
        }
        self.bootstrap = servers.joined(separator: ",")
        self.properties = properties.sorted { $0.name < $1.name }
        self.tokenFile = tokenFile
    }

    /// The value of a property.
    package subscript(name: String) -> String? { properties.first { $0.name == name }?.value }

    private static func isServer(_ text: Substring) -> Bool {
        // Also `SASL_SSL://host:port`, as librdkafka allows, and `[::1]:9092`.
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x40 }
    }

    private static func reasonAgainst(_ name: String) -> String? {
        switch name {
        case "bootstrap.servers", "metadata.broker.list": return "the brokers are named beside it"
        case "enable.idempotence", "acks", "request.required.acks", "enable.gapless.guarantee", "transactional.id",
            "max.in.flight", "max.in.flight.requests.per.connection", "message.send.max.retries", "retries",
            "message.timeout.ms", "delivery.timeout.ms", "partitioner", "partitioner_cb":
            return "an answered event must be durable and in order, so Weir chooses it"
        case "group.id", "group.protocol", "enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store",
            "partition.assignment.strategy", "auto.offset.reset", "enable.partition.eof", "offset.store.method",
            "offset.store.path":
            return "offsets and groups are kept by Weir"
        case "plugin.library.paths", "ssl.engine.location", "ssl.providers", "sasl.kerberos.kinit.cmd",
            "log.queue", "log_cb", "opaque", "default_topic_conf", "internal.termination.signal":
            return "it would load code, run a program or reach into the client"
        default:
            return name.hasSuffix("_cb") ? "it is a function" : nil
        }
    }
}

/// One property of a client, by librdkafka's name.
package struct KafkaProperty: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}
