import HTTPTypes

/// The head of a request in the plainest form that HTTP/1.1 has, whole at the beginning of some bytes.
///
/// It is read where a call must be cheap, in front of the parser that knows all of HTTP. Whatever is unusual is not read
/// here, though it may be allowed, so that the two can never frame a request differently: one `Content-Length` or none,
/// no other framing, no folded lines, no bare LF, nothing but printable ASCII.
struct PlainRequest {
    /// As the codec makes it: `Host` is the authority and stands in no field.
    var head: HTTPRequest
    /// Bytes of the head, with the empty line.
    var headLength: Int
    /// Bytes of the body, which follows.
    var bodyLength: Int

    /// Bytes of a head and fields of it that are looked at here.
    static let longestHead = 4_096
    private static let mostFields = 32

    /// Names that say how a request is framed, or how its answer or the connection is to be: all that is not plain.
    private static let unusual: Set<String> = [
        "transfer-encoding", "expect", "upgrade", "te", "trailer", "keep-alive", "proxy-connection", "http2-settings",
    ]

    private static let methods: [String: HTTPRequest.Method] = [
        "GET": .get, "HEAD": .head, "POST": .post, "PUT": .put, "PATCH": .patch, "DELETE": .delete,
    ]

    /// `nil` when the head is not whole, or not plain.
    static func read(_ bytes: UnsafeRawBufferPointer) -> PlainRequest? {
        var scanner = Scanner(bytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(longestHead)))
        guard let method = scanner.take(while: { (0x41...0x5A).contains($0) }), scanner.skip(" "),
            let target = scanner.take(while: isTarget), target.hasPrefix("/"), scanner.skip(" HTTP/1.1\r\n"),
            let method = methods[method]
        else { return nil }
        var request = HTTPRequest(method: method, scheme: "http", authority: nil, path: target)
        var bodyLength: Int?
        var count = 0
        while !scanner.skip("\r\n") {
            count += 1
            guard count <= mostFields, let name = scanner.take(while: isToken), !name.isEmpty, scanner.skip(":") else {
                return nil
            }
            let value = scanner.takeValue()
            guard let value, scanner.skip("\r\n"), let field = HTTPField.Name(name) else { return nil }
            switch field.canonicalName {
            case "host":
                guard request.authority == nil, !value.isEmpty else { return nil }
                request.authority = value
            case "content-length":
                // Digits alone: `Int` would also take a sign.
                guard bodyLength == nil, (1...9).contains(value.utf8.count),
                    value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(value)
                else { return nil }
                bodyLength = length
                request.headerFields.append(HTTPField(name: field, value: value))
            case "connection":
                guard value.lowercased() == "keep-alive" else { return nil }
            case let canonical where unusual.contains(canonical): return nil
            default: request.headerFields.append(HTTPField(name: field, value: value))
            }
        }
        guard request.authority != nil else { return nil }
        // Without a length there is no body (RFC 9112 §6.3).
        return PlainRequest(head: request, headLength: scanner.position, bodyLength: bodyLength ?? 0)
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }

    /// What stands in a path and its query (RFC 3986 §3.3 and §3.4).
    private static func isTarget(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~%!$&'()*+,;=:@/?".utf8.contains(byte)
        }
    }

    private struct Scanner {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        /// Goes past a text if it is what comes.
        mutating func skip(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard bytes.count - position >= count else { return false }
            for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
            position += count
            return true
        }

        /// What comes up to the first byte that does not fit; `nil` when the bytes end before it.
        mutating func take(while fits: (UInt8) -> Bool) -> String? {
            let start = position
            while position < bytes.count, fits(bytes[position]) { position += 1 }
            guard position < bytes.count else { return nil }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }

        /// A field's value without the white space around it (RFC 9110 §5.5).
        mutating func takeValue() -> String? {
            while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
            let start = position
            while position < bytes.count, (0x20...0x7E).contains(bytes[position]) { position += 1 }
            guard position < bytes.count else { return nil }
            var end = position
            while end > start, bytes[end - 1] == 0x20 { end -= 1 }
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
    }
}
