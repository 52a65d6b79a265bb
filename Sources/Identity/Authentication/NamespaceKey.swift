package import CloudEvents
import Crypto

/// A key of a namespace, the pair of texts that OpenWhisk's clients know as `uuid:key`.
///
/// The first half names the key and is no secret; of the second only its hash is kept. It has some 380 random bits, so
/// a plain hash is as good as a slow one: there is nothing to guess.
package struct NamespaceKey: Sendable {
    /// The public half: a UUID (RFC 9562, version 4).
    package let id: String
    package let secret: Secret

    /// The length of the secret half, as OpenWhisk has it.
    private static let length = 64

    /// A new key.
    package init() {
        var generator = SystemRandomNumberGenerator()
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(0x2D) }
            text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        id = String(decoding: text, as: UTF8.self)
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        let key = (0..<Self.length).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
        secret = Secret(String(decoding: key, as: UTF8.self))
    }

    /// What clients are configured with.
    package var pair: Secret { Secret(id + ":" + secret.reveal()) }

    /// What the registry keeps: nothing from which the key could be made.
    package func document(note: String?) -> JSONValue {
        var members: JSONObject = ["sha256": .string(Self.hexadecimal(Self.hash(secret)))]
        members["note"] = note.map { .string($0) }
        return .object(members)
    }

    /// SHA-256.
    static func hash(_ secret: Secret) -> [UInt8] { Array(SHA256.hash(data: Array(secret.reveal().utf8))) }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The bytes behind hexadecimal digits; none when they are not.
    static func bytes(hexadecimal text: String) -> [UInt8] {
        let digits = text.utf8.map { Int8(truncatingIfNeeded: Int(String(UnicodeScalar($0)), radix: 16) ?? -1) }
        guard digits.count % 2 == 0, !digits.contains(-1) else { return [] }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]) << 4 | UInt8(digits[$0 + 1]) }
    }
}
