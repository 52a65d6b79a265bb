/// The syntax tree of an expression (CESQL 1.0 §2).
package indirect enum CESQLSyntax: Sendable, Hashable {
    case literal(CESQLValue)
    /// An attribute, its name in lower case.
    case attribute(String)
    case exists(String)
    case not(CESQLSyntax)
    case negate(CESQLSyntax)
    case binary(Operator, CESQLSyntax, CESQLSyntax)
    case like(CESQLSyntax, CESQLPattern, isNegated: Bool)
    case isIn(CESQLSyntax, [CESQLSyntax], isNegated: Bool)
    /// A call, the function's name in upper case.
    case call(String, [CESQLSyntax])

    /// The binary operators.
    package enum Operator: Sendable, Hashable {
        case multiply, divide, remainder
        case add, subtract
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
        case and, or, xor

        /// Higher binds tighter (§3.6).
        package var precedence: Int {
            switch self {
            case .multiply, .divide, .remainder: 4
            case .add, .subtract: 3
            case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: 2
            case .and, .or, .xor: 1
            }
        }
    }
}
