/// Reads events in the JSON event format (CloudEvents JSON format 1.0.2) straight into records, in one pass.
///
/// For the hot path: keep one decoder and reuse it, then an event costs the allocation of its record and no other. The
/// data is passed over, checked, and taken as bytes; it is not made into a tree.
package struct JSONEventDecoder: ~Copyable {
    /// A value that stands in the text.
    private struct Slot {
        var name: Range<Int> = 0..<0
        var value: Range<Int>
        var kind: AttributeKind
        var hasEscapes: Bool
    }

    private var standard: [Slot?]
    private var extensions: [Slot] = []

    package init() {
        standard = Array(repeating: nil, count: StandardAttribute.allCases.count)
    }

    /// Reads the bytes of one event.
    package mutating func event(_ bytes: UnsafeRawBufferPointer) throws(CloudEventError) -> EventRecord {
        try AttributeRules.check(size: bytes.count)
        var scanner = JSONScanner(bytes)
        let record = try event(&scanner)
        try scanner.reading { scanner throws(JSONError) in try scanner.expectEnd() }
        return record
    }

    /// Reads the bytes of a JSON array of events; the error of one names its place.
    package mutating func batch(_ bytes: UnsafeRawBufferPointer) throws(CloudEventError) -> [EventRecord] {
        try AttributeRules.check(size: bytes.count)
        var scanner = JSONScanner(bytes)
        guard scanner.peek() != nil else { throw CloudEventError(.invalidJSON, nil, "the batch is empty text") }
        guard scanner.consume(0x5B) else {
            throw CloudEventError(.notAnEvent, nil, "a batch must be a JSON array of events")
        }
        var records: [EventRecord] = []
        if !scanner.consume(0x5D) {
            repeat {
                do throws(CloudEventError) {
                    records.append(try event(&scanner))
                } catch {
                    throw error.at(index: records.count)
                }
            } while scanner.consume(0x2C)
            try scanner.reading { scanner throws(JSONError) in try scanner.expect(0x5D, "a comma or ]") }
        }
        try scanner.reading { scanner throws(JSONError) in try scanner.expectEnd() }
        return records
    }

    /// Reads one event where the scanner stands.
    package mutating func event(_ scanner: inout JSONScanner) throws(CloudEventError) -> EventRecord {
        let start = scanner.position
        guard let found = try members(&scanner) else {
            scanner.position = start
            return try eventWithEscapedNames(&scanner)
        }
        let data = found.data
        for attribute in StandardAttribute.allCases where attribute.isRequired && standard[attribute.rawValue] == nil {
            throw CloudEventError(
                .missingAttribute, "\(attribute.name)", "the required attribute \"\(attribute.name)\" is missing")
        }
        let length = data.map { $0.range.count } ?? 0
        var writer = EventRecordWriter(capacity: 512 + length)
        for attribute in StandardAttribute.allCases where attribute != .specversion {
            guard let slot = standard[attribute.rawValue] else { continue }
            scanner.withValue(slot.value, slot.hasEscapes) { writer.attribute(attribute.name, $0, slot.kind) }
        }
        for slot in extensions {
            let name = UnsafeRawBufferPointer(rebasing: scanner.bytes[slot.name])
            scanner.withValue(slot.value, slot.hasEscapes) { writer.attribute(name: name, $0, slot.kind) }
        }
        if let data { try write(data, of: scanner, into: &writer) }
        return writer.finish()
    }

    /// Reads an event in which a member's name is written with escapes: legal, and so rare that a copy with plain names
    /// is made and read instead.
    private mutating func eventWithEscapedNames(_ scanner: inout JSONScanner) throws(CloudEventError) -> EventRecord {
        var copy: [UInt8] = [0x7B]
        _ = scanner.consume(0x7B)
        repeat {
            if copy.count > 1 { copy.append(0x2C) }
            guard scanner.peek() == 0x22 else {
                throw CloudEventError(.invalidJSON, nil, "\(scanner.failure("a member name was expected"))")
            }
            let name = try scanner.reading { scanner throws(JSONError) in try scanner.stringRange() }
            let plain = scanner.withValue(name.range, name.hasEscapes) { Array($0) }
            let isPlain = plain.allSatisfy { ($0 &- 0x61) < 26 || ($0 &- 0x30) < 10 || $0 == 0x5F }
            if !isPlain {
                let fault = plain.withUnsafeBytes { AttributeRules.fault(inName: $0) }
                throw fault ?? CloudEventError(.invalidName, scanner.text(name), "the attribute name is not allowed")
            }
            try scanner.reading { scanner throws(JSONError) in try scanner.expect(0x3A, "a colon") }
            let value = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue(depth: 1) }
            copy.append(0x22)
            copy.append(contentsOf: plain)
            copy.append(0x22)
            copy.append(0x3A)
            copy.append(contentsOf: scanner.bytes[value])
        } while scanner.consume(0x2C)
        try scanner.reading { scanner throws(JSONError) in try scanner.expect(0x7D, "a comma or }") }
        copy.append(0x7D)
        return try JSONEventFormat.reading(copy) { decoder, buffer throws(CloudEventError) in try decoder.event(buffer)
        }
    }

    // MARK: Members

    /// What the members of an event were found to be; attributes are left in `standard` and `extensions`.
    private struct Members {
        var data: DataMember?
    }

    /// The `data` or `data_base64` member as it stands in the text.
    private struct DataMember {
        var range: Range<Int>
        var isBase64: Bool
    }

    /// Passes over the members of one event; `nil` when one has escapes in its name.
    private mutating func members(_ scanner: inout JSONScanner) throws(CloudEventError) -> Members? {
        for index in standard.indices { standard[index] = nil }
        extensions.removeAll(keepingCapacity: true)
        guard scanner.peek() == 0x7B else {
            guard scanner.position < scanner.bytes.count else {
                throw CloudEventError(.invalidJSON, nil, "an event was expected, but the text ends")
            }
            _ = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue() }
            throw CloudEventError(.notAnEvent, nil, "an event must be a JSON object")
        }
        scanner.position += 1
        var data: DataMember?
        if scanner.consume(0x7D) { return Members(data: nil) }
        repeat {
            guard scanner.peek() == 0x22 else {
                throw CloudEventError(.invalidJSON, nil, "\(scanner.failure("a member name was expected"))")
            }
            let name = try scanner.reading { scanner throws(JSONError) in try scanner.stringRange() }
            try scanner.reading { scanner throws(JSONError) in try scanner.expect(0x3A, "a colon") }
            if name.hasEscapes { return nil }
            let bytes = UnsafeRawBufferPointer(rebasing: scanner.bytes[name.range])
            let isBase64 = bytes.elementsEqual("data_base64")
            if isBase64 || bytes.elementsEqual("data") {
                let range = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue(depth: 1) }
                if isBase64, scanner.bytes[range.lowerBound] == 0x6E { continue }
                guard data == nil else {
                    throw CloudEventError(
                        .invalidData, bytes.text, "an event has either \"data\" or \"data_base64\", and it once")
                }
                data = DataMember(range: range, isBase64: isBase64)
            } else {
                try attribute(bytes, name.range, &scanner)
            }
        } while scanner.consume(0x2C)
        try scanner.reading { scanner throws(JSONError) in try scanner.expect(0x7D, "a comma or }") }
        return Members(data: data)
    }

    private mutating func attribute(
        _ name: UnsafeRawBufferPointer, _ nameRange: Range<Int>, _ scanner: inout JSONScanner
    ) throws(CloudEventError) {
        guard let slot = try value(of: name, nameRange, &scanner) else { return }
        if let attribute = StandardAttribute(name) {
            guard standard[attribute.rawValue] == nil else { throw Self.repeated(name) }
            guard slot.kind == .string else { throw Self.wrongType(name, slot.kind, wanted: "a string") }
            try scanner.checkingValue(slot.value, slot.hasEscapes) { value throws(CloudEventError) in
                try AttributeRules.check(attribute, value)
            }
            standard[attribute.rawValue] = Slot(
                value: slot.value, kind: attribute.kind, hasEscapes: slot.hasEscapes)
        } else {
            try AttributeRules.check(name: name)
            for other in extensions where other.name.count == name.count {
                guard !scanner.bytes[other.name].elementsEqual(name) else { throw Self.repeated(name) }
            }
            guard extensions.count + StandardAttribute.allCases.count < AttributeRules.maximumCount else {
                throw CloudEventError(
                    .tooManyAttributes, nil, "an event may have at most \(AttributeRules.maximumCount) attributes")
            }
            if slot.kind == .string || slot.kind == .integer {
                try scanner.checkingValue(slot.value, slot.hasEscapes) { value throws(CloudEventError) in
                    try AttributeRules.check(value: value, slot.kind, of: name)
                }
            }
            extensions.append(slot)
        }
    }

    /// Reads the value of an attribute; `nil` for `null`, which stands for an absent one (JSON format §2.2).
    private func value(
        of name: UnsafeRawBufferPointer, _ nameRange: Range<Int>, _ scanner: inout JSONScanner
    ) throws(CloudEventError) -> Slot? {
        guard let first = scanner.peek() else {
            throw CloudEventError(
                .invalidJSON, nil, "\(scanner.failure("a value was expected, but the text ends"))")
        }
        switch first {
        case 0x22:
            let string = try scanner.reading { scanner throws(JSONError) in try scanner.stringRange() }
            return Slot(name: nameRange, value: string.range, kind: .string, hasEscapes: string.hasEscapes)
        case 0x74, 0x66:
            let range = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue() }
            return Slot(name: nameRange, value: range, kind: .boolean, hasEscapes: false)
        case 0x6E:
            _ = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue() }
            return nil
        case 0x7B, 0x5B:
            _ = try scanner.reading { scanner throws(JSONError) in try scanner.skipValue(depth: 1) }
            throw CloudEventError(
                .wrongType, name.text,
                "the attribute \"\(name.text)\" must be a string, a boolean or an integer, not "
                    + (first == 0x7B ? "an object" : "an array"))
        default:
            let (range, isInteger) = try scanner.reading { scanner throws(JSONError) in try scanner.numberRange() }
            guard isInteger else {
                throw CloudEventError(
                    .wrongType, name.text,
                    "the attribute \"\(name.text)\" must be a string, a boolean or an integer, not a number with a "
                        + "fraction or an exponent")
            }
            return Slot(name: nameRange, value: range, kind: .integer, hasEscapes: false)
        }
    }

    private static func repeated(_ name: UnsafeRawBufferPointer) -> CloudEventError {
        CloudEventError(.duplicateAttribute, name.text, "the attribute \"\(name.text)\" stands twice")
    }

    private static func wrongType(
        _ name: UnsafeRawBufferPointer, _ kind: AttributeKind, wanted: String
    ) -> CloudEventError {
        CloudEventError(
            .wrongType, name.text,
            "the attribute \"\(name.text)\" must be \(wanted), not \(kind == .boolean ? "a boolean" : "a number")")
    }

    // MARK: Data

    /// Adds the data as the media type wants it read (JSON format §3.1.2).
    private func write(
        _ data: DataMember, of scanner: JSONScanner, into writer: inout EventRecordWriter
    ) throws(CloudEventError) {
        let first = scanner.bytes[data.range.lowerBound]
        let inside = (data.range.lowerBound + 1)..<max(data.range.upperBound - 1, data.range.lowerBound + 1)
        if data.isBase64 {
            guard first == 0x22 else {
                throw CloudEventError(
                    .invalidData, "data_base64", "the member \"data_base64\" must be a string of Base64")
            }
            let hasEscapes = scanner.bytes[inside].contains(0x5C)
            let decoded = scanner.withValue(inside, hasEscapes) { Base64.decode($0) }
            guard let decoded else {
                throw CloudEventError(
                    .invalidData, "data_base64", "the member \"data_base64\" is not Base64 of RFC 4648 with padding")
            }
            decoded.withUnsafeBytes { writer.data($0, kind: .bytes) }
            return
        }
        var isJSON = true
        if let slot = standard[StandardAttribute.datacontenttype.rawValue] {
            isJSON = scanner.withValue(slot.value, slot.hasEscapes) { MediaType.isJSON($0) }
        }
        if isJSON {
            writer.data(UnsafeRawBufferPointer(rebasing: scanner.bytes[data.range]), kind: .json)
            return
        }
        switch first {
        case 0x6E:
            return
        case 0x22:
            let hasEscapes = scanner.bytes[inside].contains(0x5C)
            scanner.withValue(inside, hasEscapes) { writer.data($0, kind: .bytes) }
        default:
            throw CloudEventError(
                .invalidData, "data",
                "the member \"data\" must be a string, because the attribute \"datacontenttype\" names no JSON type")
        }
    }
}

extension JSONScanner {
    /// Runs one step of reading and turns its error into an event's.
    @inline(__always)
    fileprivate mutating func reading<Result>(
        _ step: (inout JSONScanner) throws(JSONError) -> Result
    ) throws(CloudEventError) -> Result {
        do throws(JSONError) {
            return try step(&self)
        } catch {
            throw CloudEventError(.invalidJSON, nil, error.description)
        }
    }

    /// Hands out the text of a checked string with its escapes resolved; without a copy when it has none.
    @inline(__always)
    fileprivate func withValue<Result>(
        _ range: Range<Int>, _ hasEscapes: Bool, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        guard hasEscapes else { return body(UnsafeRawBufferPointer(rebasing: bytes[range])) }
        return unescaped(range).withUnsafeBytes(body)
    }

    @inline(__always)
    fileprivate func checkingValue(
        _ range: Range<Int>, _ hasEscapes: Bool,
        _ body: (UnsafeRawBufferPointer) throws(CloudEventError) -> Void
    ) throws(CloudEventError) {
        guard hasEscapes else { return try body(UnsafeRawBufferPointer(rebasing: bytes[range])) }
        let fault = unescaped(range).withUnsafeBytes { buffer -> CloudEventError? in
            do throws(CloudEventError) {
                try body(buffer)
                return nil
            } catch {
                return error
            }
        }
        if let fault { throw fault }
    }
}
