package import CloudEvents

/// What a resource is: a word that stands in addresses, keys and messages.
package struct ResourceKind: RawRepresentable, Sendable, Hashable {
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    package static let channel = ResourceKind(rawValue: "channel")
    package static let source = ResourceKind(rawValue: "source")
    package static let function = ResourceKind(rawValue: "function")
    package static let subscription = ResourceKind(rawValue: "subscription")
    /// What functions of one package share, or a binding to another's.
    package static let package = ResourceKind(rawValue: "package")
    /// What makes a channel a trigger of the OpenWhisk API: parameters and annotations.
    package static let trigger = ResourceKind(rawValue: "trigger")
    /// What makes a subscription a rule of the OpenWhisk API: annotations.
    package static let rule = ResourceKind(rawValue: "rule")
    /// Routes of a REST API bound to functions.
    package static let api = ResourceKind(rawValue: "api")
    /// A key of a namespace; named by its public half, holds a hash of the secret one.
    package static let key = ResourceKind(rawValue: "key")

    /// The kinds whose documents are few and small enough to be held in memory.
    package static let resident: Set<ResourceKind> = [
        .channel, .source, .subscription, .package, .trigger, .rule, .api, .key,
    ]
}

/// Which resource: unique among all.
package struct ResourceKey: Sendable, Hashable, CustomStringConvertible {
    package var kind: ResourceKind
    package var namespace: String
    package var name: String

    package init(_ kind: ResourceKind, _ namespace: String, _ name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// As a message names it: `channel "storage"`.
    package var description: String {
        namespace == "default"
            ? "\(kind.rawValue) \"\(name)\"" : "\(kind.rawValue) \"\(name)\" of namespace \"\(namespace)\""
    }
}

/// One resource as it stands.
package struct ResourceDocument: Sendable, Hashable {
    package var key: ResourceKey
    /// What was applied, normalised by the part that owns the kind.
    package var document: JSONValue
    /// 1 when made, one more with each change of the document or the version; a pause does not count.
    package var generation: Int64
    /// Unlike the name it is never used again after a delete.
    package var uid: String
    /// Milliseconds since 1970.
    package var created: Int64
    package var updated: Int64
    package var isPaused: Bool
    /// The digest of the current version, of kinds that have versions.
    package var version: String?

    package init(
        key: ResourceKey, document: JSONValue, generation: Int64, uid: String, created: Int64, updated: Int64,
        isPaused: Bool = false, version: String? = nil
    ) {
        self.key = key
        self.document = document
        self.generation = generation
        self.uid = uid
        self.created = created
        self.updated = updated
        self.isPaused = isPaused
        self.version = version
    }

    package var kind: ResourceKind { key.kind }
    package var namespace: String { key.namespace }
    package var name: String { key.name }
}

/// One immutable version of a resource.
package struct VersionDocument: Sendable, Hashable {
    /// SHA-256 of all that makes the version, hexadecimal.
    package var digest: String
    /// The digest of the stored content (code) that it uses.
    package var content: String
    package var document: JSONValue
    /// Counts up within the resource; the highest is the newest.
    package var number: Int64
    /// Milliseconds since 1970.
    package var created: Int64

    package init(digest: String, content: String, document: JSONValue, number: Int64 = 0, created: Int64 = 0) {
        self.digest = digest
        self.content = content
        self.document = document
        self.number = number
        self.created = created
    }
}
