import CloudEvents
import Glibc

/// A file that holds a token (a JWT), as site tools keep it fresh; read anew each time that one is needed.
struct KafkaTokenFile: Sendable {
    let path: String

    var provider: KafkaTokenProvider {
        { [self] in try token() }
    }

    /// - Throws: ``KafkaError``, never with a part of the token in it.
    func token() throws(KafkaError) -> KafkaToken {
        guard let file = fopen(path, "r") else {
            throw KafkaError(
                .authentication, "the token file \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        let text = String(decoding: bytes[..<count].filter { $0 > 0x20 }, as: UTF8.self)
        guard let token = Self.read(text) else {
            throw KafkaError(.authentication, "the token file \(path) holds no JWT with the claims exp and sub")
        }
        return token
    }

    /// The claims are read for the client's own needs (when to ask for another); the broker verifies.
    static func read(_ text: String) -> KafkaToken? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var body = parts[1].utf8.map { $0 == 0x2D ? 0x2B : $0 == 0x5F ? 0x2F : $0 }
        while body.count % 4 != 0 { body.append(0x3D) }
        guard let bytes = Base64.decode(body), let claims = try? JSONValue(parsing: bytes),
            let expires = claims["exp"]?.integer ?? claims["exp"]?.double.map({ Int64($0) }),
            expires > 0, expires < 1 << 40
        else { return nil }
        return KafkaToken(
            value: text, expires: expires * 1000,
            principal: claims["sub"]?.string ?? claims["client_id"]?.string ?? "unknown")
    }
}
