import CloudEvents
package import Persistence
import Synchronization

/// The keys of all namespaces as the registry has them, found by their public half.
package final class KeyRing: Sendable {
    private struct Entry {
        var namespace: String
        var hash: [UInt8]
    }

    private let entries: Mutex<[String: Entry]>
    /// Keys that the server made for runs that ask for one, by namespace; they end with the server.
    private let temporary = Mutex<[String: NamespaceKey]>([:])
    private let observation = Mutex<RegistryObservation?>(nil)

    package init(_ registry: Registry) {
        entries = Mutex([:])
        let (current, observation) = registry.observe { [weak self] change in
            guard change.resource.kind == .key else { return }
            self?.take(change)
        }
        self.observation.withLock { $0 = observation }
        for resource in current where resource.kind == .key { keep(resource) }
    }

    deinit { observation.withLock { $0?.cancel() } }

    private func take(_ change: RegistryChange) {
        if case .deleted(let resource) = change {
            entries.withLock { $0[resource.name] = nil }
        } else {
            keep(change.resource)
        }
    }

    private func keep(_ resource: ResourceDocument) {
        let hash = NamespaceKey.bytes(hexadecimal: resource.document["sha256"]?.string ?? "")
        entries.withLock { $0[resource.name] = Entry(namespace: resource.namespace, hash: hash) }
    }

    /// The namespace of a key; `nil` when there is no such key or its secret half is another.
    func namespace(id: String, secret: Secret) -> String? {
        guard let entry = entries.withLock({ $0[id] }) else { return nil }
        let offered = NamespaceKey.hash(secret)
        guard offered.count == entry.hash.count else { return nil }
        // Hashes are compared, and all of them: the time tells nothing of the key.
        var difference: UInt8 = 0
        for (mine, theirs) in zip(offered, entry.hash) { difference |= mine ^ theirs }
        return difference == 0 ? entry.namespace : nil
    }

    /// A key of a namespace for runs that ask for one: the same for all of them, kept nowhere, gone with the server. The
    /// keys that people have are never handed to a function.
    package func temporaryKey(of namespace: String) -> NamespaceKey {
        let key = temporary.withLock { keys in
            let key = keys[namespace] ?? NamespaceKey()
            keys[namespace] = key
            return key
        }
        let hash = NamespaceKey.hash(key.secret)
        entries.withLock { $0[key.id] = Entry(namespace: namespace, hash: hash) }
        return key
    }

    /// Whether a namespace has any key.
    package func isKnown(namespace: String) -> Bool {
        entries.withLock { entries in entries.values.contains { $0.namespace == namespace } }
    }
}

/// Knows the holder of the admin key and those of the namespaces' keys.
package struct ServerAuthenticator: Authenticator {
    private let admin: AdminKeyAuthenticator
    private let keys: KeyRing

    package init(admin: AdminKeyAuthenticator, keys: KeyRing) {
        self.admin = admin
        self.keys = keys
    }

    package func principal(of credential: Credential) throws(IdentityError) -> Principal {
        if case .basic(let id, let secret) = credential, let namespace = keys.namespace(id: id, secret: secret) {
            return Principal(id: id, kind: .namespaceKey, namespace: namespace)
        }
        return try admin.principal(of: credential)
    }
}
