import CloudEvents
import Crypto

/// Signs requests to S3: AWS Signature Version 4 ("Authenticating Requests: Using the Authorization Header").
package struct S3Signature: Sendable {
    private let accessKey: String
    private let secretKey: String
    private let region: String

    package init(accessKey: String, secretKey: String, region: String) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.region = region
    }

    /// The headers that a GET without a body needs.
    ///
    /// - Parameters:
    ///   - path: encoded, from `/` on.
    ///   - query: names and values, not encoded.
    ///   - time: nanoseconds since 1970.
    package func headers(
        host: String, path: String, query: [(name: String, value: String)], time: Int64,
        more: [(name: String, value: String)] = []
    ) -> [(name: String, value: String)] {
        // 20130524T000000Z: seconds, and no more.
        let stamp = EventTime(nanoseconds: time).text.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        let date = stamp.prefix(8)
        let empty = Self.hexadecimal(SHA256.hash(data: [UInt8]()))
        var signed = [("host", host), ("x-amz-content-sha256", empty), ("x-amz-date", stamp)]
        signed += more.map { ($0.name.lowercased(), $0.value) }
        signed.sort { $0.0 < $1.0 }
        let names = signed.map(\.0).joined(separator: ";")
        let request = [
            "GET", path, Self.text(of: query), signed.map { "\($0.0):\($0.1)\n" }.joined(), names, empty,
        ].joined(separator: "\n")
        let scope = "\(date)/\(region)/s3/aws4_request"
        let text = [
            "AWS4-HMAC-SHA256", stamp, scope, Self.hexadecimal(SHA256.hash(data: Array(request.utf8))),
        ].joined(separator: "\n")
        var key = Array("AWS4\(secretKey)".utf8)
        for part in [String(date), region, "s3", "aws4_request", text] {
            key = Array(HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: SymmetricKey(data: key)))
        }
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(accessKey)/\(scope),SignedHeaders=\(names),Signature=\(Self.hexadecimal(key))"
        return [
            ("Authorization", authorization), ("x-amz-content-sha256", empty), ("x-amz-date", stamp),
        ]
    }

    /// A query as it is sent and signed: sorted, encoded.
    package static func text(of query: [(name: String, value: String)]) -> String {
        query.map { (encoded($0.name), encoded($0.value)) }.sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    /// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
    package static func encoded(_ text: String, keepingSlashes: Bool = false) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                out.unicodeScalars.append(Unicode.Scalar(byte))
            case 0x2F where keepingSlashes: out += "/"
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return out
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
