/// How far a text looks like a URI (RFC 3986): its characters, its percent-escapes, its scheme.
///
/// Resolving is not done here, so the finer grammar of authority and path is not checked.
package enum URISyntax {
    /// The first fault in a URI reference, as a sentence part; `nil` when there is none.
    package static func fault(inReference bytes: UnsafeRawBufferPointer) -> String? {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x25 {
                guard index + 2 < bytes.count, isHexDigit(bytes[index + 1]), isHexDigit(bytes[index + 2]) else {
                    return "holds a % that two hexadecimal digits do not follow"
                }
                index += 3
                continue
            }
            guard byte < 0x80 else { return "holds a character outside ASCII, which a URI writes percent-encoded" }
            guard isAllowed(byte) else {
                return byte == 0x20
                    ? "holds a space, which a URI writes as %20"
                    : "holds \(Character(Unicode.Scalar(byte))), which a URI writes percent-encoded"
            }
            index += 1
        }
        return nil
    }

    /// The same for a URI, which begins with a scheme.
    package static func fault(inURI bytes: UnsafeRawBufferPointer) -> String? {
        if let fault = fault(inReference: bytes) { return fault }
        guard let colon = bytes.firstIndex(of: 0x3A), colon > 0, isLetter(bytes[0]),
            bytes[..<colon].allSatisfy({
                isLetter($0) || ($0 &- 0x30) < 10 || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
            })
        else { return "has no scheme such as https:" }
        return nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool { ((byte | 0x20) &- 0x61) < 26 }

    private static func isHexDigit(_ byte: UInt8) -> Bool { (byte &- 0x30) < 10 || ((byte | 0x20) &- 0x61) < 6 }

    /// Unreserved and reserved characters (RFC 3986 §2.2, §2.3): what is left out is controls, space, " < > \ ^ ` { | }.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0...0x20, 0x22, 0x3C, 0x3E, 0x5C, 0x5E, 0x60, 0x7B, 0x7C, 0x7D, 0x7F: false
        default: true
        }
    }
}
