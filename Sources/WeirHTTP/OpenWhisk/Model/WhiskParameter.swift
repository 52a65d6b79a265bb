package import CloudEvents

/// A parameter as clients send it: `{"key": …, "value": …}`, perhaps for the environment instead of the arguments.
package struct WhiskParameter: Sendable, Hashable {
    package var key: String
    package var value: JSONValue
    /// Given to the process's environment when it starts.
    package var isInitial: Bool

    package init(key: String, value: JSONValue, isInitial: Bool = false) {
        self.key = key
        self.value = value
        self.isInitial = isInitial
    }

    var document: JSONValue {
        var members: JSONObject = ["key": .string(key), "value": value]
        if isInitial { members["init"] = true }
        return .object(members)
    }

    /// Reads a list of them; the last of one key counts.
    static func list(_ value: JSONValue, _ what: String) throws(WhiskError) -> [WhiskParameter] {
        guard let array = value.array else {
            throw .malformed("\(what) must be a list of objects with key and value, not \(value.kindName)")
        }
        var list: [WhiskParameter] = []
        for item in array {
            guard let object = item.object, let key = object["key"]?.string, !key.isEmpty else {
                throw .malformed("\(what): each must be an object with key and value")
            }
            list.removeAll { $0.key == key }
            list.append(
                WhiskParameter(key: key, value: object["value"] ?? .null, isInitial: object["init"]?.bool ?? false))
        }
        return list
    }
}

extension JSONObject {
    /// The form in which OpenWhisk writes annotations and parameters.
    package var whiskList: JSONValue {
        .array(members.map { ["key": .string($0.name), "value": $0.value] })
    }

    /// This with the members of another over it.
    package func overlaid(with other: JSONObject) -> JSONObject {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var result = self
        for member in other.members { result[member.name] = member.value }
        return result
    }
}

/// A value that counts as true where upstream looks for truth: not 0, null, false or "".
func isTruthy(_ value: JSONValue?) -> Bool {
    switch value {
    case nil, .null?, .bool(false)?, .integer(0)?, .string("")?: false
    case .number(let number)?: number != 0
    default: true
    }
}
