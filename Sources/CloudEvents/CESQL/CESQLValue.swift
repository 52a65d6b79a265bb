/// A value of CESQL (1.0 §3.1).
public enum CESQLValue: Sendable, Hashable {
    case boolean(Bool)
    case integer(Int32)
    case string(String)

    /// The three types.
    package enum Kind: Sendable { case boolean, integer, string }

    package var kind: Kind {
        switch self {
        case .boolean: .boolean
        case .integer: .integer
        case .string: .string
        }
    }

    /// Strings are equal when their characters are the same one by one: no Unicode normalisation, as with the filters
    /// that compare bytes.
    public static func == (left: CESQLValue, right: CESQLValue) -> Bool {
        switch (left, right) {
        case (.boolean(let a), .boolean(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .boolean(let value): hasher.combine(value)
        case .integer(let value): hasher.combine(value)
        case .string(let value): for byte in value.utf8 { hasher.combine(byte) }
        }
    }
}

extension CESQLValue.Kind {
    /// The value that stands for "none" of the type (§3.1).
    package var zero: CESQLValue {
        switch self {
        case .boolean: .boolean(false)
        case .integer: .integer(0)
        case .string: .string("")
        }
    }

    fileprivate var word: String {
        switch self {
        case .boolean: "a boolean"
        case .integer: "an integer"
        case .string: "a string"
        }
    }
}

/// Casts between the types (CESQL 1.0 §3.7): a cast that fails gives the type's zero value and an error.
package enum CESQLCast {
    package static func cast(
        _ value: CESQLValue, to kind: CESQLValue.Kind, errors: inout [CESQLError]
    ) -> CESQLValue {
        switch (value, kind) {
        case (.boolean, .boolean), (.integer, .integer), (.string, .string): return value
        case (.boolean(let value), .integer): return .integer(value ? 1 : 0)
        case (.boolean(let value), .string): return .string(value ? "true" : "false")
        case (.integer(let value), .string): return .string(String(value))
        case (.integer(let value), .boolean): return .boolean(value != 0)
        case (.string(let text), .integer):
            if let number = Int32(text) { return .integer(number) }
        case (.string(let text), .boolean):
            if let truth = boolean(text) { return .boolean(truth) }
        }
        errors.append(CESQLError(.cast, "\(quoted(value)) cannot be cast to \(kind.word)"))
        return kind.zero
    }

    package static func string(_ value: CESQLValue) -> String {
        switch value {
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .string(let value): value
        }
    }

    package static func integer(_ value: CESQLValue, errors: inout [CESQLError]) -> Int32 {
        if case .integer(let number) = cast(value, to: .integer, errors: &errors) { number } else { 0 }
    }

    package static func boolean(_ value: CESQLValue, errors: inout [CESQLError]) -> Bool {
        if case .boolean(let truth) = cast(value, to: .boolean, errors: &errors) { truth } else { false }
    }

    package static func boolean(_ text: String) -> Bool? {
        let lower = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if lower.elementsEqual("true".utf8) { return true }
        if lower.elementsEqual("false".utf8) { return false }
        return nil
    }

    private static func quoted(_ value: CESQLValue) -> String {
        if case .string(let text) = value { return "'\(text.count <= 60 ? text : String(text.prefix(60)) + "…")'" }
        return string(value)
    }
}
