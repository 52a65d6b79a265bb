/// Reads one event from `ce-` headers and body: the binary content mode (HTTP binding §3.1).
///
/// Names and values are decoded into one run of bytes, so that an event costs a few allocations, not two a header.
struct HTTPBinaryDecoder: ~Copyable {
    private struct Slot {
        let name: Range<Int>
        let value: Range<Int>
    }

    private var bytes: [UInt8] = []
    private var standard: [Slot?]
    private var extensions: [Slot] = []

    init() {
        standard = Array(repeating: nil, count: StandardAttribute.allCases.count)
        bytes.reserveCapacity(1_024)
    }

    /// Takes a header whose name begins with `ce-` in any case.
    mutating func take(_ header: String, _ value: String) throws(CloudEventError) {
        let slot = try decode(header, value)
        let fault = bytes.withUnsafeBytes { bytes -> CloudEventError? in
            let name = UnsafeRawBufferPointer(rebasing: bytes[slot.name])
            let value = UnsafeRawBufferPointer(rebasing: bytes[slot.value])
            if let attribute = StandardAttribute(name) {
                guard attribute != .datacontenttype else {
                    return CloudEventError(
                        .invalidName, name.text,
                        "the header ce-datacontenttype must not be sent: the media type of the data is the header "
                            + "content-type")
                }
                guard standard[attribute.rawValue] == nil else { return Self.repeated(name) }
                return AttributeRules.fault(in: attribute, value)
            }
            if let fault = AttributeRules.fault(inName: name) { return fault }
            for other in extensions where other.name.count == name.count {
                if bytes[other.name].elementsEqual(name) { return Self.repeated(name) }
            }
            return AttributeRules.fault(inValue: value, .string, of: name)
        }
        if let fault { throw fault }
        if let attribute = bytes.withUnsafeBytes({ StandardAttribute(UnsafeRawBufferPointer(rebasing: $0[slot.name])) })
        {
            standard[attribute.rawValue] = slot
            return
        }
        guard extensions.count + StandardAttribute.allCases.count < AttributeRules.maximumCount else {
            throw CloudEventError(
                .tooManyAttributes, nil, "an event may have at most \(AttributeRules.maximumCount) attributes")
        }
        extensions.append(slot)
    }

    /// Appends the name in lower case without its prefix, and the value decoded.
    private mutating func decode(_ header: String, _ value: String) throws(CloudEventError) -> Slot {
        let nameStart = bytes.count
        for byte in header.utf8.dropFirst(3) { bytes.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) }
        let valueStart = bytes.count
        var value = value
        let fault = value.withUTF8 { buffer -> HTTPHeaderValue.Fault? in
            do throws(HTTPHeaderValue.Fault) {
                try HTTPHeaderValue.decode(UnsafeRawBufferPointer(buffer), into: &bytes)
                return nil
            } catch {
                return error
            }
        }
        if let fault {
            let name = String(decoding: bytes[nameStart..<valueStart], as: UTF8.self)
            throw CloudEventError(.invalidValue, name, "the header ce-\(name) \(fault.reason)")
        }
        return Slot(name: nameStart..<valueStart, value: valueStart..<bytes.count)
    }

    /// Makes the record of the headers taken so far.
    consuming func finish(contentType: String?, body: [UInt8]) throws(CloudEventError) -> EventRecord {
        guard !bytes.isEmpty else {
            throw CloudEventError(
                .notAnEvent, nil,
                "the message is no CloudEvent: it has no ce- headers, and its content-type is neither "
                    + "\(JSONEventFormat.mediaType) nor \(JSONEventFormat.batchMediaType)")
        }
        try AttributeRules.check(size: body.count)
        let isJSON = try takeContentType(contentType)
        for attribute in StandardAttribute.allCases where attribute.isRequired && standard[attribute.rawValue] == nil {
            throw CloudEventError(
                .missingAttribute, "\(attribute.name)",
                "the required attribute \"\(attribute.name)\" is missing: send it in the header ce-\(attribute.name)")
        }
        if isJSON, !body.isEmpty, let fault = body.withUnsafeBytes({ JSONScanner.fault(in: $0, depth: 1) }) {
            throw CloudEventError(.invalidData, "data", "the data is \(fault)")
        }
        var writer = EventRecordWriter(capacity: 12 + bytes.count + 8 * (8 + extensions.count) + 64 + body.count)
        bytes.withUnsafeBytes { bytes in
            for attribute in StandardAttribute.allCases where attribute != .specversion {
                guard let slot = standard[attribute.rawValue] else { continue }
                writer.attribute(
                    attribute.name, UnsafeRawBufferPointer(rebasing: bytes[slot.value]), attribute.kind)
            }
            for slot in extensions {
                writer.attribute(
                    name: UnsafeRawBufferPointer(rebasing: bytes[slot.name]),
                    UnsafeRawBufferPointer(rebasing: bytes[slot.value]), .string)
            }
        }
        if !body.isEmpty { body.withUnsafeBytes { writer.data($0, kind: isJSON ? .json : .bytes) } }
        return writer.finish()
    }

    /// The media type is the attribute `datacontenttype` (§3.1.1), as it is written; returns whether it says JSON.
    private mutating func takeContentType(_ contentType: String?) throws(CloudEventError) -> Bool {
        guard let contentType else { return false }
        let start = bytes.count
        bytes.append(contentsOf: contentType.utf8.drop { $0 == 0x20 || $0 == 0x09 })
        guard bytes.count > start else { return false }
        let (fault, isJSON) = bytes.withUnsafeBytes { bytes in
            let value = UnsafeRawBufferPointer(rebasing: bytes[start...])
            return (AttributeRules.fault(in: .datacontenttype, value), MediaType.isJSON(value))
        }
        if let fault { throw fault }
        standard[StandardAttribute.datacontenttype.rawValue] = Slot(name: start..<start, value: start..<bytes.count)
        return isJSON
    }

    private static func repeated(_ name: UnsafeRawBufferPointer) -> CloudEventError {
        CloudEventError(.duplicateAttribute, name.text, "the header ce-\(name.text) stands twice")
    }
}
