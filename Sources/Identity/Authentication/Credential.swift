import CloudEvents

/// What a request brings to say who asks.
package enum Credential: Sendable {
    case bearer(Secret)
    case basic(user: String, password: Secret)

    /// Reads the value of an `Authorization` field (RFC 9110 §11.6.2, RFC 6750 §2.1, RFC 7617).
    ///
    /// - Throws: ``IdentityError`` `malformed`; its message never repeats the value.
    package init(authorization value: String) throws(IdentityError) {
        guard value.utf8.count <= 64 << 10 else {
            throw IdentityError(.malformed, "the Authorization field is longer than 64 KiB")
        }
        let parts = value.utf8.split(separator: 0x20, maxSplits: 1)
        let scheme = parts.first.map { String(decoding: $0, as: UTF8.self).lowercased() } ?? ""
        let rest = parts.count > 1 ? Array(parts[1].drop { $0 == 0x20 }) : []
        switch scheme {
        case "bearer":
            guard !rest.isEmpty, rest.allSatisfy(Self.isTokenByte) else {
                throw IdentityError(.malformed, "the Authorization field says Bearer, but no token follows")
            }
            self = .bearer(Secret(String(decoding: rest, as: UTF8.self)))
        case "basic":
            guard let bytes = Base64.decode(rest), let text = String(validating: bytes, as: UTF8.self),
                let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), !text.utf8.contains(where: { $0 < 0x20 })
            else {
                throw IdentityError(
                    .malformed, "the Authorization field says Basic, but no base64 of \"user:password\" follows")
            }
            self = .basic(
                user: String(text[..<colon]), password: Secret(String(text[text.index(after: colon)...])))
        default:
            throw IdentityError(.malformed, "the Authorization field must begin with Bearer or Basic")
        }
    }

    /// b64token of RFC 6750 §2.1.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~+/=".utf8.contains(byte)
        }
    }
}
