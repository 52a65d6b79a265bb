/// The built-in functions (CESQL 1.0 §3.5). Characters are Unicode scalars.
package enum CESQLFunction: Sendable {
    case length, concat, concatWithSeparator, lower, upper, trim, left, right, substring, abs
    case int, bool, string, isInt, isBool

    /// The function of that name that takes so many arguments; `nil` when there is none.
    package init?(name: String, arity: Int) {
        switch (name, arity) {
        case ("LENGTH", 1): self = .length
        case ("CONCAT", _): self = .concat
        case ("CONCAT_WS", 1...): self = .concatWithSeparator
        case ("LOWER", 1): self = .lower
        case ("UPPER", 1): self = .upper
        case ("TRIM", 1): self = .trim
        case ("LEFT", 2): self = .left
        case ("RIGHT", 2): self = .right
        case ("SUBSTRING", 2...3): self = .substring
        case ("ABS", 1): self = .abs
        case ("INT", 1): self = .int
        case ("BOOL", 1): self = .bool
        case ("STRING", 1): self = .string
        case ("IS_INT", 1): self = .isInt
        case ("IS_BOOL", 1): self = .isBool
        default: return nil
        }
    }

    /// The type of its result, whose zero value stands in when an argument cannot be evaluated.
    package var returns: CESQLValue.Kind {
        switch self {
        case .length, .abs, .int: .integer
        case .bool, .isInt, .isBool: .boolean
        default: .string
        }
    }

    /// Calls the function with as many arguments as its arity says.
    package func call(_ arguments: [CESQLValue], errors: inout [CESQLError]) -> CESQLValue {
        guard let first = arguments.first else { return returns.zero }
        switch self {
        case .length: return .integer(Int32(clamping: CESQLCast.string(first).unicodeScalars.count))
        case .concat: return .string(arguments.map(CESQLCast.string).joined())
        case .concatWithSeparator:
            return .string(arguments.dropFirst().map(CESQLCast.string).joined(separator: CESQLCast.string(first)))
        case .lower: return .string(CESQLCast.string(first).lowercased())
        case .upper: return .string(CESQLCast.string(first).uppercased())
        case .trim: return .string(Self.trimmed(CESQLCast.string(first)))
        case .left, .right:
            let count = CESQLCast.integer(arguments[1], errors: &errors)
            return .string(end(of: CESQLCast.string(first), count, errors: &errors))
        case .substring: return .string(Self.substring(arguments, errors: &errors))
        case .abs: return .integer(Self.absolute(CESQLCast.integer(first, errors: &errors), errors: &errors))
        case .int: return CESQLCast.cast(first, to: .integer, errors: &errors)
        case .bool: return CESQLCast.cast(first, to: .boolean, errors: &errors)
        case .string: return .string(CESQLCast.string(first))
        case .isInt:
            if case .string(let text) = first { return .boolean(Int32(text) != nil) }
            return .boolean(first.kind == .integer)
        case .isBool:
            if case .string(let text) = first { return .boolean(CESQLCast.boolean(text) != nil) }
            return .boolean(first.kind == .boolean)
        }
    }

    private static func absolute(_ value: Int32, errors: inout [CESQLError]) -> Int32 {
        guard value != .min else {
            errors.append(CESQLError(.math, "the absolute value of -2147483648 is greater than 2147483647"))
            return .max
        }
        return Swift.abs(value)
    }

    /// White space as Unicode defines it (§3.5.1), nothing else.
    private static func trimmed(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }

    private func end(of text: String, _ count: Int32, errors: inout [CESQLError]) -> String {
        guard count >= 0 else {
            let name = self == .left ? "LEFT" : "RIGHT"
            errors.append(CESQLError(.functionEvaluation, "\(name) cannot take \(count) characters"))
            return text
        }
        let scalars = text.unicodeScalars
        return self == .left ? String(scalars.prefix(Int(count))) : String(scalars.suffix(Int(count)))
    }

    private static func substring(_ arguments: [CESQLValue], errors: inout [CESQLError]) -> String {
        let scalars = Array(CESQLCast.string(arguments[0]).unicodeScalars)
        let position = Int(CESQLCast.integer(arguments[1], errors: &errors))
        let wanted = arguments.count == 3 ? Int(CESQLCast.integer(arguments[2], errors: &errors)) : nil
        guard position <= scalars.count, position >= -scalars.count else {
            errors.append(
                CESQLError(
                    .functionEvaluation, "SUBSTRING cannot begin at \(position) in \(scalars.count) characters"))
            return ""
        }
        if let wanted, wanted < 0 {
            errors.append(CESQLError(.functionEvaluation, "SUBSTRING cannot take \(wanted) characters"))
            return ""
        }
        guard position != 0 else { return "" }
        let start = position > 0 ? position - 1 : scalars.count + position
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars[start...].prefix(wanted ?? scalars.count))
        return text
    }
}
