package import CloudEvents

/// The form in which commands are kept and in which they travel. A released member never changes its meaning.
extension RegistryCommand {
    package var json: JSONValue {
        var members: JSONObject = ["time": .integer(time), "uid": .string(uid)]
        func put(_ operation: String) { members["operation"] = .string(operation) }
        members["kind"] = .string(key.kind.rawValue)
        members["namespace"] = .string(key.namespace)
        members["name"] = .string(key.name)
        switch change {
        case .put(_, let document, let expected):
            put("put")
            members["document"] = document
            members["expectedGeneration"] = expected.map { .integer($0) }
        case .putVersion(_, let document, let version, let keep, let expected):
            put("putVersion")
            members["document"] = document
            members["version"] = [
                "digest": .string(version.digest), "content": .string(version.content), "document": version.document,
            ]
            members["keep"] = .integer(Int64(keep))
            members["expectedGeneration"] = expected.map { .integer($0) }
        case .setPaused(_, let paused):
            put("setPaused")
            members["paused"] = .bool(paused)
        case .delete(_, let expected):
            put("delete")
            members["expectedGeneration"] = expected.map { .integer($0) }
        }
        return .object(members)
    }

    /// - Throws: ``PersistenceError`` `corrupt`, saying which member is missing or of an unknown operation.
    package init(json: JSONValue) throws(PersistenceError) {
        func need<Value>(_ name: String, _ value: Value?) throws(PersistenceError) -> Value {
            guard let value else {
                throw PersistenceError(.corrupt, "a registry command lacks \"\(name)\" or has it wrong: \(json.text)")
            }
            return value
        }
        let key = ResourceKey(
            ResourceKind(rawValue: try need("kind", json["kind"]?.string)),
            try need("namespace", json["namespace"]?.string), try need("name", json["name"]?.string))
        let expected = json["expectedGeneration"]?.integer
        let operation = try need("operation", json["operation"]?.string)
        let change: Change
        switch operation {
        case "put":
            change = .put(key, document: try need("document", json["document"]), expectedGeneration: expected)
        case "putVersion":
            let version = try need("version", json["version"])
            change = .putVersion(
                key, document: try need("document", json["document"]),
                version: VersionDocument(
                    digest: try need("version.digest", version["digest"]?.string),
                    content: try need("version.content", version["content"]?.string),
                    document: try need("version.document", version["document"])),
                keep: try need("keep", json["keep"]?.integer.flatMap { Int(exactly: $0) }),
                expectedGeneration: expected)
        case "setPaused":
            change = .setPaused(key, try need("paused", json["paused"]?.bool))
        case "delete":
            change = .delete(key, expectedGeneration: expected)
        default:
            throw PersistenceError(
                .corrupt, "the registry command \"\(operation)\" is unknown: was it written by a newer version?")
        }
        self.init(
            time: try need("time", json["time"]?.integer), uid: try need("uid", json["uid"]?.string), change: change)
    }
}
