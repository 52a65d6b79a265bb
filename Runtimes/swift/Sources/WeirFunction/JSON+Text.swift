/// What is wrong with a text that should be JSON, or a value that should become one.
public struct JSONError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension JSON {
    /// Reads a whole text.
    public init(parsing text: String) throws(JSONError) {
        let bytes = Array(text.utf8)
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(JSONError) in try JSON(parsing: buffer) }
        }
        self = try result.get()
    }

    init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = Scanner(bytes)
        self = try scanner.value(depth: 0)
        scanner.skipSpace()
        guard scanner.position == bytes.count else { throw scanner.failure("there is more behind the JSON value") }
    }

    /// The value as JSON text.
    public var text: String {
        var out: [UInt8] = []
        do {
            try write(into: &out)
        } catch {
            return "null"
        }
        return String(decoding: out, as: UTF8.self)
    }

    func write(into out: inout [UInt8]) throws(JSONError) {
        switch self {
        case .null: out.append(text: "null")
        case .bool(let value): out.append(text: value ? "true" : "false")
        case .integer(let value): out.append(decimal: value)
        case .number(let value):
            guard value.isFinite else { throw JSONError("\(value) has no JSON form") }
            out.append(contentsOf: "\(value)".utf8)
        case .string(let value): out.append(quoted: value)
        case .array(let elements):
            out.append(0x5B)
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(0x2C) }
                try element.write(into: &out)
            }
            out.append(0x5D)
        case .object(let members):
            out.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(0x2C) }
                out.append(quoted: member.name)
                out.append(0x3A)
                try member.value.write(into: &out)
            }
            out.append(0x7D)
        }
    }
}

extension [UInt8] {
    mutating func append(text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(decimal value: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var position = digits.count
            var rest = value.magnitude
            repeat {
                position -= 1
                digits[position] = 48 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 {
                position -= 1
                digits[position] = 0x2D
            }
            append(contentsOf: digits[position...])
        }
    }

    mutating func append(quoted text: String) {
        append(0x22)
        var text = text
        text.withUTF8 { bytes in
            var start = 0
            for (index, byte) in bytes.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
                append(contentsOf: bytes[start..<index])
                start = index + 1
                append(0x5C)
                switch byte {
                case 0x22, 0x5C: append(byte)
                case 0x0A: append(0x6E)
                case 0x0D: append(0x72)
                case 0x09: append(0x74)
                default:
                    append(text: "u00")
                    append(hexadecimal(byte >> 4))
                    append(hexadecimal(byte & 15))
                }
            }
            append(contentsOf: bytes[start...])
        }
        append(0x22)
    }

    private func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 48 + digit : 87 + digit }
}
