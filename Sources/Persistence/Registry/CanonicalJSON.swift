package import CloudEvents

extension JSONValue {
    /// The value with the members of every object sorted by name (bytes), so that equal documents have equal text.
    package var canonical: JSONValue {
        switch self {
        case .array(let elements): .array(elements.map(\.canonical))
        case .object(let object):
            .object(
                JSONObject(
                    members: object.members
                        .map { JSONObject.Member(name: $0.name, value: $0.value.canonical) }
                        .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }))
        default: self
        }
    }

    /// Whether two documents say the same: members in any order, `1` equal to `1.0`.
    package func isEquivalent(to other: JSONValue) -> Bool {
        self == other || canonical.encoded() == other.canonical.encoded()
    }
}
