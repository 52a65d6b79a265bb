/// Reads JSON (RFC 8259) from bytes, one token at a time, checking everything it passes.
///
/// Strict: UTF-8 is validated, a number, an escape or a surrogate that the standard forbids is an error, and nesting is
/// limited so that hostile input cannot exhaust the stack. Nothing is copied until asked for. The bytes must outlive it.
package struct JSONScanner {
    package let bytes: UnsafeRawBufferPointer
    package var position = 0
    /// How deep arrays and objects may nest.
    package static var maximumDepth: Int { 128 }

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    package func failure(_ reason: String, at offset: Int? = nil) -> JSONError {
        JSONError(reason, at: offset ?? position, in: bytes)
    }

    @inline(__always)
    package mutating func skipWhitespace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    /// The next byte after white space, not consumed; `nil` at the end.
    @inline(__always)
    package mutating func peek() -> UInt8? {
        skipWhitespace()
        return position < bytes.count ? bytes[position] : nil
    }

    /// Consumes `byte` (after white space) when it is next.
    @inline(__always)
    package mutating func consume(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    /// Consumes `byte` or fails with `a X was expected`.
    package mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
        guard consume(byte) else {
            throw failure(position < bytes.count ? "\(what) was expected" : "\(what) was expected, but the text ends")
        }
    }

    /// Fails unless only white space is left.
    package mutating func expectEnd() throws(JSONError) {
        if peek() != nil { throw failure("nothing more was expected after the value") }
    }

    /// Passes over one value of any kind, checking it; returns its range without white space around it.
    package mutating func skipValue(depth: Int = 0) throws(JSONError) -> Range<Int> {
        guard let first = peek() else { throw failure("a value was expected, but the text ends") }
        let start = position
        switch first {
        case 0x22:
            _ = try stringRange()
        case 0x7B:
            guard depth < Self.maximumDepth else { throw failure("nesting is deeper than \(Self.maximumDepth)") }
            position += 1
            if !consume(0x7D) {
                repeat {
                    guard peek() == 0x22 else { throw failure("a member name was expected") }
                    _ = try stringRange()
                    try expect(0x3A, "a colon")
                    _ = try skipValue(depth: depth + 1)
                } while consume(0x2C)
                try expect(0x7D, "a comma or }")
            }
        case 0x5B:
            guard depth < Self.maximumDepth else { throw failure("nesting is deeper than \(Self.maximumDepth)") }
            position += 1
            if !consume(0x5D) {
                repeat { _ = try skipValue(depth: depth + 1) } while consume(0x2C)
                try expect(0x5D, "a comma or ]")
            }
        case 0x74: try literal("true")
        case 0x66: try literal("false")
        case 0x6E: try literal("null")
        default: _ = try numberRange()
        }
        return start..<position
    }

    package mutating func literal(_ text: StaticString) throws(JSONError) {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count,
            equalBytes(bytes.baseAddress.unsafelyUnwrapped + position, UnsafeRawPointer(text.utf8Start), count)
        else { throw failure("a value was expected") }
        position += count
    }

    /// Consumes a number; the range of its text and whether it is written as an integer.
    package mutating func numberRange() throws(JSONError) -> (range: Range<Int>, isInteger: Bool) {
        let start = position
        var isInteger = true
        func byte(_ at: Int) -> UInt8 { at < bytes.count ? bytes[at] : 0 }
        func isDigit(_ at: Int) -> Bool { byte(at) &- 48 < 10 }
        if byte(position) == 0x2D { position += 1 }
        guard isDigit(position) else { throw failure("a value was expected", at: start) }
        if byte(position) == 0x30 {
            position += 1
            if isDigit(position) { throw failure("a number must not begin with 0") }
        } else {
            while isDigit(position) { position += 1 }
        }
        if byte(position) == 0x2E {
            isInteger = false
            position += 1
            guard isDigit(position) else { throw failure("a digit was expected after the point") }
            while isDigit(position) { position += 1 }
        }
        if byte(position) | 0x20 == 0x65 {
            isInteger = false
            position += 1
            if byte(position) == 0x2B || byte(position) == 0x2D { position += 1 }
            guard isDigit(position) else { throw failure("a digit was expected in the exponent") }
            while isDigit(position) { position += 1 }
        }
        return (start..<position, isInteger)
    }

    /// Consumes a string; the range between the quotes and whether it holds escapes. UTF-8 and escapes are checked.
    package mutating func stringRange() throws(JSONError) -> (range: Range<Int>, hasEscapes: Bool) {
        position += 1
        let start = position
        var hasEscapes = false
        while true {
            position = ByteRuns.endOfPlainJSON(bytes, from: position, stopsOutsideASCII: true)
            guard position < bytes.count else { throw failure("the string is not closed", at: start - 1) }
            let byte = bytes[position]
            if byte == 0x22 {
                position += 1
                return (start..<(position - 1), hasEscapes)
            }
            if byte == 0x5C {
                hasEscapes = true
                try skipEscape()
            } else if byte < 0x20 {
                throw failure("a control character must be escaped in a string")
            } else {
                try skipMultibyte(byte)
            }
        }
    }

    private mutating func skipEscape() throws(JSONError) {
        let start = position
        guard position + 1 < bytes.count else { throw failure("the string is not closed") }
        switch bytes[position + 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            position += 2
        case 0x75:
            let unit = try hexUnit(at: position + 2)
            position += 6
            if (0xD800...0xDBFF).contains(unit) {
                guard position + 1 < bytes.count, bytes[position] == 0x5C, bytes[position + 1] == 0x75,
                    (0xDC00...0xDFFF).contains(try hexUnit(at: position + 2))
                else { throw failure("half of a surrogate pair stands alone", at: start) }
                position += 6
            } else if (0xDC00...0xDFFF).contains(unit) {
                throw failure("half of a surrogate pair stands alone", at: start)
            }
        default:
            throw failure("this escape is unknown")
        }
    }

    private func hexUnit(at start: Int) throws(JSONError) -> UInt32 {
        guard start + 4 <= bytes.count else { throw failure("four hexadecimal digits were expected", at: start) }
        var value: UInt32 = 0
        for index in start..<(start + 4) {
            let digit: UInt32
            switch bytes[index] {
            case 0x30...0x39: digit = UInt32(bytes[index]) - 0x30
            case 0x41...0x46: digit = UInt32(bytes[index]) - 0x41 + 10
            case 0x61...0x66: digit = UInt32(bytes[index]) - 0x61 + 10
            default: throw failure("four hexadecimal digits were expected", at: start)
            }
            value = value << 4 | digit
        }
        return value
    }

    /// Passes over one multi-byte UTF-8 sequence (RFC 3629: shortest form, no surrogates, at most U+10FFFF).
    private mutating func skipMultibyte(_ lead: UInt8) throws(JSONError) {
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, low) = (3, 0xA0)
        case 0xE1...0xEC, 0xEE, 0xEF: length = 3
        case 0xED: (length, high) = (3, 0x9F)
        case 0xF0: (length, low) = (4, 0x90)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, high) = (4, 0x8F)
        default: throw failure("this is not UTF-8")
        }
        guard position + length <= bytes.count, (low...high).contains(bytes[position + 1]) else {
            throw failure("this is not UTF-8")
        }
        for index in (position + 2)..<(position + length + (length == 2 ? 1 : 0)) where index < position + length {
            guard bytes[index] & 0xC0 == 0x80 else { throw failure("this is not UTF-8") }
        }
        position += length
    }

    /// The text of a string whose range `stringRange` gave, escapes resolved.
    package func text(_ string: (range: Range<Int>, hasEscapes: Bool)) -> String {
        let raw = UnsafeRawBufferPointer(rebasing: bytes[string.range])
        guard string.hasEscapes else { return String(decoding: raw, as: UTF8.self) }
        return String(decoding: unescaped(string.range), as: UTF8.self)
    }

    /// The UTF-8 bytes of a checked string with its escapes resolved.
    package func unescaped(_ range: Range<Int>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            guard byte == 0x5C else {
                out.append(byte)
                index += 1
                continue
            }
            let escape = bytes[index + 1]
            index += 2
            switch escape {
            case 0x62: out.append(0x08)
            case 0x66: out.append(0x0C)
            case 0x6E: out.append(0x0A)
            case 0x72: out.append(0x0D)
            case 0x74: out.append(0x09)
            case 0x75:
                var scalar = (try? hexUnit(at: index)) ?? 0xFFFD
                index += 4
                if (0xD800...0xDBFF).contains(scalar) {
                    let low = (try? hexUnit(at: index + 2)) ?? 0xDC00
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                    index += 6
                }
                out.append(contentsOf: String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8)
            default: out.append(escape)
            }
        }
        return out
    }
}
