package import CloudEvents
package import Manifest

/// The name of a secret: what stands in a manifest in its place.
package struct SecretReference: Sendable, Hashable {
    package let name: String

    package init(_ name: String) { self.name = name }

    /// As a document writes it.
    package var document: JSONValue { ["secret": .string(name)] }
}

extension DocumentReader {
    /// A secret by its name, written `{ secret: NAME }`; the value itself is refused, for documents are shown.
    package mutating func secret(_ key: String) throws(DocumentError) -> SecretReference? {
        guard let value = value(key) else { return nil }
        guard value.object != nil else {
            throw DocumentError(
                path: path(of: key),
                message: "a secret does not stand in a manifest: write { secret: NAME } and give the server the value")
        }
        var reader = try DocumentReader(value, path: path(of: key))
        let name = try reader.requiredString("secret")
        try ResourceName.check(name, path: reader.path(of: "secret"))
        try reader.finish()
        return SecretReference(name)
    }
}
