/// A value of the CloudEvents type system (CloudEvents 1.0.2 §3.3, "Type System").
public enum AttributeValue: Sendable, Hashable {
    case boolean(Bool)
    case integer(Int32)
    case string(String)
    case binary([UInt8])
    case uri(String)
    case uriReference(String)
    case timestamp(EventTime)

    /// The canonical string form that the HTTP binding and CESQL use: `true`, `42`, the text itself, Base64 for binary.
    public var canonicalText: String {
        switch self {
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .string(let value), .uri(let value), .uriReference(let value): value
        case .binary(let value): Base64.encode(value)
        case .timestamp(let value): value.text
        }
    }
}
