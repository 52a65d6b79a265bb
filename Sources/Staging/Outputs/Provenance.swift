package import CloudEvents

/// What a run was, for the records of its outputs.
package struct RunRecord: Sendable {
    package var namespace: String
    package var function: String
    /// The digest of the function's version.
    package var version: String
    package var parameters: JSONObject
    package var activation: String
    /// The same for every delivery of the same event to the same subscription; `nil` when a person called.
    package var idempotencyKey: String?
    /// Milliseconds since 1970, the end of the run.
    package var time: Int64
    /// `id`, `source`, `type`, `subject`, `time` of the event; `nil` when there was none.
    package var event: JSONObject?
    package var inputs: [InputRecord]

    package init(
        namespace: String, function: String, version: String, parameters: JSONObject, activation: String,
        idempotencyKey: String?, time: Int64, event: JSONObject?, inputs: [InputRecord]
    ) {
        self.namespace = namespace
        self.function = function
        self.version = version
        self.parameters = parameters
        self.activation = activation
        self.idempotencyKey = idempotencyKey
        self.time = time
        self.event = event
        self.inputs = inputs
    }
}

/// One output in its place.
package struct OutputRecord: Sendable, Hashable {
    /// The operator's name of the mount.
    package var mount: String
    /// Inside the mount.
    package var path: String
    package var size: Int64
    package var sha256: String
    /// Whether an earlier delivery of the same event had put it there.
    package var isEarlier: Bool

    package init(mount: String, path: String, size: Int64, sha256: String, isEarlier: Bool = false) {
        self.mount = mount
        self.path = path
        self.size = size
        self.sha256 = sha256
        self.isEarlier = isEarlier
    }
}

/// The record beside an output that says where it comes from.
enum Provenance {
    /// Names the shape of the record.
    static let format = "weir.provenance/1"
    /// No record of ours is longer: an event's attributes and a function's parameters are bounded.
    static let longest = 4 << 20

    static func document(_ run: RunRecord, _ output: OutputRecord) -> JSONValue {
        var members: JSONObject = [
            "format": .string(format),
            "output": [
                "mount": .string(output.mount), "path": .string(output.path), "size": .integer(output.size),
                "sha256": .string(output.sha256),
            ],
            "function": [
                "namespace": .string(run.namespace), "name": .string(run.function), "version": .string(run.version),
            ], "parameters": .object(run.parameters), "activation": .string(run.activation),
            "time": .string(EventTime(nanoseconds: run.time * 1_000_000).text),
        ]
        members["idempotencyKey"] = run.idempotencyKey.map { .string($0) }
        members["event"] = run.event.map { .object($0) }
        members["inputs"] = .array(run.inputs.map { .object($0.document) })
        return .object(members)
    }

    /// The output of which a record tells, when it is one that an earlier delivery of this run made.
    static func earlier(_ record: JSONValue, than run: RunRecord, mount: String, path: String) -> OutputRecord? {
        guard let key = run.idempotencyKey, record["format"]?.string == format, record["idempotencyKey"]?.string == key,
            record["function"]?["version"]?.string == run.version,
            record["function"]?["name"]?.string == run.function,
            record["function"]?["namespace"]?.string == run.namespace, let output = record["output"],
            output["path"]?.string == path, output["mount"]?.string == mount, let size = output["size"]?.integer,
            let sha256 = output["sha256"]?.string
        else { return nil }
        return OutputRecord(mount: mount, path: path, size: size, sha256: sha256, isEarlier: true)
    }

    /// Who made an output, as words.
    static func maker(_ record: JSONValue?) -> String {
        guard let record, record["format"]?.string == format, let name = record["function"]?["name"]?.string,
            let activation = record["activation"]?.string
        else { return "it has no record of Weir" }
        return "activation \(activation) of function \(name) made it"
    }
}

extension InputRecord {
    /// As records and activations show it.
    package var document: JSONObject {
        var members = JSONObject()
        members["mount"] = mount.map { .string($0) }
        members["path"] = .string(path)
        members["size"] = .integer(size)
        members["modified"] = .string(EventTime(nanoseconds: modified).text)
        members["fileid"] = .string(String(fileID))
        members["sha256"] = sha256.map { .string($0) }
        return members
    }
}

extension InputRecord {
    /// Reads back what ``document`` wrote.
    package init?(document: JSONValue) {
        guard let path = document["path"]?.string, let size = document["size"]?.integer,
            let modified = document["modified"]?.string.flatMap({ EventTime($0) }),
            let fileID = document["fileid"]?.string.flatMap({ UInt64($0) })
        else { return nil }
        self.init(
            mount: document["mount"]?.string, path: path, size: size, modified: modified.nanoseconds, fileID: fileID,
            sha256: document["sha256"]?.string)
    }
}

extension OutputRecord {
    /// Reads back what ``document`` wrote.
    package init?(document: JSONValue) {
        guard let mount = document["mount"]?.string, let path = document["path"]?.string,
            let size = document["size"]?.integer, let sha256 = document["sha256"]?.string
        else { return nil }
        self.init(
            mount: mount, path: path, size: size, sha256: sha256, isEarlier: document["earlier"]?.bool ?? false)
    }

    package var document: JSONObject {
        var members: JSONObject = [
            "mount": .string(mount), "path": .string(path), "size": .integer(size), "sha256": .string(sha256),
        ]
        if isEarlier { members["earlier"] = true }
        return members
    }
}
