extension CloudEvent {
    /// Checks the attribute rules of CloudEvents 1.0.2, and that JSON data is JSON.
    ///
    /// - Throws: ``CloudEventError`` naming the first attribute at fault.
    public func validate() throws(CloudEventError) {
        try Self.check(.type, type)
        try Self.check(.source, source)
        if let subject { try Self.check(.subject, subject) }
        try Self.check(.id, id)
        if let datacontenttype { try Self.check(.datacontenttype, datacontenttype) }
        if let dataschema { try Self.check(.dataschema, dataschema) }
        try validateExtensions()
        if case .json(let bytes) = data {
            let fault = bytes.withUnsafeBytes { JSONScanner.fault(in: $0, depth: 1) }
            if let fault {
                throw CloudEventError(.invalidData, "data", "the data is \(fault)")
            }
        }
    }

    private func validateExtensions() throws(CloudEventError) {
        guard extensions.count + StandardAttribute.allCases.count <= AttributeRules.maximumCount else {
            throw CloudEventError(
                .tooManyAttributes, nil, "an event may have at most \(AttributeRules.maximumCount) attributes")
        }
        var seen: Set<String> = []
        for one in extensions {
            try Self.bytes(of: one.name) { name throws(CloudEventError) in
                try AttributeRules.check(name: name)
                if StandardAttribute(name) != nil {
                    throw CloudEventError(
                        .invalidName, one.name, "the attribute \"\(one.name)\" cannot be set as an extension")
                }
                guard case .binary = one.value else {
                    try Self.bytes(of: one.value.canonicalText) { value throws(CloudEventError) in
                        try AttributeRules.check(value: value, one.value.kind, of: name)
                    }
                    return
                }
            }
            guard seen.insert(one.name).inserted else {
                throw CloudEventError(.duplicateAttribute, one.name, "the attribute \"\(one.name)\" stands twice")
            }
        }
    }

    private static func check(_ attribute: StandardAttribute, _ value: String) throws(CloudEventError) {
        try bytes(of: value) { value throws(CloudEventError) in try AttributeRules.check(attribute, value) }
    }

    private static func bytes(
        of text: String, _ body: (UnsafeRawBufferPointer) throws(CloudEventError) -> Void
    ) throws(CloudEventError) {
        var text = text
        var fault: CloudEventError?
        text.withUTF8 { buffer in
            do throws(CloudEventError) { try body(UnsafeRawBufferPointer(buffer)) } catch { fault = error }
        }
        if let fault { throw fault }
    }
}

extension EventRecord {
    /// Encodes an event after checking it.
    public init(validating event: CloudEvent) throws(CloudEventError) {
        try event.validate()
        self.init(event)
    }
}

extension AttributeValue {
    /// The type under which the value is stored.
    package var kind: AttributeKind {
        switch self {
        case .boolean: .boolean
        case .integer: .integer
        case .string: .string
        case .binary: .binary
        case .uri: .uri
        case .uriReference: .uriReference
        case .timestamp: .timestamp
        }
    }
}

extension JSONScanner {
    /// What keeps these bytes from being one JSON text; `nil` when they are one.
    ///
    /// - Parameter depth: how deep the text will stand in another: 1 for data, which stands in an event.
    package static func fault(in bytes: UnsafeRawBufferPointer, depth: Int = 0) -> JSONError? {
        var scanner = JSONScanner(bytes)
        do throws(JSONError) {
            _ = try scanner.skipValue(depth: depth)
            try scanner.expectEnd()
            return nil
        } catch {
            return error
        }
    }
}
