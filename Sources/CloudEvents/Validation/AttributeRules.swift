/// The rules for names and values of context attributes (CloudEvents 1.0.2 §"Context Attributes"), on bytes.
package enum AttributeRules {
    /// How many attributes one event may have. The specification sets no bound; a record counts in 16 bits, and looking
    /// for a name that stands twice must stay cheap for hostile input.
    package static var maximumCount: Int { 1_000 }
    /// How long a name may be, in bytes. The specification recommends 20; a record has 8 bits for it.
    package static var maximumNameLength: Int { 255 }

    /// How many bytes one event, or a batch, may have: a record has 32 bits for a length.
    package static var maximumSize: Int { 1 << 31 }

    /// Checks the number of bytes of an event before it is read.
    package static func check(size: Int) throws(CloudEventError) {
        guard size <= maximumSize else {
            throw CloudEventError(.invalidData, nil, "an event may have at most \(maximumSize) bytes, not \(size)")
        }
    }

    /// Checks the name of an extension attribute.
    package static func check(name: UnsafeRawBufferPointer) throws(CloudEventError) {
        guard !name.isEmpty else {
            throw CloudEventError(.invalidName, "", "an attribute name must not be empty")
        }
        for byte in name where !((byte &- 0x61) < 26 || (byte &- 0x30) < 10) {
            throw CloudEventError(
                .invalidName, name.text,
                "the attribute name \"\(name.text)\" may hold only the letters a to z in lower case and digits")
        }
        guard name.count <= maximumNameLength else {
            let text = String(name.text.prefix(20)) + "…"
            throw CloudEventError(
                .invalidName, name.text, "the attribute name \"\(text)\" is longer than \(maximumNameLength) letters")
        }
        if name.elementsEqual("data") {
            throw CloudEventError(.invalidName, "data", "an attribute must not be named \"data\"")
        }
    }

    /// Checks the value of an attribute that the specification names.
    package static func check(
        _ attribute: StandardAttribute, _ value: UnsafeRawBufferPointer
    ) throws(CloudEventError) {
        guard !value.isEmpty else {
            throw CloudEventError(
                .emptyAttribute, "\(attribute.name)", "the attribute \"\(attribute.name)\" must not be empty")
        }
        switch attribute {
        case .specversion:
            guard value.elementsEqual("1.0") else {
                throw CloudEventError(
                    .unsupportedVersion, "specversion",
                    "the attribute \"specversion\" must be \"1.0\", not \"\(AttributeRules.quotable(value))\"")
            }
        case .datacontenttype:
            try checkValue(of: attribute.name, .string, value)
            if value.elementsEqual("application/json") { return }
            guard MediaType(value) != nil else {
                throw CloudEventError(
                    .invalidValue, "datacontenttype",
                    "the attribute \"datacontenttype\" must be a media type such as application/json, not "
                        + "\"\(AttributeRules.quotable(value))\"")
            }
        default:
            try checkValue(of: attribute.name, attribute.kind, value)
        }
    }

    private static func checkValue(
        of name: StaticString, _ kind: AttributeKind, _ value: UnsafeRawBufferPointer
    ) throws(CloudEventError) {
        let bytes = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        try check(value: value, kind, of: bytes)
    }

    /// Checks a value, given as its canonical text (binary: its bytes), against its type.
    package static func check(
        value: UnsafeRawBufferPointer, _ kind: AttributeKind, of name: UnsafeRawBufferPointer
    ) throws(CloudEventError) {
        if kind == .binary { return }
        switch AttributeText.check(value) {
        case .allowed: break
        case .notUTF8:
            throw CloudEventError(.invalidValue, name.text, "the attribute \"\(name.text)\" is not UTF-8")
        case .forbidden(let scalar):
            let digits = String(scalar, radix: 16, uppercase: true)
            let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            throw CloudEventError(
                .invalidValue, name.text,
                "the attribute \"\(name.text)\" holds the character \(code), which attributes must not hold")
        }
        let wanted: String
        var fault: String?
        switch kind {
        case .string, .binary: return
        case .boolean:
            if value.elementsEqual("true") || value.elementsEqual("false") { return }
            wanted = "true or false"
        case .integer:
            if let number = Int32(value.text), String(number) == value.text { return }
            wanted = "an integer from -2147483648 to 2147483647"
        case .uri:
            fault = URISyntax.fault(inURI: value)
            if fault == nil, !value.isEmpty { return }
            wanted = "a URI"
        case .uriReference:
            fault = URISyntax.fault(inReference: value)
            if fault == nil, !value.isEmpty { return }
            wanted = "a URI reference"
        case .timestamp:
            if EventTime.parse(value.assumingMemoryBound(to: UInt8.self)) != nil { return }
            wanted = "an RFC 3339 time of the years 1678 to 2261 such as 2026-07-23T12:00:00Z"
        }
        throw CloudEventError(
            .invalidValue, name.text,
            "the attribute \"\(name.text)\" must be \(wanted), not \"\(quotable(value))\""
                + (fault.map { ": it \($0)" } ?? ""))
    }

    // MARK: For closures that cannot throw a typed error

    /// The fault of a name; `nil` when it is allowed.
    package static func fault(inName name: UnsafeRawBufferPointer) -> CloudEventError? {
        fault { () throws(CloudEventError) in try check(name: name) }
    }

    /// The fault of a standard attribute's value; `nil` when it is allowed.
    package static func fault(in attribute: StandardAttribute, _ value: UnsafeRawBufferPointer) -> CloudEventError? {
        fault { () throws(CloudEventError) in try check(attribute, value) }
    }

    /// The fault of a value of a type; `nil` when it is allowed.
    package static func fault(
        inValue value: UnsafeRawBufferPointer, _ kind: AttributeKind, of name: UnsafeRawBufferPointer
    ) -> CloudEventError? {
        fault { () throws(CloudEventError) in try check(value: value, kind, of: name) }
    }

    private static func fault(_ check: () throws(CloudEventError) -> Void) -> CloudEventError? {
        do throws(CloudEventError) {
            try check()
            return nil
        } catch {
            return error
        }
    }

    /// Text of a refused value, short enough for a message.
    package static func quotable(_ value: UnsafeRawBufferPointer) -> String {
        let text = value.text
        return text.count <= 60 ? text : String(text.prefix(60)) + "…"
    }
}
