public import CloudEvents

/// Reads an object strictly: each key is asked for once with its type, and whatever nobody asked for is an error that
/// suggests the nearest known key.
///
///     var reader = try DocumentReader(value, path: "channels.storage")
///     let retention = try reader.duration("retention")
///     let partitions = try reader.integer("partitions", in: 1...1024) ?? 1
///     try reader.finish()
public struct DocumentReader {
    /// The place of this object, for messages.
    public let path: String
    private let object: JSONObject
    private var known: [String] = []

    /// - Throws: ``DocumentError`` when the value is not an object; `null` counts as an empty one, as in `failed: {}`.
    public init(_ value: JSONValue, path: String = "") throws(DocumentError) {
        switch value {
        case .object(let object): self.object = object
        case .null: object = JSONObject()
        default: throw DocumentError(path: path, message: "an object was expected, not \(value.kindName)")
        }
        self.path = path
    }

    /// The place of a member, for messages.
    public func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The raw member; `nil` when absent or null.
    public mutating func value(_ key: String) -> JSONValue? {
        known.append(key)
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    public mutating func string(_ key: String) throws(DocumentError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.string else { throw wrong(key, "a string", value) }
        return text
    }

    /// A string that must be there and not be empty.
    public mutating func requiredString(_ key: String) throws(DocumentError) -> String {
        guard let text = try string(key) else { throw DocumentError(path: path(of: key), message: "this is required") }
        guard !text.isEmpty else { throw DocumentError(path: path(of: key), message: "this must not be empty") }
        return text
    }

    public mutating func bool(_ key: String) throws(DocumentError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let bool = value.bool else { throw wrong(key, "true or false", value) }
        return bool
    }

    public mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(DocumentError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let wide = value.integer, let number = Int(exactly: wide) else {
            throw wrong(key, "a whole number", value)
        }
        guard range.contains(number) else {
            throw DocumentError(
                path: path(of: key),
                message: "\(number) is out of range: \(range.lowerBound) to \(range.upperBound) is allowed")
        }
        return number
    }

    /// A length of time as people write it (`300ms`, `2s`, `5m`, `1h30m`, `30d`), in milliseconds.
    public mutating func duration(_ key: String) throws(DocumentError) -> Int64? {
        guard let value = value(key) else { return nil }
        guard let text = value.string else { throw wrong(key, "a length of time such as 30s, 5m or 7d", value) }
        guard let milliseconds = Quantity.milliseconds(text) else {
            throw DocumentError(
                path: path(of: key), message: "\"\(text)\" is no length of time: write 300ms, 30s, 5m, 1h30m or 7d")
        }
        return milliseconds
    }

    /// A number of bytes as people write it (`512`, `64kB`, `256MB`, `10GiB`).
    public mutating func size(_ key: String) throws(DocumentError) -> Int64? {
        guard let value = value(key) else { return nil }
        if let number = value.integer, number >= 0 { return number }
        guard let text = value.string else { throw wrong(key, "a size such as 64kB, 256MB or 10GiB", value) }
        guard let bytes = Quantity.bytes(text) else {
            throw DocumentError(path: path(of: key), message: "\"\(text)\" is no size: write 512, 64kB, 256MB or 10GiB")
        }
        return bytes
    }

    /// One of a set of words.
    public mutating func word(_ key: String, of words: [String]) throws(DocumentError) -> String? {
        guard let text = try string(key) else { return nil }
        guard words.contains(text) else {
            let near = Suggestion.nearest(to: text, in: words).map { ": did you mean \"\($0)\"?" } ?? ""
            let list = words.joined(separator: ", ")
            throw DocumentError(path: path(of: key), message: "\"\(text)\" is not one of \(list)\(near)")
        }
        return text
    }

    public mutating func array(_ key: String) throws(DocumentError) -> [JSONValue]? {
        guard let value = value(key) else { return nil }
        guard let array = value.array else { throw wrong(key, "a list", value) }
        return array
    }

    /// A nested object, to be read and finished by the caller.
    public mutating func object(_ key: String) throws(DocumentError) -> DocumentReader? {
        guard let value = value(key) else { return nil }
        return try DocumentReader(value, path: path(of: key))
    }

    /// A free-form object (parameters, environment …).
    public mutating func freeObject(_ key: String) throws(DocumentError) -> JSONObject? {
        guard let value = value(key) else { return nil }
        guard let object = value.object else { throw wrong(key, "an object", value) }
        return object
    }

    /// Refuses what nobody asked for.
    public func finish() throws(DocumentError) {
        for name in object.names where !known.contains(name) {
            let near = Suggestion.nearest(to: name, in: known)
            throw DocumentError(
                path: path(of: name),
                message: near.map { "this key is unknown: did you mean \"\($0)\"?" }
                    ?? "this key is unknown: known here are \(known.sorted().joined(separator: ", "))")
        }
    }

    private func wrong(_ key: String, _ wanted: String, _ value: JSONValue) -> DocumentError {
        DocumentError(path: path(of: key), message: "\(wanted) was expected, not \(value.kindName)")
    }
}
