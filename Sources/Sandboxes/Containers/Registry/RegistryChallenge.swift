/// How a registry wants to be asked: the `WWW-Authenticate` of a 401 (RFC 9110 §11.6.1; distribution specification,
/// "Token Authentication").
enum RegistryChallenge: Sendable, Hashable {
    case basic
    case bearer(realm: String, service: String?, scope: String?)

    /// The first challenge in the headers that is understood; `nil` when there is none.
    init?(_ headers: [String]) {
        var hasBasic = false
        for header in headers {
            for (scheme, parameters) in Self.parse(header) {
                switch scheme {
                case "bearer":
                    guard let realm = parameters["realm"] else { continue }
                    self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
                    return
                case "basic": hasBasic = true
                default: break
                }
            }
        }
        guard hasBasic else { return nil }
        self = .basic
    }

    /// Schemes with their parameters, names in lower case: `Bearer realm="https://…",service="…"`.
    static func parse(_ header: String) -> [(scheme: String, parameters: [String: String])] {
        var found: [(scheme: String, parameters: [String: String])] = []
        var reader = Reader(bytes: Array(header.utf8))
        while true {
            reader.skip { $0 == 0x20 || $0 == 0x09 || $0 == 0x2C }
            let word = reader.take { !Self.isBreak($0) && $0 != 0x3D }
            if word.isEmpty {
                // Neither a word nor an end: what follows is not understood.
                return found
            }
            reader.skip { $0 == 0x20 || $0 == 0x09 }
            guard reader.peek == 0x3D else {
                found.append((word.lowercased(), [:]))
                continue
            }
            // A parameter without a scheme before it.
            guard !found.isEmpty else { return found }
            reader.advance()
            reader.skip { $0 == 0x20 || $0 == 0x09 }
            found[found.count - 1].parameters[word.lowercased()] = reader.value()
        }
    }

    private static func isBreak(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x2C }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

        mutating func advance() { position += 1 }

        mutating func skip(_ matches: (UInt8) -> Bool) {
            while let byte = peek, matches(byte) { position += 1 }
        }

        mutating func take(_ matches: (UInt8) -> Bool) -> String {
            let start = position
            skip(matches)
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }

        /// A token, or a quoted string with its escapes taken out.
        mutating func value() -> String {
            guard peek == 0x22 else { return take { !RegistryChallenge.isBreak($0) } }
            advance()
            var out: [UInt8] = []
            while let byte = peek, byte != 0x22 {
                advance()
                if byte == 0x5C, let escaped = peek {
                    advance()
                    out.append(escaped)
                } else {
                    out.append(byte)
                }
            }
            advance()
            return String(decoding: out, as: UTF8.self)
        }
    }
}
