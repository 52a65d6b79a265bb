/// The context attributes that the specification itself names (CloudEvents 1.0.2 §"Context Attributes").
///
/// The order of the cases is the order in which a record stores them; `specversion` is not stored.
package enum StandardAttribute: Int, CaseIterable {
    case type, source, subject, id, time, datacontenttype, dataschema, specversion

    package var name: StaticString {
        switch self {
        case .type: "type"
        case .source: "source"
        case .subject: "subject"
        case .id: "id"
        case .time: "time"
        case .datacontenttype: "datacontenttype"
        case .dataschema: "dataschema"
        case .specversion: "specversion"
        }
    }

    package var kind: AttributeKind {
        switch self {
        case .source: .uriReference
        case .dataschema: .uri
        case .time: .timestamp
        default: .string
        }
    }

    package var isRequired: Bool { self == .type || self == .source || self == .id || self == .specversion }

    /// The attribute of this name, `nil` for an extension's.
    package init?(_ name: UnsafeRawBufferPointer) {
        let candidate: StandardAttribute
        switch name.count {
        case 2: candidate = .id
        case 4: candidate = name[1] == 0x79 ? .type : .time
        case 6: candidate = .source
        case 7: candidate = .subject
        case 10: candidate = .dataschema
        case 11: candidate = .specversion
        case 15: candidate = .datacontenttype
        default: return nil
        }
        guard name.elementsEqual(candidate.name) else { return nil }
        self = candidate
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these are the bytes of `text`.
    @inline(__always)
    package func elementsEqual(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return isEmpty && text.utf8CodeUnitCount == 0 }
        return equalBytes(baseAddress, UnsafeRawPointer(text.utf8Start), count)
    }

    package var text: String { String(decoding: self, as: UTF8.self) }
}
