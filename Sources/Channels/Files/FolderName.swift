/// A channel's name as the name of a folder: letters, digits, `-`, `_` and `.` stand for themselves (`.` not in front),
/// other bytes are written `%2F`.
enum FolderName {
    static func encode(_ name: String) -> String {
        var out = ""
        for (index, byte) in name.utf8.enumerated() {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: out.unicodeScalars.append(Unicode.Scalar(byte))
            case 0x2E where index > 0: out.append(".")
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out.append(digits.count == 1 ? "%0\(digits)" : "%\(digits)")
            }
        }
        return out
    }

    /// - Returns: `nil` for a name that ``encode(_:)`` does not make.
    static func decode(_ folder: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(folder).utf8
        while let byte = rest.popFirst() {
            if byte == 0x25 {
                guard rest.count >= 2, let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16) else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        let name = String(decoding: bytes, as: UTF8.self)
        return encode(name) == folder ? name : nil
    }
}
