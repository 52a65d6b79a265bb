internal import CloudEvents
internal import Manifest
package import Outbound

/// A topic of a Kafka cluster, as a person specifies it.
package struct KafkaSinkSpec: Sendable, Hashable {
    package enum Mode: String, Sendable, CaseIterable { case binary, structured }

    package var cluster: KafkaSpec
    package var topic: String
    package var mode = Mode.binary
    /// The record's key; the event's `partitionkey` when absent.
    package var key: Template?
    /// The record's value in place of a CloudEvent.
    package var document: DocumentTemplate?
    package var compression: String

    static let compressions = ["none", "gzip", "snappy", "lz4", "zstd"]

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        cluster = try KafkaSpec(&reader)
        topic = try reader.requiredString("topic")
        guard Self.isTopic(topic) else {
            throw DocumentError(
                path: reader.path(of: "topic"),
                message: "\"\(topic)\" is no name of a topic: letters, digits, \".\", \"_\" and \"-\", at most 249")
        }
        let mode = try reader.word("mode", of: Mode.allCases.map(\.rawValue))
        self.mode = mode.flatMap { Mode(rawValue: $0) } ?? .binary
        key = try reader.optionalTemplate("key")
        document = try reader.documentTemplate("template")
        if mode != nil, document != nil {
            throw DocumentError(
                path: reader.path(of: "mode"),
                message: "this is about CloudEvents, and a template is sent in their place")
        }
        compression = try reader.word("compression", of: Self.compressions) ?? "lz4"
    }

    static func isTopic(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 249 && name != "." && name != ".."
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    func write(into object: inout JSONObject) {
        cluster.write(into: &object)
        object["topic"] = .string(topic)
        if mode != .binary { object["mode"] = .string(mode.rawValue) }
        if let key { object["key"] = .string(key.text) }
        if let document { object["template"] = document.document }
        if compression != "lz4" { object["compression"] = .string(compression) }
    }
}
