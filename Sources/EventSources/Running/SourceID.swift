/// The name of a source: unique within its namespace.
package struct SourceID: Sendable, Hashable, CustomStringConvertible {
    package let namespace: String
    package let name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { "\(namespace)/\(name)" }

    /// Where its state is kept in the store.
    package var statePrefix: String { "source/\(namespace)/\(name)/" }
}
