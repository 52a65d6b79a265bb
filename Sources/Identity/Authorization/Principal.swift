package import Persistence

/// Who asks.
package struct Principal: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        /// The holder of the server's admin key.
        case adminKey
        /// The holder of a key of one namespace.
        case namespaceKey
    }

    /// For logs and activations; unique among all principals, and no secret.
    package let id: String
    package let kind: Kind
    /// Where the principal's requests go that name no namespace.
    package let namespace: String

    package init(id: String, kind: Kind, namespace: String) {
        self.id = id
        self.kind = kind
        self.namespace = namespace
    }
}

/// What may be done.
package enum Action: String, Sendable, Hashable, CaseIterable {
    /// See that a resource is there, and its document.
    case read
    /// Read events: tail, replay, subscribe, dead letters.
    case readEvents
    /// Put events into a channel.
    case publish
    /// Run a function.
    case invoke
    /// See runs, their results and logs.
    case readActivations
    /// Make or change a resource; pause and resume.
    case write
    case delete
    /// See and change the server itself.
    case administer
}

/// To what.
package struct ResourceReference: Sendable, Hashable {
    package var kind: ResourceKind
    package var namespace: String
    /// `nil`: all of the kind in the namespace, as for a list.
    package var name: String?

    package init(_ kind: ResourceKind, _ namespace: String, _ name: String? = nil) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }
}

extension ResourceKind {
    package static let activation = ResourceKind(rawValue: "activation")
    /// The server as a whole: state, metrics, shutdown.
    package static let server = ResourceKind(rawValue: "server")
}
