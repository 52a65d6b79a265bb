internal import Functions

/// What a client of the proxy asks for, read strictly: what is not clear is refused, never guessed.
package struct ProxyRequest: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// A tunnel (RFC 9110 §9.3.6).
        case tunnel
        /// One request that is passed on: its head, rewritten for the server, and what of its body follows.
        case forward(head: [UInt8], body: RequestBody)
    }

    package var kind: Kind
    /// As ``EgressRule/canonical(_:)`` writes it.
    package var host: String
    package var port: UInt16
    /// Of `Proxy-Authorization`, as it was sent.
    package var authorization: String?

    /// Why a request is refused.
    package struct Fault: Error, Sendable, Hashable {
        /// An HTTP status.
        package let status: Int
        package let message: String
    }

    /// The longest head, bytes.
    package static let longestHead = 16 << 10
    private static let headerLimit = 100

    /// The length of the head with its empty line, when it is whole.
    package static func headLength(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for end in 3..<bytes.count
        where bytes[end] == 0x0A && bytes[end - 1] == 0x0D && bytes[end - 2] == 0x0A && bytes[end - 3] == 0x0D {
            return end + 1
        }
        return nil
    }

    /// - Parameter head: with the empty line at its end.
    package init(parsing head: ArraySlice<UInt8>) throws(Fault) {
        let lines = try Self.lines(head)
        guard let first = lines.first else { throw Self.malformed("the request line is missing") }
        let parts = first.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(Self.isToken) else {
            throw Self.malformed("the request line is not METHOD TARGET VERSION")
        }
        guard parts[1].allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Self.malformed("the target has characters that belong percent-encoded")
        }
        guard parts[2].elementsEqual("HTTP/1.1".utf8) || parts[2].elementsEqual("HTTP/1.0".utf8) else {
            throw Fault(status: 505, message: "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        let headers = try Self.headers(lines.dropFirst())
        authorization = headers.first { $0.name == "proxy-authorization" }.map {
            String(decoding: $0.value, as: UTF8.self)
        }
        let target = String(decoding: parts[1], as: UTF8.self)
        if parts[0].elementsEqual("CONNECT".utf8) {
            kind = .tunnel
            (host, port) = try Self.authority(target, defaultPort: nil)
            return
        }
        guard target.lowercased().hasPrefix("http://") else {
            let isSecure = target.lowercased().hasPrefix("https://")
            throw Self.malformed(
                isSecure
                    ? "https goes through a tunnel: CONNECT host:port"
                    : "this is a proxy: the target is http://host/path")
        }
        let rest = target.dropFirst("http://".count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        (host, port) = try Self.authority(String(rest[..<end]), defaultPort: 80)
        guard !rest[end...].contains("#") else { throw Self.malformed("the target has a fragment") }
        let body = try Self.body(headers)
        let path = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
        kind = .forward(
            head: Self.rewritten(parts[0], path: path, host: host, port: port, headers), body: body)
    }

    // MARK: Reading

    private typealias Header = (name: String, raw: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

    private static func malformed(_ message: String) -> Fault { Fault(status: 400, message: message) }

    private static func lines(_ head: ArraySlice<UInt8>) throws(Fault) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = head.startIndex
        var index = head.startIndex
        while index < head.endIndex {
            let byte = head[index]
            if byte == 0x0A { throw malformed("a line ends without CR") }
            if byte == 0x0D {
                guard index + 1 < head.endIndex, head[index + 1] == 0x0A else { throw malformed("a CR without its LF") }
                if start == index {
                    guard index + 2 == head.endIndex else { throw malformed("the head has an empty line in it") }
                    return lines
                }
                lines.append(head[start..<index])
                guard lines.count <= headerLimit + 1 else {
                    throw Fault(status: 431, message: "more than \(headerLimit) header fields")
                }
                index += 2
                start = index
                continue
            }
            guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else {
                throw malformed("a control character in the head")
            }
            index += 1
        }
        throw malformed("the head has no end")
    }

    private static func headers(_ lines: ArraySlice<ArraySlice<UInt8>>) throws(Fault) -> [Header] {
        var headers: [Header] = []
        for line in lines {
            guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex, line[..<colon].allSatisfy(isToken)
            else {
                throw malformed("a header field is not NAME: VALUE")
            }
            let name = String(
                decoding: line[..<colon].map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
            var value = line[(colon + 1)...]
            while let byte = value.first, byte == 0x20 || byte == 0x09 { value = value.dropFirst() }
            while let byte = value.last, byte == 0x20 || byte == 0x09 { value = value.dropLast() }
            headers.append((name, line[..<colon], value))
        }
        return headers
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }

    private static func authority(
        _ text: String, defaultPort: UInt16?
    ) throws(Fault) -> (host: String, port: UInt16) {
        var host = Substring(text)
        var port = defaultPort
        var portText: Substring?
        if host.hasPrefix("[") {
            guard let close = host.firstIndex(of: "]") else { throw malformed("\"\(text)\" is no host and port") }
            let rest = host[host.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw malformed("\"\(text)\" is no host and port") }
            if !rest.isEmpty { portText = rest.dropFirst() }
            host = host[host.index(after: host.startIndex)..<close]
            guard IPAddress(String(host))?.bytes != nil, host.contains(":") else {
                throw malformed("\"\(text)\" is no host and port")
            }
        } else if let colon = host.lastIndex(of: ":") {
            portText = host[host.index(after: colon)...]
            host = host[..<colon]
            guard !host.contains(":") else { throw malformed("\"\(text)\" is no host and port") }
        }
        if let portText {
            guard portText.utf8.count <= 5, portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt16(portText), number > 0
            else { throw malformed("\"\(portText)\" is no port") }
            port = number
        }
        guard let port else { throw malformed("\"\(text)\": the port is missing") }
        guard let canonical = EgressRule.canonical(String(host)) else {
            throw malformed("\"\(host)\" is no name of a host")
        }
        return (canonical, port)
    }

    /// RFC 9112 §6: what is ambiguous is an error, so that client, proxy and server cannot see different requests.
    private static func body(_ headers: [Header]) throws(Fault) -> RequestBody {
        let lengths = headers.filter { $0.name == "content-length" }
        let codings = headers.filter { $0.name == "transfer-encoding" }
        guard codings.isEmpty || lengths.isEmpty else {
            throw malformed("Content-Length and Transfer-Encoding exclude each other")
        }
        if let coding = codings.first {
            let text = String(decoding: coding.value, as: UTF8.self).lowercased()
            guard codings.count == 1, text == "chunked" else {
                throw Fault(status: 501, message: "the only transfer coding that is passed on is \"chunked\"")
            }
            return RequestBody(.chunked)
        }
        guard let length = lengths.first else { return RequestBody(.length(0)) }
        guard lengths.count == 1, !length.value.isEmpty, length.value.count <= 18,
            length.value.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int64(String(decoding: length.value, as: UTF8.self))
        else { throw malformed("Content-Length is no single number") }
        return RequestBody(.length(number))
    }

    /// The head for the server: origin form, its own `Host` (RFC 9112 §3.2.2), without what is for the connection to the
    /// proxy (RFC 9110 §7.6.1), and closed after the answer, so that one connection carries one request.
    private static func rewritten(
        _ method: ArraySlice<UInt8>, path: String, host: String, port: UInt16, _ headers: [Header]
    ) -> [UInt8] {
        let named = headers.filter { $0.name == "connection" }.flatMap { header in
            String(decoding: header.value, as: UTF8.self).lowercased().split(separator: ",").map {
                String($0.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
            }
        }
        // What says where the body ends cannot be declared to be of this connection only.
        let dropped = Set(named).subtracting(["content-length", "transfer-encoding"]).union([
            "host", "connection", "keep-alive", "te", "upgrade",
        ])
        var out = Array(method) + [0x20] + Array(path.utf8) + Array(" HTTP/1.1\r\nHost: ".utf8)
        out += Array((host.contains(":") ? "[\(host)]" : host).utf8)
        if port != 80 { out += Array(":\(port)".utf8) }
        for header in headers where !dropped.contains(header.name) && !header.name.hasPrefix("proxy-") {
            out += [0x0D, 0x0A] + Array(header.raw) + [0x3A, 0x20] + Array(header.value)
        }
        return out + Array("\r\nVia: 1.1 weir\r\nConnection: close\r\n\r\n".utf8)
    }
}
