package import CloudEvents
package import Manifest

/// Where a subscription delivers.
package enum SinkSpec: Sendable, Hashable {
    case function(String)
    case channel(String)
    case http(HTTPEndpoint)

    /// An HTTP endpoint and how events are written to it.
    package struct HTTPEndpoint: Sendable, Hashable {
        /// The content modes of the CloudEvents HTTP binding; batches go out as JSON batches in structured mode.
        package enum Mode: String, Sendable, Hashable, CaseIterable { case binary, structured }

        package var url: String
        package var mode: Mode
        package var headers: [Header]

        package struct Header: Sendable, Hashable {
            package var name: String
            package var value: String
        }
    }

    /// Reads `function:NAME`, `channel:NAME`, a URL, or `{url, mode, headers}`.
    package init(_ value: JSONValue, path: String) throws(DocumentError) {
        if case .object = value {
            var reader = try DocumentReader(value, path: path)
            let url = try reader.requiredString("url")
            let word = try reader.word("mode", of: HTTPEndpoint.Mode.allCases.map(\.rawValue)) ?? "binary"
            var headers: [HTTPEndpoint.Header] = []
            for member in try reader.freeObject("headers")?.members ?? [] {
                let place = "\(reader.path(of: "headers")).\(member.name)"
                guard let text = member.value.string, SinkSpec.isHeader(member.name, text) else {
                    throw DocumentError(path: place, message: "this is no HTTP header with a text")
                }
                headers.append(.init(name: member.name, value: text))
            }
            try reader.finish()
            guard SinkSpec.isURL(url) else {
                throw DocumentError(path: "\(path).url", message: "\"\(url)\" is no http or https address")
            }
            self = .http(HTTPEndpoint(url: url, mode: .init(rawValue: word) ?? .binary, headers: headers))
            return
        }
        guard let text = value.string else {
            throw DocumentError(
                path: path, message: "function:NAME, channel:NAME or a URL was expected, not \(value.kindName)")
        }
        self = try SinkSpec(text: text, path: path)
    }

    package init(text: String, path: String) throws(DocumentError) {
        func name(_ prefix: String) throws(DocumentError) -> String {
            let name = String(text.dropFirst(prefix.count))
            try ResourceName.check(name, path: path, inPackage: prefix == "function:")
            return name
        }
        if text.hasPrefix("function:") {
            self = .function(try name("function:"))
        } else if text.hasPrefix("channel:") {
            self = .channel(try name("channel:"))
        } else if SinkSpec.isURL(text) {
            self = .http(HTTPEndpoint(url: text, mode: .binary, headers: []))
        } else {
            throw DocumentError(
                path: path, message: "\"\(text)\" is no sink: write function:NAME, channel:NAME or a URL")
        }
    }

    /// As a person writes it.
    package var document: JSONValue {
        switch self {
        case .function(let name): .string("function:\(name)")
        case .channel(let name): .string("channel:\(name)")
        case .http(let endpoint) where endpoint.mode == .binary && endpoint.headers.isEmpty: .string(endpoint.url)
        case .http(let endpoint):
            .object([
                "url": .string(endpoint.url), "mode": .string(endpoint.mode.rawValue),
                "headers": .object(
                    JSONObject(members: endpoint.headers.map { .init(name: $0.name, value: .string($0.value)) })),
            ])
        }
    }

    private static func isURL(_ text: String) -> Bool {
        let lower = text.lowercased()
        let rest =
            lower.hasPrefix("http://") ? lower.dropFirst(7) : lower.hasPrefix("https://") ? lower.dropFirst(8) : ""
        guard let first = rest.utf8.first, first != 0x2F, first != 0x3A else { return false }
        return rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// RFC 9110 §5.1 and §5.5: a token, and a text without control characters.
    private static func isHeader(_ name: String, _ value: String) -> Bool {
        let marks = Array("!#$%&'*+-.^_`|~".utf8)
        let isToken = !name.isEmpty && name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || marks.contains(byte)
        }
        return isToken && value.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
    }
}
