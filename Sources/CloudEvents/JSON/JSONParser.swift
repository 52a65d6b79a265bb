extension JSONValue {
    /// Reads one JSON text into a tree.
    ///
    /// - Throws: ``JSONError`` with line and column: syntax, not UTF-8, nesting over 128, a member named twice, a number
    ///   beyond the range of a double.
    public init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        self = try JSONValue.parse(Array(bytes))
    }

    /// Reads one JSON text into a tree.
    public init(parsing text: String) throws(JSONError) {
        self = try JSONValue.parse(Array(text.utf8))
    }

    private static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        var outcome: Result<JSONValue, JSONError>?
        bytes.withUnsafeBytes { buffer in
            do throws(JSONError) {
                outcome = .success(try JSONValue(parsing: buffer))
            } catch {
                outcome = .failure(error)
            }
        }
        return try outcome.unsafelyUnwrapped.get()
    }

    /// Reads one JSON text into a tree, from borrowed bytes.
    package init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = JSONScanner(bytes)
        self = try scanner.value(depth: 0)
        try scanner.expectEnd()
    }
}

extension JSONScanner {
    /// Consumes one value into a tree.
    package mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard let first = peek() else { throw failure("a value was expected, but the text ends") }
        switch first {
        case 0x22: return .string(text(try stringRange()))
        case 0x7B: return .object(try object(depth: depth))
        case 0x5B:
            guard depth < Self.maximumDepth else { throw failure("nesting is deeper than \(Self.maximumDepth)") }
            position += 1
            var elements: [JSONValue] = []
            if consume(0x5D) { return .array(elements) }
            repeat { elements.append(try value(depth: depth + 1)) } while consume(0x2C)
            try expect(0x5D, "a comma or ]")
            return .array(elements)
        case 0x74:
            try literal("true")
            return .bool(true)
        case 0x66:
            try literal("false")
            return .bool(false)
        case 0x6E:
            try literal("null")
            return .null
        default:
            return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        guard depth < Self.maximumDepth else { throw failure("nesting is deeper than \(Self.maximumDepth)") }
        position += 1
        var object = JSONObject()
        var seen: Set<[UInt8]> = []
        if consume(0x7D) { return object }
        repeat {
            guard peek() == 0x22 else { throw failure("a member name was expected") }
            let start = position
            let name = text(try stringRange())
            // Two members of one name are read differently by different readers (RFC 8259 §4): refused, not guessed.
            // Names are compared byte by byte: Swift's own comparison takes "é" and "e" with an accent for the same.
            let isRepeated =
                object.members.count < 16
                ? object.members.contains { $0.name.utf8.elementsEqual(name.utf8) }
                : {
                    if seen.isEmpty { seen = Set(object.members.map { Array($0.name.utf8) }) }
                    return !seen.insert(Array(name.utf8)).inserted
                }()
            if isRepeated { throw failure("the member \"\(name)\" stands here twice", at: start) }
            try expect(0x3A, "a colon")
            object.members.append(.init(name: name, value: try value(depth: depth + 1)))
        } while consume(0x2C)
        try expect(0x7D, "a comma or }")
        return object
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let (range, isInteger) = try numberRange()
        if isInteger {
            var value: Int64 = 0
            var overflow = false
            let negative = bytes[range.lowerBound] == 0x2D
            for index in (negative ? range.lowerBound + 1 : range.lowerBound)..<range.upperBound {
                let (product, first) = value.multipliedReportingOverflow(by: 10)
                let digit = Int64(bytes[index] - 48)
                let (sum, second) =
                    negative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
                value = sum
                overflow = overflow || first || second
            }
            if !overflow { return .integer(value) }
        }
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw failure("the number is too large", at: range.lowerBound)
        }
        return .number(value)
    }
}
