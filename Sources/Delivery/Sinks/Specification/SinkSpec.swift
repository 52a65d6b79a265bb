package import CloudEvents
package import Manifest

/// Where a subscription delivers.
package enum SinkSpec: Sendable, Hashable {
    case function(String)
    case channel(String)
    case http(HTTPSinkSpec)
    case search(SearchSinkSpec)
    case files(FileSinkSpec)
    case mail(MailSinkSpec)
    case kafka(KafkaSinkSpec)

    /// The words for `kind`.
    static let kinds = ["http", "elasticsearch", "files", "mail", "kafka"]

    /// Reads `function:NAME`, `channel:NAME`, a URL, or an object of a kind (`http` when not said).
    package init(_ value: JSONValue, path: String) throws(DocumentError) {
        if let text = value.string {
            self = try Self.parse(text, path)
            return
        }
        var reader = try DocumentReader(value, path: path)
        switch try reader.word("kind", of: Self.kinds) ?? "http" {
        case "elasticsearch": self = .search(try SearchSinkSpec(&reader))
        case "files": self = .files(try FileSinkSpec(&reader))
        case "mail": self = .mail(try MailSinkSpec(&reader))
        case "kafka": self = .kafka(try KafkaSinkSpec(&reader))
        default:
            if let url = value["url"]?.string, url.hasPrefix("function:") || url.hasPrefix("channel:") {
                _ = try reader.string("url")
                try reader.finish()
                self = try Self.parse(url, reader.path(of: "url"))
                return
            }
            self = .http(try HTTPSinkSpec(&reader))
        }
        try reader.finish()
    }

    private static func parse(_ text: String, _ path: String) throws(DocumentError) -> SinkSpec {
        if text.hasPrefix("http://") || text.hasPrefix("https://") {
            return .http(try HTTPSinkSpec(url: text, path: path))
        }
        if text.hasPrefix("function:"), text.utf8.count > 9 { return .function(String(text.dropFirst(9))) }
        if text.hasPrefix("channel:"), text.utf8.count > 8 { return .channel(String(text.dropFirst(8))) }
        throw DocumentError(
            path: path,
            message: "\"\(text)\" is no sink: write function:NAME, channel:NAME, http://…, https://… or { kind: "
                + "\(kinds.joined(separator: " or ")), … }")
    }

    /// Delivering many at once is what makes these fast; for the others it is one at a time.
    var usualBatch: (size: Int, linger: Int64) {
        switch self {
        case .function, .channel, .http, .mail: (1, 0)
        case .search, .kafka: (500, 200)
        case .files: (1_000, 2_000)
        }
    }

    package var document: JSONValue {
        var object = JSONObject()
        switch self {
        case .function(let name): return .string("function:" + name)
        case .channel(let name): return .string("channel:" + name)
        case .http(let spec):
            if spec.isPlain { return .string(spec.url.text) }
            spec.write(into: &object)
            return .object(object)
        case .search(let spec):
            object["kind"] = "elasticsearch"
            spec.write(into: &object)
        case .files(let spec):
            object["kind"] = "files"
            spec.write(into: &object)
        case .mail(let spec):
            object["kind"] = "mail"
            spec.write(into: &object)
        case .kafka(let spec):
            object["kind"] = "kafka"
            spec.write(into: &object)
        }
        return .object(object)
    }
}
