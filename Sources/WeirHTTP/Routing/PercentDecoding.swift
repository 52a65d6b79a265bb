/// Percent-decoding of RFC 3986 §2.1, strict: what is not well-formed is refused, not passed on as it is.
enum PercentDecoding {
    /// The text behind a path segment; `nil` when an escape is cut short or not hexadecimal, the bytes are not UTF-8, or
    /// a control character is among them.
    static func segment(_ raw: Substring) -> String? { decode(raw.utf8, plusIsSpace: false, controls: false) }

    /// The text behind a name or value of a query. `+` is a space there, as HTML forms write it.
    ///
    /// - Parameter controls: whether control characters are taken as well, as in a form's text of several lines.
    static func query(_ raw: Substring, controls: Bool = false) -> String? {
        decode(raw.utf8, plusIsSpace: true, controls: controls)
    }

    private static func decode(_ raw: Substring.UTF8View, plusIsSpace: Bool, controls: Bool) -> String? {
        var out: [UInt8] = []
        out.reserveCapacity(raw.count)
        var index = raw.startIndex
        while index < raw.endIndex {
            var byte = raw[index]
            index = raw.index(after: index)
            if byte == 0x25 {
                guard index < raw.endIndex, let high = digit(raw[index]) else { return nil }
                index = raw.index(after: index)
                guard index < raw.endIndex, let low = digit(raw[index]) else { return nil }
                index = raw.index(after: index)
                byte = high << 4 | low
            } else if byte == 0x2B, plusIsSpace {
                byte = 0x20
            }
            guard controls || (byte >= 0x20 && byte != 0x7F) else { return nil }
            out.append(byte)
        }
        return String(validating: out, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// A name as a path segment: everything but the unreserved characters is escaped.
    static func encode(_ name: String) -> String {
        var out: [UInt8] = []
        let hex = Array("0123456789ABCDEF".utf8)
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
            default: out.append(contentsOf: [0x25, hex[Int(byte >> 4)], hex[Int(byte & 15)]])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
