import Crypto
import CloudEvents

/// A request as it came.
package struct WebhookRequest: Sendable {
    package var headers: [(name: String, value: String)]
    /// What stands in the address as `token`, for senders that can send no header.
    package var token: String?
    package var body: [UInt8]

    package init(headers: [(name: String, value: String)], token: String? = nil, body: [UInt8]) {
        self.headers = headers
        self.token = token
        self.body = body
    }

    subscript(header: String) -> String? {
        headers.first { $0.name.lowercased() == header.lowercased() }?.value
    }

    // MARK: Whether the sender knows the secret

    /// Whether the request shows the secret in the way of its format.
    func shows(_ secret: [UInt8], as format: WebhookSpec.Format) -> Bool {
        switch format {
        case .github:
            // GitHub, "Validating webhook deliveries": HMAC-SHA256 of the body, in hexadecimal digits.
            guard let text = self["X-Hub-Signature-256"], text.hasPrefix("sha256="),
                let code = Self.bytes(hexadecimal: text.dropFirst(7))
            else { return false }
            return HMAC<SHA256>.isValidAuthenticationCode(
                code, authenticating: body, using: SymmetricKey(data: secret))
        case .gitlab:
            // GitLab, "Webhooks", secret token: the token itself in a header.
            return self["X-Gitlab-Token"].map { Self.isSame(Array($0.utf8), secret) } ?? false
        case .records:
            if let token, Self.isSame(Array(token.utf8), secret) { return true }
            guard let text = self["Authorization"] else { return false }
            // MinIO sends a token that was given to it alone as it is, or behind a word.
            let parts = text.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { return Self.isSame(Array(text.utf8), secret) }
            switch parts[0].lowercased() {
            case "bearer": return Self.isSame(Array(parts[1].utf8), secret)
            case "basic":
                // The name may be any: the password is what counts.
                guard let pair = Base64.decode(parts[1].utf8), let colon = pair.firstIndex(of: 0x3A) else {
                    return false
                }
                return Self.isSame(Array(pair[(colon + 1)...]), secret)
            default: return false
            }
        }
    }

    /// In a time that does not depend on where they differ: hashes are compared.
    private static func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        SHA256.hash(data: one) == SHA256.hash(data: other)
    }

    static func bytes(hexadecimal text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x61...0x66: digit - 0x57
        case 0x41...0x46: digit - 0x37
        default: nil
        }
    }
}
