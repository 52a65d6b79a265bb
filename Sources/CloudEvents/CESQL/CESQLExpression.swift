/// A CloudEvents SQL expression (CESQL 1.0), parsed and ready to be asked of many events.
public struct CESQLExpression: Sendable, Hashable, CustomStringConvertible {
    /// The text from which it was parsed.
    public let text: String
    package let syntax: CESQLSyntax

    /// Parses an expression.
    ///
    /// - Throws: ``CESQLParseError`` with line and column. Numbers beyond 32 bits, a LIKE without a literal pattern and
    ///   nesting over 64 are parse errors too.
    public init(parsing text: String) throws(CESQLParseError) {
        syntax = try CESQLParser.parse(text)
        self.text = text
    }

    public static func == (left: CESQLExpression, right: CESQLExpression) -> Bool { left.text == right.text }
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
    public var description: String { text }

    /// Evaluates the expression: always a value, and what went wrong on the way to it.
    public func evaluate(_ view: EventView) -> (value: CESQLValue, errors: [CESQLError]) {
        var evaluator = CESQLEvaluator(view: view)
        let value = evaluator.value(of: syntax)
        return (value, evaluator.errors)
    }

    /// Whether an event passes the expression as a filter: the value is the boolean true and there is no error (§1.2).
    public func passes(_ view: EventView) -> Bool {
        let (value, errors) = evaluate(view)
        return value == .boolean(true) && errors.isEmpty
    }
}
