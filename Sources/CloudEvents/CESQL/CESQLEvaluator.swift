/// Evaluates a syntax tree against one event.
///
/// Errors (CESQL 1.0 §3.2, §3.3). An operand that could not be evaluated makes its operator give the zero value of the
/// operator's return type, with the operand's error: §3.2 demands it for missing attributes, and the specification's own
/// cases show it for the rest (`true AND (1 != 1 / 0)` is false with a math error). A cast that fails within an operator
/// gives §3.7's value, and the operator goes on with it (`NOT 'x'` is true with a cast error).
package struct CESQLEvaluator {
    package let view: EventView
    package private(set) var errors: [CESQLError] = []

    package init(view: EventView) {
        self.view = view
    }

    package mutating func value(of syntax: CESQLSyntax) -> CESQLValue {
        switch syntax {
        case .literal(let value): return value
        case .attribute(let name): return attribute(name)
        case .exists(let name): return .boolean(exists(name))
        case .not(let operand): return not(operand)
        case .negate(let operand): return negate(operand)
        case .binary(let sign, let left, let right):
            switch sign {
            case .and, .or, .xor: return logic(sign, left, right)
            case .multiply, .divide, .remainder, .add, .subtract: return arithmetic(sign, left, right)
            case .equal, .notEqual: return equality(left, right, isNegated: sign == .notEqual)
            case .less, .lessOrEqual, .greater, .greaterOrEqual: return order(sign, left, right)
            }
        case .like(let operand, let pattern, let isNegated):
            guard let value = sound(operand) else { return .boolean(false) }
            return .boolean(pattern.matches(CESQLCast.string(value)) != isNegated)
        case .isIn(let operand, let set, let isNegated):
            return membership(operand, set, isNegated: isNegated)
        case .call(let name, let arguments):
            return call(name, arguments)
        }
    }

    /// The operand's value; `nil` when evaluating it raised an error, which then stands in `errors`.
    private mutating func sound(_ syntax: CESQLSyntax) -> CESQLValue? {
        let count = errors.count
        let value = value(of: syntax)
        return errors.count == count ? value : nil
    }

    // MARK: Attributes

    private mutating func attribute(_ name: String) -> CESQLValue {
        if name == "specversion" { return .string("1.0") }
        var copy = name
        let found = copy.withUTF8 { view.find(UnsafeRawBufferPointer($0)) }
        guard let (bytes, kind) = found else {
            errors.append(CESQLError(.missingAttribute, "the event has no attribute \"\(name)\""))
            // The type of a missing attribute alone is not known: boolean is assumed (§3.2).
            return .boolean(false)
        }
        switch kind {
        case .boolean: return .boolean(bytes.elementsEqual("true"))
        case .integer:
            let text = String(decoding: bytes, as: UTF8.self)
            return Int32(text).map { .integer($0) } ?? .string(text)
        case .binary: return .string(Base64.encode(bytes))
        case .string, .uri, .uriReference, .timestamp: return .string(String(decoding: bytes, as: UTF8.self))
        }
    }

    private func exists(_ name: String) -> Bool {
        if name == "specversion" { return true }
        var copy = name
        return copy.withUTF8 { view.find(UnsafeRawBufferPointer($0)) != nil }
    }

    // MARK: Logic

    private mutating func not(_ operand: CESQLSyntax) -> CESQLValue {
        guard let value = sound(operand) else { return .boolean(false) }
        if case .integer(let number) = value {
            // §3.7 gives integers a boolean meaning, yet the specification's own case "NOT 10" wants a cast error and
            // true, that is, NOT of the failed cast's false. The case decides for NOT; the table for everything else.
            errors.append(CESQLError(.cast, "\(number) cannot be negated: NOT wants a boolean"))
            return .boolean(true)
        }
        return .boolean(!CESQLCast.boolean(value, errors: &errors))
    }

    private mutating func logic(
        _ sign: CESQLSyntax.Operator, _ left: CESQLSyntax, _ right: CESQLSyntax
    ) -> CESQLValue {
        guard let leftValue = sound(left) else { return .boolean(false) }
        let first = CESQLCast.boolean(leftValue, errors: &errors)
        if sign == .and, !first { return .boolean(false) }
        if sign == .or, first { return .boolean(true) }
        guard let rightValue = sound(right) else { return .boolean(false) }
        let second = CESQLCast.boolean(rightValue, errors: &errors)
        return .boolean(sign == .xor ? first != second : second)
    }

    // MARK: Comparison

    private mutating func equality(_ left: CESQLSyntax, _ right: CESQLSyntax, isNegated: Bool) -> CESQLValue {
        guard let (first, second) = operands(left, right) else { return .boolean(false) }
        // The operator is ambiguous, so the right operand's type decides (§3.7).
        let cast = CESQLCast.cast(first, to: second.kind, errors: &errors)
        return .boolean((cast == second) != isNegated)
    }

    private mutating func order(
        _ sign: CESQLSyntax.Operator, _ left: CESQLSyntax, _ right: CESQLSyntax
    ) -> CESQLValue {
        guard let (first, second) = operands(left, right) else { return .boolean(false) }
        let a = CESQLCast.integer(first, errors: &errors)
        let b = CESQLCast.integer(second, errors: &errors)
        return switch sign {
        case .less: .boolean(a < b)
        case .lessOrEqual: .boolean(a <= b)
        case .greater: .boolean(a > b)
        default: .boolean(a >= b)
        }
    }

    /// The elements are cast to the type of `x`, in order, up to the first that is equal (§3.4.5, §3.7). One that cannot
    /// be cast is not equal; one that cannot be evaluated ends the search.
    private mutating func membership(
        _ operand: CESQLSyntax, _ set: [CESQLSyntax], isNegated: Bool
    ) -> CESQLValue {
        guard let wanted = sound(operand) else { return .boolean(false) }
        for element in set {
            guard let value = sound(element) else { return .boolean(false) }
            let count = errors.count
            let cast = CESQLCast.cast(value, to: wanted.kind, errors: &errors)
            if errors.count == count, cast == wanted { return .boolean(!isNegated) }
        }
        return .boolean(isNegated)
    }

    private mutating func operands(
        _ left: CESQLSyntax, _ right: CESQLSyntax
    ) -> (CESQLValue, CESQLValue)? {
        guard let first = sound(left), let second = sound(right) else { return nil }
        return (first, second)
    }

    // MARK: Arithmetic

    private mutating func negate(_ operand: CESQLSyntax) -> CESQLValue {
        guard let value = sound(operand) else { return .integer(0) }
        return narrow(-Int64(CESQLCast.integer(value, errors: &errors)))
    }

    private mutating func arithmetic(
        _ sign: CESQLSyntax.Operator, _ left: CESQLSyntax, _ right: CESQLSyntax
    ) -> CESQLValue {
        guard let (first, second) = operands(left, right) else { return .integer(0) }
        let a = Int64(CESQLCast.integer(first, errors: &errors))
        let b = Int64(CESQLCast.integer(second, errors: &errors))
        switch sign {
        case .multiply: return narrow(a * b)
        case .add: return narrow(a + b)
        case .subtract: return narrow(a - b)
        default:
            guard b != 0 else {
                errors.append(CESQLError(.math, "division by zero"))
                return .integer(0)
            }
            return narrow(sign == .divide ? a / b : a % b)
        }
    }

    /// The specification gives no value for a result beyond 32 bits: the zero value with a math error (§3.3).
    private mutating func narrow(_ value: Int64) -> CESQLValue {
        if let narrow = Int32(exactly: value) { return .integer(narrow) }
        errors.append(CESQLError(.math, "\(value) is outside -2147483648 to 2147483647"))
        return .integer(0)
    }

    // MARK: Calls

    private mutating func call(_ name: String, _ arguments: [CESQLSyntax]) -> CESQLValue {
        guard let function = CESQLFunction(name: name, arity: arguments.count) else {
            let words = arguments.count == 1 ? "1 argument" : "\(arguments.count) arguments"
            errors.append(CESQLError(.missingFunction, "there is no function \(name) with \(words)"))
            return .boolean(false)
        }
        var values: [CESQLValue] = []
        values.reserveCapacity(arguments.count)
        for argument in arguments {
            guard let value = sound(argument) else { return function.returns.zero }
            values.append(value)
        }
        return function.call(values, errors: &errors)
    }
}
