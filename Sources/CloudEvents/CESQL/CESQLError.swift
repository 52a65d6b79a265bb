/// Why a text is no CESQL expression, and where.
public struct CESQLParseError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Line and column, in characters, from 1.
    public let line: Int
    public let column: Int
    /// What is wrong there, as a sentence part.
    public let reason: String

    package init(_ reason: String, line: Int, column: Int) {
        self.reason = reason
        self.line = line
        self.column = column
    }

    public var message: String { "not a CESQL expression at line \(line), column \(column): \(reason)" }
    public var description: String { message }
}

/// What went wrong in evaluating an expression; a value is given all the same (CESQL 1.0 §3.3).
public struct CESQLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The error types of CESQL 1.0 §3.3.
    public enum Kind: String, Sendable, CaseIterable {
        case parse, math, cast, missingAttribute, missingFunction, functionEvaluation, generic
    }

    public let kind: Kind
    public let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}
