/// A media type such as `application/json; charset=utf-8` (RFC 2046, in the syntax of RFC 9110 §8.3.1).
package struct MediaType: Sendable, Hashable {
    /// Type and subtype, lower case: `application/json`.
    package let essence: String
    /// Parameters in their order, names in lower case, values unquoted.
    package let parameters: [Parameter]

    package struct Parameter: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    /// Reads a media type; `nil` when it is none.
    package init?(_ text: UnsafeRawBufferPointer) {
        var index = 0
        func skipBlanks() { while index < text.count, text[index] == 0x20 || text[index] == 0x09 { index += 1 } }
        func token() -> String? {
            let start = index
            while index < text.count, Self.isToken(text[index]) { index += 1 }
            return index == start ? nil : UnsafeRawBufferPointer(rebasing: text[start..<index]).text
        }
        skipBlanks()
        guard let type = token(), index < text.count, text[index] == 0x2F else { return nil }
        index += 1
        guard let subtype = token() else { return nil }
        essence = (type + "/" + subtype).lowercased()
        var parameters: [Parameter] = []
        while true {
            skipBlanks()
            if index == text.count { break }
            guard text[index] == 0x3B else { return nil }
            index += 1
            skipBlanks()
            // A semicolon with nothing behind it is common and harmless.
            if index == text.count || text[index] == 0x3B { continue }
            guard let name = token(), index < text.count, text[index] == 0x3D else { return nil }
            index += 1
            if index < text.count, text[index] == 0x22 {
                // ASCII only (RFC 2045 §5.1): the value must fit a header, where other bytes would be percent-encoded.
                guard let value = QuotedString.read(text, from: &index), value.allSatisfy({ $0 < 0x80 }) else {
                    return nil
                }
                parameters.append(Parameter(name: name.lowercased(), value: String(decoding: value, as: UTF8.self)))
            } else {
                guard let value = token() else { return nil }
                parameters.append(Parameter(name: name.lowercased(), value: value))
            }
        }
        self.parameters = parameters
    }

    package init?(_ text: String) {
        var text = text
        guard let value = text.withUTF8({ MediaType(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = value
    }

    package func parameter(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// Whether data of this type is JSON: a subtype of `json` or one that ends in `+json` (JSON format §3.1.1).
    package var isJSON: Bool { essence.hasSuffix("/json") || essence.hasSuffix("+json") }

    /// Whether data of this type is never text, so that it is written as Base64 even when its bytes happen to be UTF-8.
    package var isBinary: Bool {
        essence == "application/octet-stream" || essence == "application/zip" || essence == "application/gzip"
            || ["image/", "audio/", "video/", "font/"].contains { essence.hasPrefix($0) } && !essence.hasSuffix("+xml")
    }

    /// Whether these bytes name a JSON type, without making a value for the two spellings that nearly all events use.
    package static func isJSON(_ text: UnsafeRawBufferPointer) -> Bool {
        if text.elementsEqual("application/json") { return true }
        if text.elementsEqual("text/plain") { return false }
        return MediaType(text)?.isJSON ?? false
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}

/// A quoted string of HTTP (RFC 9110 §5.6.4).
package enum QuotedString {
    /// Reads the quoted string that begins at `index` and moves `index` behind it; `nil` when it is not closed.
    package static func read(_ text: UnsafeRawBufferPointer, from index: inout Int) -> [UInt8]? {
        var out: [UInt8] = []
        index += 1
        while index < text.count {
            let byte = text[index]
            index += 1
            if byte == 0x22 { return out }
            if byte == 0x5C {
                guard index < text.count else { return nil }
                out.append(text[index])
                index += 1
            } else {
                out.append(byte)
            }
        }
        return nil
    }
}
