package import CloudEvents

/// Turns wishes into commands: takes the time and draws the identity, so that the commands hold both.
package struct RegistryWriter: Sendable {
    private let registry: Registry
    private let now: @Sendable () -> Int64
    private let makeUID: @Sendable () -> String

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - makeUID: a new unique text with every call.
    package init(
        _ registry: Registry, now: @escaping @Sendable () -> Int64,
        makeUID: @escaping @Sendable () -> String = RegistryWriter.randomUID
    ) {
        self.registry = registry
        self.now = now
        self.makeUID = makeUID
    }

    @discardableResult
    package func put(
        _ kind: ResourceKind, _ namespace: String, _ name: String, _ document: JSONValue,
        expectedGeneration: Int64? = nil
    ) async throws(PersistenceError) -> RegistryChange {
        try await apply(
            .put(ResourceKey(kind, namespace, name), document: document, expectedGeneration: expectedGeneration))
    }

    @discardableResult
    package func delete(
        _ kind: ResourceKind, _ namespace: String, _ name: String, expectedGeneration: Int64? = nil
    ) async throws(PersistenceError) -> RegistryChange {
        try await apply(.delete(ResourceKey(kind, namespace, name), expectedGeneration: expectedGeneration))
    }

    @discardableResult
    package func setPaused(
        _ kind: ResourceKind, _ namespace: String, _ name: String, _ paused: Bool
    ) async throws(PersistenceError) -> RegistryChange {
        try await apply(.setPaused(ResourceKey(kind, namespace, name), paused))
    }

    @discardableResult
    package func apply(_ change: RegistryCommand.Change) async throws(PersistenceError) -> RegistryChange {
        try await registry.apply(RegistryCommand(time: now(), uid: makeUID(), change: change))
    }

    /// 128 random bits as 32 hexadecimal digits.
    package static func randomUID() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let part = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - part.count) + part
        }.joined()
    }
}
