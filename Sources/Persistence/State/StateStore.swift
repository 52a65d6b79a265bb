/// Small durable state by key: how far a source has read, what a subscription has settled.
///
/// A `put` that has returned survives `kill -9` and a power cut. Writes that arrive together share one commit.
public protocol StateStore: Sendable {
    /// Writes all entries or none; `nil` removes a key. Returns when they are on disk.
    func put(_ entries: [StateEntry]) async throws(PersistenceError)

    /// All entries whose key begins with `prefix`, sorted by key.
    func entries(prefix: String) async throws(PersistenceError) -> [StateEntry]
}

/// One key with its value.
public struct StateEntry: Sendable, Hashable {
    /// `/`-separated, the owner first: `source/default/billing/…`, `subscription/default/new-raw-files/0`.
    public var key: String
    public var value: [UInt8]?

    public init(key: String, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

/// Why the store could not do what was asked.
public struct PersistenceError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        case diskFull, ioFailure, corrupt, conflict, notFound, invalid, closed
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
