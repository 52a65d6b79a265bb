/// The rules for names of resources, which become parts of addresses, keys and folders.
public enum ResourceName {
    /// In bytes; every allowed character is one.
    public static let longest = 128

    /// Refuses what is no name: letters, digits, `-`, `_` and `.`, a letter or digit first; with `inPackage` one `/`
    /// between two such names.
    public static func check(_ name: String, path: String, inPackage: Bool = false) throws(DocumentError) {
        func refuse(_ reason: String) -> DocumentError {
            DocumentError(path: path, message: "\"\(visible(name))\" is no name: \(reason)")
        }
        guard !name.isEmpty else { throw DocumentError(path: path, message: "a name must not be empty") }
        guard name.utf8.count <= longest else {
            throw refuse("it has \(name.utf8.count) bytes, \(longest) are allowed")
        }
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if parts.count > 1 {
            guard inPackage else { throw refuse("\"/\" is allowed in the names of functions only") }
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
                throw refuse("one \"/\" may stand between package and name")
            }
        }
        for part in parts {
            guard let first = part.first, isLetterOrDigit(first) else { throw refuse("a letter or digit comes first") }
            guard part.allSatisfy({ isLetterOrDigit($0) || $0 == 0x2D || $0 == 0x5F || $0 == 0x2E }) else {
                throw refuse("letters, digits, \"-\", \"_\" and \".\" are allowed")
            }
        }
    }

    /// Refuses what is no namespace: lower-case letters, digits and, inside, `-`; at most 63.
    public static func checkNamespace(_ name: String, path: String) throws(DocumentError) {
        let bytes = Array(name.utf8)
        let allowed = bytes.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard allowed, (1...63).contains(bytes.count), bytes.first != 0x2D, bytes.last != 0x2D else {
            throw DocumentError(
                path: path,
                message:
                    "\"\(visible(name))\" is no namespace: at most 63 lower-case letters, digits and, inside, \"-\"")
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// At most 40 characters, without control characters: a name in a message must not forge another line of a log.
    private static func visible(_ name: String) -> String {
        var out = ""
        for scalar in name.unicodeScalars.prefix(40) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                out += "\\u{\(String(scalar.value, radix: 16))}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return name.unicodeScalars.count > 40 ? out + "…" : out
    }
}
