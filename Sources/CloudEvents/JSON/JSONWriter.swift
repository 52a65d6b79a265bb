extension JSONValue {
    /// The value as compact JSON text.
    public var text: String { String(decoding: encoded(), as: UTF8.self) }

    /// The value as compact JSON, UTF-8.
    public func encoded() -> [UInt8] {
        var out: [UInt8] = []
        write(into: &out)
        return out
    }

    /// The value as JSON for people: two spaces a level.
    public func prettyText() -> String {
        var out: [UInt8] = []
        write(into: &out, indent: 0)
        return String(decoding: out, as: UTF8.self)
    }

    /// Appends the value as JSON; compact, or indented when `indent` is a level.
    package func write(into out: inout [UInt8], indent: Int? = nil) {
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): out.append(contentsOf: String(value).utf8)
        case .number(let value): JSONWriter.number(value, into: &out)
        case .string(let value): JSONWriter.string(value, into: &out)
        case .array(let elements):
            out.append(0x5B)
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(0x2C) }
                JSONWriter.newline(indent.map { $0 + 1 }, into: &out)
                element.write(into: &out, indent: indent.map { $0 + 1 })
            }
            if !elements.isEmpty { JSONWriter.newline(indent, into: &out) }
            out.append(0x5D)
        case .object(let object):
            out.append(0x7B)
            for (index, member) in object.members.enumerated() {
                if index > 0 { out.append(0x2C) }
                JSONWriter.newline(indent.map { $0 + 1 }, into: &out)
                JSONWriter.string(member.name, into: &out)
                out.append(0x3A)
                if indent != nil { out.append(0x20) }
                member.value.write(into: &out, indent: indent.map { $0 + 1 })
            }
            if !object.isEmpty { JSONWriter.newline(indent, into: &out) }
            out.append(0x7D)
        }
    }
}

/// The pieces of JSON text.
package enum JSONWriter {
    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// Appends a quoted string; `"`, `\` and control characters are escaped, the rest stays UTF-8.
    package static func string(_ value: String, into out: inout [UInt8]) {
        var value = value
        value.withUTF8 { string(UnsafeRawBufferPointer($0), into: &out) }
    }

    /// Appends a quoted string from UTF-8 bytes that are known to be valid.
    package static func string(_ utf8: UnsafeRawBufferPointer, into out: inout [UInt8]) {
        out.append(0x22)
        var start = 0
        while true {
            let index = ByteRuns.endOfPlainJSON(utf8, from: start, stopsOutsideASCII: false)
            out.append(contentsOf: UnsafeRawBufferPointer(rebasing: utf8[start..<index]))
            guard index < utf8.count else { break }
            let byte = utf8[index]
            start = index + 1
            out.append(0x5C)
            switch byte {
            case 0x22, 0x5C: out.append(byte)
            case 0x08: out.append(0x62)
            case 0x0C: out.append(0x66)
            case 0x0A: out.append(0x6E)
            case 0x0D: out.append(0x72)
            case 0x09: out.append(0x74)
            default:
                out.append(contentsOf: "u00".utf8)
                out.append(hexDigits[Int(byte >> 4)])
                out.append(hexDigits[Int(byte & 15)])
            }
        }
        out.append(0x22)
    }

    /// Appends a number; whole values without a fraction (`1e300` keeps its exponent). Not finite becomes `null`.
    package static func number(_ value: Double, into out: inout [UInt8]) {
        guard value.isFinite else {
            out.append(contentsOf: "null".utf8)
            return
        }
        if value.rounded() == value, abs(value) < 9_007_199_254_740_992 {
            out.append(contentsOf: String(Int64(value)).utf8)
        } else {
            out.append(contentsOf: "\(value)".utf8)
        }
    }

    fileprivate static func newline(_ indent: Int?, into out: inout [UInt8]) {
        guard let indent else { return }
        out.append(0x0A)
        for _ in 0..<indent { out.append(contentsOf: "  ".utf8) }
    }
}
