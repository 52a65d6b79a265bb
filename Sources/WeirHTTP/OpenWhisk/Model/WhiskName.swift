import HTTPTypes
package import Invocation

/// Names of entities and namespaces (upstream `EntityPath.scala`): 1 to 256 characters of a small alphabet.
package enum WhiskName {
    static let longest = 256

    /// Refuses what is no name of an entity.
    static func check(entity name: String) throws(WhiskError) {
        guard name.utf8.count <= longest else {
            // "segement" is what upstream says, and what clients have seen.
            throw WhiskError(
                .badRequest, "Name segement longer than allowed: \(name.utf8.count) > \(longest).")
        }
        guard isName(name) else {
            throw WhiskError(.badRequest, "The name of the entity contains illegal characters.")
        }
    }

    /// Refuses what is no namespace.
    static func check(namespace name: String) throws(WhiskError) {
        guard name.utf8.count <= longest else {
            throw WhiskError(.badRequest, "Namespace longer than allowed: \(name.utf8.count) > \(longest).")
        }
        guard isName(name) else { throw WhiskError(.badRequest, "The namespace contains illegal characters.") }
    }

    /// A word character first; inside also space, `@`, `.`, `&` and `-`; no space at the end.
    package static func isName(_ name: some StringProtocol) -> Bool {
        let bytes = Array(name.utf8)
        guard let first = bytes.first, bytes.count <= longest else { return false }
        return isWord(first) && bytes.last != 0x20
            && bytes.allSatisfy { isWord($0) || [0x20, 0x40, 0x2E, 0x26, 0x2D].contains($0) }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }
}

/// An entity by its full name: `/namespace/name` or `/namespace/package/name`.
package struct WhiskPath: Sendable, Hashable, CustomStringConvertible {
    package var namespace: String
    package var package: String?
    package var name: String

    package init(namespace: String, package: String? = nil, name: String) {
        self.namespace = namespace
        self.package = package
        self.name = name
    }

    /// - Parameter local: `name` or `package/name`, as Weir names functions.
    package init(namespace: String, local: String) {
        let parts = local.split(separator: "/", maxSplits: 1).map(String.init)
        self.init(namespace: namespace, package: parts.count == 2 ? parts[0] : nil, name: parts.last ?? "")
    }

    /// The name within the namespace.
    package var local: String { package.map { "\($0)/\(name)" } ?? name }

    /// The namespace, with the package behind it: what OpenWhisk calls the path of an entity.
    package var holder: String { package.map { "\(namespace)/\($0)" } ?? namespace }

    package var description: String { "\(namespace)/\(local)" }

    /// Reads a reference in a body; a leading slash may be missing, `_` stands for the caller's namespace.
    ///
    /// - Throws: ``WhiskError`` when it does not name a namespace and an entity.
    init(reference text: String, own: String) throws(WhiskError) {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.first?.isEmpty ?? false { parts.removeFirst() }
        guard (2...3).contains(parts.count), parts.allSatisfy({ WhiskName.isName($0) }) else {
            throw WhiskError.malformed(
                parts.count < 2
                    ? "The fully qualified name of the entity must contain at least the namespace and the name of the "
                        + "entity."
                    : "The name of the entity contains illegal characters.")
        }
        let namespace = parts[0] == "_" ? own : String(parts[0])
        self.init(
            namespace: namespace, package: parts.count == 3 ? String(parts[1]) : nil,
            name: String(parts[parts.count - 1])
        )
    }
}

extension WhiskPath {
    /// The path of a function's name; one that begins with a slash is a whole path.
    package init(_ function: FunctionReference) {
        guard function.name.hasPrefix("/") else {
            self.init(namespace: function.namespace, local: function.name)
            return
        }
        let parts = function.name.dropFirst().split(separator: "/", maxSplits: 1).map(String.init)
        self.init(namespace: parts.first ?? "", local: parts.count == 2 ? parts[1] : "")
    }
}
