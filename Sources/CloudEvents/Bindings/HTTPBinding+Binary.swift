/// Binary content mode (HTTP binding §3.1).
extension HTTPBinding {
    /// - Parameter attributes: the `ce-` headers, names in lower case without the prefix.
    static func decodeBinary(
        _ attributes: [(name: String, value: String)], contentType: String?, body: [UInt8]
    ) throws(CloudEventError) -> EventRecord {
        guard !attributes.isEmpty else {
            throw CloudEventError(
                .notAnEvent, nil,
                "the message is no CloudEvent: it has no ce- headers, and its content-type is neither "
                    + "\(JSONEventFormat.mediaType) nor \(JSONEventFormat.batchMediaType)")
        }
        var standard: [[UInt8]?] = Array(repeating: nil, count: StandardAttribute.allCases.count)
        var extensions: [(name: [UInt8], value: [UInt8])] = []
        for (name, value) in attributes {
            try take(name, value, &standard, &extensions)
        }
        let type = contentType.map { Array($0.utf8.drop { $0 == 0x20 || $0 == 0x09 }) }
        if let type, !type.isEmpty {
            try check(.datacontenttype, type)
            standard[StandardAttribute.datacontenttype.rawValue] = type
        }
        for attribute in StandardAttribute.allCases where attribute.isRequired && standard[attribute.rawValue] == nil {
            throw CloudEventError(
                .missingAttribute, "\(attribute.name)",
                "the required attribute \"\(attribute.name)\" is missing: send it in the header ce-\(attribute.name)")
        }
        var writer = EventRecordWriter(capacity: body.count + 512)
        for attribute in StandardAttribute.allCases where attribute != .specversion {
            standard[attribute.rawValue]?.withUnsafeBytes { writer.attribute(attribute.name, $0, attribute.kind) }
        }
        for (name, value) in extensions {
            name.withUnsafeBytes { name in value.withUnsafeBytes { writer.attribute(name: name, $0, .string) } }
        }
        if !body.isEmpty {
            let isJSON = type?.withUnsafeBytes { MediaType.isJSON($0) } ?? false
            if isJSON, let fault = body.withUnsafeBytes({ JSONScanner.fault(in: $0) }) {
                throw CloudEventError(.invalidData, "data", "the data is \(fault)")
            }
            body.withUnsafeBytes { writer.data($0, kind: isJSON ? .json : .bytes) }
        }
        return writer.finish()
    }

    private static func take(
        _ name: String, _ value: String, _ standard: inout [[UInt8]?],
        _ extensions: inout [(name: [UInt8], value: [UInt8])]
    ) throws(CloudEventError) {
        let nameBytes = Array(name.utf8)
        let bytes: [UInt8]
        do throws(HTTPHeaderValue.Fault) {
            bytes = try HTTPHeaderValue.decode(value)
        } catch {
            throw CloudEventError(.invalidValue, name, "the header ce-\(name) \(error.reason)")
        }
        if let attribute = nameBytes.withUnsafeBytes({ StandardAttribute($0) }) {
            guard attribute != .datacontenttype else {
                throw CloudEventError(
                    .invalidName, name,
                    "the header ce-datacontenttype must not be sent: the media type of the data is "
                        + "the header content-type")
            }
            guard standard[attribute.rawValue] == nil else { throw repeated(name) }
            try check(attribute, bytes)
            standard[attribute.rawValue] = bytes
            return
        }
        if let fault = nameBytes.withUnsafeBytes({ AttributeRules.fault(inName: $0) }) { throw fault }
        guard !extensions.contains(where: { $0.name == nameBytes }) else { throw repeated(name) }
        guard extensions.count + StandardAttribute.allCases.count < AttributeRules.maximumCount else {
            throw CloudEventError(
                .tooManyAttributes, nil, "an event may have at most \(AttributeRules.maximumCount) attributes")
        }
        let fault = nameBytes.withUnsafeBytes { name in
            bytes.withUnsafeBytes { AttributeRules.fault(inValue: $0, .string, of: name) }
        }
        if let fault { throw fault }
        extensions.append((nameBytes, bytes))
    }

    private static func repeated(_ name: String) -> CloudEventError {
        CloudEventError(.duplicateAttribute, name, "the header ce-\(name) stands twice")
    }

    private static func check(_ attribute: StandardAttribute, _ value: [UInt8]) throws(CloudEventError) {
        let fault = value.withUnsafeBytes { AttributeRules.fault(in: attribute, $0) }
        if let fault { throw fault }
    }

    static func encodeBinary(_ view: EventView) -> Message {
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(view.attributeCount + 2)
        headers.append((name: "ce-specversion", value: "1.0"))
        var contentType: String?
        view.forEachAttribute { name, kind, value in
            if name.elementsEqual("datacontenttype") {
                contentType = Self.contentType(value)
                return
            }
            let text: String
            if kind == .binary {
                var base64 = Base64.encode(value)
                text = base64.withUTF8 { HTTPHeaderValue.encode(UnsafeRawBufferPointer($0)) }
            } else {
                text = HTTPHeaderValue.encode(value)
            }
            headers.append((name: "ce-" + HTTPHeaderValue.encode(name), value: text))
        }
        // JSON without a type is JSON by the JSON format's own rule; HTTP has no such rule, so it is said (§3.1.2 there).
        if contentType == nil, view.dataKind == .json { contentType = "application/json" }
        if let contentType { headers.append((name: "content-type", value: contentType)) }
        return Message(headers: headers, body: Array(view.data))
    }

    /// The media type goes out as it is; only what no header may hold is encoded.
    private static func contentType(_ value: UnsafeRawBufferPointer) -> String {
        if value.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return value.text }
        return HTTPHeaderValue.encode(value)
    }
}
