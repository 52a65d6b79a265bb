/// Why a filter was refused, and where it stands.
public struct FilterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of fault, for programs.
    public enum Code: String, Sendable {
        /// Not of the shape of a filter.
        case shape
        /// A dialect that does not exist here.
        case unknownDialect
        /// A name that no attribute has, or `data`, on which no filter works.
        case invalidAttribute
        /// An empty name, value or list.
        case empty
        /// The text of an `sql` filter cannot be read.
        case invalidExpression
        /// Filters in filters beyond the bound.
        case tooDeep
    }

    public let code: Code
    /// The JSON path of the fault: `filters[1].prefix.subject`.
    public let path: String
    /// What is wrong there, as a sentence part.
    public let reason: String

    package init(_ code: Code, at path: String, _ reason: String) {
        self.code = code
        self.path = path
        self.reason = reason
    }

    public var message: String { "\(path): \(reason)" }
    public var description: String { message }
}
