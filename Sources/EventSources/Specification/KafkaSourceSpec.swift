import CloudEvents
import Manifest
package import Outbound
package import StorageEvents

/// Topics of a Kafka cluster, as a person specifies them.
package struct KafkaSourceSpec: Sendable, Hashable {
    package enum Start: String, Sendable, Hashable, CaseIterable { case earliest, latest }

    package var cluster: KafkaSpec
    /// Names, or regular expressions that begin with `^`.
    package var topics: [String]
    package var format: StorageEventFormat
    /// The consumer group; one of the source's own when absent.
    package var group: String?
    package var start = Start.earliest
    /// How long a record waits for a copy by dCache's other route; milliseconds, 0: it does not.
    package var deduplicate: Int64
    /// The name of a system whose records do not tell it.
    package var system: String?

    /// Formats that a topic does not carry.
    private static let unfit: Set<StorageEventFormat> = [.billingText, .billing, .sse]
    static let formats = StorageEventFormat.allCases.filter { !unfit.contains($0) }.map(\.rawValue).sorted()

    package init(cluster: KafkaSpec, topics: [String], format: StorageEventFormat, deduplicate: Int64 = 0) {
        self.cluster = cluster
        self.topics = topics
        self.format = format
        self.deduplicate = deduplicate
    }

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        cluster = try KafkaSpec(&reader)
        topics = try reader.strings("topics")
        guard !topics.isEmpty else {
            throw DocumentError(
                path: reader.path(of: "topics"), message: "this is required: names, or patterns that begin with ^")
        }
        for (index, topic) in topics.enumerated() where !topic.hasPrefix("^") {
            let isName =
                topic.utf8.count <= 249
                && topic.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                    default: false
                    }
                }
            guard isName else {
                throw DocumentError(
                    path: "\(reader.path(of: "topics"))[\(index)]",
                    message: "\"\(topic)\" is no name of a topic; a pattern begins with ^")
            }
        }
        let word = try reader.word("format", of: Self.formats) ?? StorageEventFormat.billingJSON.rawValue
        format = StorageEventFormat(rawValue: word) ?? .billingJSON
        group = try reader.string("group")
        start =
            try reader.word("start", of: Start.allCases.map(\.rawValue)).flatMap { Start(rawValue: $0) } ?? .earliest
        let usual: Int64 = format == .billingJSON ? 2_000 : 0
        deduplicate = try reader.duration("deduplicate") ?? usual
        guard deduplicate <= 60_000 else {
            throw DocumentError(path: reader.path(of: "deduplicate"), message: "at most 1m is allowed")
        }
        system = try reader.string("system")
    }

    func write(into object: inout JSONObject) {
        cluster.write(into: &object)
        object["topics"] = .array(topics.map { .string($0) })
        object["format"] = .string(format.rawValue)
        if let group { object["group"] = .string(group) }
        object["start"] = .string(start.rawValue)
        object["deduplicate"] = .string(Quantity.text(milliseconds: deduplicate))
        if let system { object["system"] = .string(system) }
    }
}
