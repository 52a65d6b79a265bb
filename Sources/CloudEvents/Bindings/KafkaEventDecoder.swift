/// Reads events from Kafka records, one after the other: ``take(_:_:)`` each header, then ``finish(value:into:)``.
///
/// Names and values are not copied: they must stay where they are until the event has ended. What is kept between events
/// is room, so that an event costs no allocation beyond the bytes it is written to.
package struct KafkaEventDecoder {
    private struct Slot {
        let name: UnsafeRawBufferPointer
        let value: UnsafeRawBufferPointer
    }

    private var standard: [UnsafeRawBufferPointer?]
    private var extensions: [Slot] = []
    private var contentType: UnsafeRawBufferPointer?
    private var types: UnsafeRawBufferPointer?
    private var fault: CloudEventError?

    package init() { standard = Array(repeating: nil, count: StandardAttribute.allCases.count) }

    /// Takes a header; those that are not of CloudEvents are passed over. A null value is an absent one.
    package mutating func take(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) {
        guard let value, fault == nil, let base = name.baseAddress else { return }
        guard name.count > 3, name[0] == 0x63, name[1] == 0x65, name[2] == 0x5F else {
            if isContentType(name) {
                if contentType != nil { fault = Self.repeated("content-type") }
                contentType = value
            } else if name.elementsEqual(KafkaBinding.typesHeader) {
                types = value
            }
            return
        }
        let attribute = UnsafeRawBufferPointer(start: base + 3, count: name.count - 3)
        if let known = StandardAttribute(attribute) {
            guard known != .datacontenttype else { return takeContentType(value) }
            if standard[known.rawValue] != nil { fault = Self.repeated(attribute.text) }
            standard[known.rawValue] = value
            return
        }
        guard extensions.count < AttributeRules.maximumCount else {
            fault = CloudEventError(
                .tooManyAttributes, nil, "an event may have at most \(AttributeRules.maximumCount) attributes")
            return
        }
        extensions.append(Slot(name: attribute, value: value))
    }

    /// Some writers send the media type as an attribute too; it is the header that counts (§3.2.1).
    private mutating func takeContentType(_ value: UnsafeRawBufferPointer) {
        if standard[StandardAttribute.datacontenttype.rawValue] == nil {
            standard[StandardAttribute.datacontenttype.rawValue] = value
        }
    }

    private func isContentType(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.count == 12 else { return false }
        return zip(name, "content-type".utf8).allSatisfy { ((0x41...0x5A).contains($0) ? $0 | 0x20 : $0) == $1 }
    }

    /// Ends the event and appends its record; the decoder is ready for the next, also after an error.
    package mutating func finish(
        value: UnsafeRawBufferPointer?, into out: inout [UInt8]
    ) throws(CloudEventError) {
        defer { reset() }
        if let fault { throw fault }
        try AttributeRules.check(size: value?.count ?? 0)
        if let contentType, Self.isCloudEvents(contentType) {
            return try structured(contentType, value, &out)
        }
        guard standard.contains(where: { $0 != nil }) else {
            throw CloudEventError(
                .notAnEvent, nil,
                "the record is no CloudEvent: it has no ce_ headers, and its content-type is not "
                    + JSONEventFormat.mediaType)
        }
        if let contentType { standard[StandardAttribute.datacontenttype.rawValue] = contentType }
        try check()
        write(value, &out)
    }

    private mutating func reset() {
        for index in standard.indices { standard[index] = nil }
        extensions.removeAll(keepingCapacity: true)
        contentType = nil
        types = nil
        fault = nil
    }

    // MARK: Structured mode

    private func structured(
        _ contentType: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?, _ out: inout [UInt8]
    ) throws(CloudEventError) {
        guard try HTTPBinding.contentMode(ofContentType: contentType.text) == .structured else {
            throw CloudEventError(
                .unsupportedFormat, nil, "a record holds one event, not a batch (Kafka binding §1.3)")
        }
        guard let value else {
            throw CloudEventError(
                .notAnEvent, nil, "the record has no value although its content-type announces an event")
        }
        out.append(contentsOf: try JSONEventFormat.decode(Array(value)).bytes)
    }

    /// §3: whatever begins with `application/cloudevents` is an event format, known or not.
    private static func isCloudEvents(_ contentType: UnsafeRawBufferPointer) -> Bool {
        let prefix: StaticString = "application/cloudevents"
        guard contentType.count >= prefix.utf8CodeUnitCount else { return false }
        return zip(contentType, UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
            .allSatisfy { ((0x41...0x5A).contains($0) ? $0 | 0x20 : $0) == $1 }
    }

    // MARK: Binary mode

    private func check() throws(CloudEventError) {
        for attribute in StandardAttribute.allCases {
            guard let value = standard[attribute.rawValue] else {
                guard attribute.isRequired else { continue }
                throw CloudEventError(
                    .missingAttribute, "\(attribute.name)",
                    "the required attribute \"\(attribute.name)\" is missing: send it in the header ce_\(attribute.name)"
                )
            }
            try AttributeRules.check(attribute, value)
        }
        for (index, slot) in extensions.enumerated() {
            try AttributeRules.check(name: slot.name)
            for other in extensions[..<index]
            where other.name.count == slot.name.count && other.name.elementsEqual(slot.name) {
                throw Self.repeated(slot.name.text)
            }
            try AttributeRules.check(value: slot.value, .string, of: slot.name)
        }
    }

    private func write(_ value: UnsafeRawBufferPointer?, _ out: inout [UInt8]) {
        var writer = EventRecordWriter(taking: &out)
        for attribute in StandardAttribute.allCases where attribute != .specversion {
            guard let value = standard[attribute.rawValue] else { continue }
            writer.attribute(attribute.name, value, attribute.kind)
        }
        for slot in extensions {
            guard let kind = types.flatMap({ Self.kind(of: slot.name, in: $0) }), kind != .string else {
                writer.attribute(name: slot.name, slot.value, .string)
                continue
            }
            // What does not hold what it is said to be is text, as it would be for everybody else.
            if kind == .binary, let binary = Base64.decode(slot.value) {
                binary.withUnsafeBytes { writer.attribute(name: slot.name, $0, .binary) }
            } else {
                let fits = kind != .binary && AttributeRules.fault(inValue: slot.value, kind, of: slot.name) == nil
                writer.attribute(name: slot.name, slot.value, fits ? kind : .string)
            }
        }
        if let value { writer.data(value, kind: dataKind(value)) }
        out = writer.finishBytes()
    }

    /// Data of a JSON media type that is not JSON stays what it is: bytes. A record is there; to refuse it would lose it.
    private func dataKind(_ value: UnsafeRawBufferPointer) -> DataKind {
        let type = standard[StandardAttribute.datacontenttype.rawValue]
        var isJSON = type.map { MediaType.isJSON($0) } ?? false
        switch types.flatMap({ Self.word(of: "data", in: $0) }) {
        case let word? where word.elementsEqual("json") && type == nil: isJSON = true
        case let word? where word.elementsEqual("bytes"): isJSON = false
        default: break
        }
        return isJSON && JSONScanner.fault(in: value, depth: 1) == nil ? .json : .bytes
    }

    private static func kind(of name: UnsafeRawBufferPointer, in types: UnsafeRawBufferPointer) -> AttributeKind? {
        word(of: name, in: types).flatMap { AttributeKind(word: $0) }
    }

    private static func word(of name: StaticString, in types: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        word(of: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), in: types)
    }

    /// What stands behind `name=`.
    private static func word(
        of name: UnsafeRawBufferPointer, in types: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        var start = 0
        while start < types.count {
            let end = types[start...].firstIndex(of: 0x20) ?? types.count
            if end - start > name.count, types[start + name.count] == 0x3D,
                types[start..<(start + name.count)].elementsEqual(name)
            {
                return UnsafeRawBufferPointer(rebasing: types[(start + name.count + 1)..<end])
            }
            start = end + 1
        }
        return nil
    }

    private static func repeated(_ name: String) -> CloudEventError {
        CloudEventError(.duplicateAttribute, name, "the header of \"\(name)\" stands twice")
    }
}
