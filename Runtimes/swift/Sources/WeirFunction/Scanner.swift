/// Reads JSON from bytes: values, or only where they are.
struct Scanner {
    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int

    private static var deepest: Int { 512 }

    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    func failure(_ what: String) -> JSONError { JSONError("\(what) (byte \(position))") }

    mutating func skipSpace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    /// Takes one byte if it is the next.
    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard take(byte) else { throw failure("\"\(Character(Unicode.Scalar(byte)))\" was expected") }
    }

    /// Where the next value stands; strings and nesting are followed, nothing else is looked at.
    mutating func skipValue() throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = position
        guard position < bytes.count else { throw failure("a value was expected") }
        switch bytes[position] {
        case 0x22: _ = try skipString()
        case 0x7B, 0x5B:
            var depth = 0
            repeat {
                guard position < bytes.count else { throw failure("the end of a value was expected") }
                switch bytes[position] {
                case 0x22:
                    _ = try skipString()
                    continue
                case 0x7B, 0x5B: depth += 1
                case 0x7D, 0x5D: depth -= 1
                default: break
                }
                position += 1
            } while depth > 0
        default:
            while position < bytes.count, !Self.endsScalar(bytes[position]) { position += 1 }
            guard position > start else { throw failure("a value was expected") }
        }
        return start..<position
    }

    private static func endsScalar(_ byte: UInt8) -> Bool {
        byte == 0x2C || byte == 0x5D || byte == 0x7D || byte <= 0x20 || byte == 0x3A
    }

    /// Where a string's content stands, and whether it has escapes.
    mutating func skipString() throws(JSONError) -> (content: Range<Int>, isEscaped: Bool) {
        try expect(0x22)
        let start = position
        var isEscaped = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == 0x22 {
                position += 1
                return (start..<(position - 1), isEscaped)
            }
            if byte == 0x5C {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        throw failure("the end of a string was expected")
    }

    mutating func string() throws(JSONError) -> String {
        let (content, isEscaped) = try skipString()
        guard isEscaped else { return String(decoding: bytes[content], as: UTF8.self) }
        return try unescaped(content)
    }

    mutating func integer() throws(JSONError) -> Int {
        let range = try skipValue()
        var value = 0
        var isNegative = false
        for (index, byte) in bytes[range].enumerated() {
            if index == 0, byte == 0x2D {
                isNegative = true
                continue
            }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard (0x30...0x39).contains(byte), !overflow else { throw failure("a whole number was expected") }
            value = product + Int(byte - 48)
        }
        return isNegative ? -value : value
    }

    mutating func value(depth: Int) throws(JSONError) -> JSON {
        skipSpace()
        guard position < bytes.count else { throw failure("a value was expected") }
        guard depth < Self.deepest else { throw failure("the value nests too deep") }
        switch bytes[position] {
        case 0x22: return .string(try string())
        case 0x5B:
            position += 1
            var elements: [JSON] = []
            if take(0x5D) { return .array([]) }
            repeat { elements.append(try value(depth: depth + 1)) } while take(0x2C)
            try expect(0x5D)
            return .array(elements)
        case 0x7B:
            position += 1
            var members: [JSON.Member] = []
            if take(0x7D) { return .object([]) }
            repeat {
                skipSpace()
                let name = try string()
                try expect(0x3A)
                members.append(JSON.Member(name, try value(depth: depth + 1)))
            } while take(0x2C)
            try expect(0x7D)
            return .object(members)
        default: return try scalar()
        }
    }

    private mutating func scalar() throws(JSONError) -> JSON {
        let text = String(decoding: bytes[try skipValue()], as: UTF8.self)
        switch text {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            if let value = Int64(text) { return .integer(value) }
            guard let value = Double(text), text.utf8.first.map({ $0 == 0x2D || $0 < 0x3A }) ?? false else {
                throw failure("\"\(text)\" is no JSON value")
            }
            return .number(value)
        }
    }

    private func unescaped(_ content: Range<Int>) throws(JSONError) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(content.count)
        var index = content.lowerBound
        while index < content.upperBound {
            let byte = bytes[index]
            index += 1
            guard byte == 0x5C else {
                out.append(byte)
                continue
            }
            let kind = bytes[index]
            index += 1
            switch kind {
            case 0x6E: out.append(0x0A)
            case 0x72: out.append(0x0D)
            case 0x74: out.append(0x09)
            case 0x62: out.append(0x08)
            case 0x66: out.append(0x0C)
            case 0x75:
                var unit = try hexadecimal(index, content)
                index += 4
                // Two halves of a character beyond 16 bits.
                if (0xD800..<0xDC00).contains(unit), index + 6 <= content.upperBound, bytes[index] == 0x5C,
                    bytes[index + 1] == 0x75
                {
                    let low = try hexadecimal(index + 2, content)
                    if (0xDC00..<0xE000).contains(low) {
                        unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
                        index += 6
                    }
                }
                out.append(contentsOf: String(Character(Unicode.Scalar(unit) ?? "\u{FFFD}")).utf8)
            default: out.append(kind)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private func hexadecimal(_ index: Int, _ content: Range<Int>) throws(JSONError) -> UInt32 {
        guard index + 4 <= content.upperBound,
            let value = UInt32(String(decoding: bytes[index..<(index + 4)], as: UTF8.self), radix: 16)
        else { throw failure("four hexadecimal digits were expected") }
        return value
    }
}
