import CloudEvents

/// The members that all entities have in a PUT, read as leniently as upstream: what is unknown or null is left alone.
struct WhiskBody {
    let object: JSONObject
    var parameters: [WhiskParameter]?
    var annotations: JSONObject?
    var version: String?
    var publish: Bool?

    init(_ object: JSONObject) throws(WhiskError) {
        self.object = object
        if let value = Self.present(object["parameters"]) {
            parameters = try WhiskParameter.list(value, "parameters")
            try Self.checkSize(value, "parameters")
        }
        if let value = Self.present(object["annotations"]) {
            let list = try WhiskParameter.list(value, "annotations")
            annotations = JSONObject(members: list.map { .init(name: $0.key, value: $0.value) })
            try Self.checkSize(value, "annotations")
        }
        // Older clients send "" where they do not ask for a version.
        if let value = Self.present(object["version"]), value != "" {
            guard let text = value.string, WhiskVersion(text) != nil else {
                throw .malformed("version must be text such as 1.0.0")
            }
            version = text
        }
        if let value = Self.present(object["publish"]) {
            guard let flag = value.bool else { throw .malformed("publish must be true or false") }
            publish = flag
        }
    }

    /// A member that is there and not null.
    subscript(name: String) -> JSONValue? { Self.present(object[name]) }

    static func present(_ value: JSONValue?) -> JSONValue? { value == .null ? nil : value }

    static func checkSize(_ value: JSONValue, _ field: String) throws(WhiskError) {
        let size = value.encoded().count
        guard size <= WhiskBounds.payload else { throw .tooLarge(field, size, limit: WhiskBounds.payload) }
    }
}
