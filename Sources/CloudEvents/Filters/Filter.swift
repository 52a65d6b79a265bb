/// One filter expression of the CloudEvents Subscriptions API 1.0 (§3.2.4), in its own structure.
///
/// For an index of a router the cases are open: a conjunction of `exact` and `prefix` conditions can be pulled out, the
/// rest is asked of a ``CompiledFilter``.
public indirect enum Filter: Sendable, Hashable {
    /// Every named attribute equals its value.
    case exact([Condition])
    /// Every named attribute begins with its value.
    case prefix([Condition])
    /// Every named attribute ends with its value.
    case suffix([Condition])
    /// Every filter passes.
    case all([Filter])
    /// At least one filter passes.
    case any([Filter])
    /// The filter does not pass.
    case not(Filter)
    /// The expression is the boolean true and has no error.
    case sql(CESQLExpression)

    /// One attribute with the text to hold against its canonical text.
    public struct Condition: Sendable, Hashable {
        public let attribute: String
        public let value: String
        public init(attribute: String, value: String) {
            self.attribute = attribute
            self.value = value
        }
    }

    /// How deep `all`, `any` and `not` may nest.
    package static var maximumDepth: Int { 32 }

    /// The filter as the Subscriptions API writes it in JSON.
    public var json: JSONValue {
        func object(_ dialect: String, _ value: JSONValue) -> JSONValue {
            .object(JSONObject(members: [.init(name: dialect, value: value)]))
        }
        func conditions(_ list: [Condition]) -> JSONValue {
            .object(JSONObject(members: list.map { .init(name: $0.attribute, value: .string($0.value)) }))
        }
        return switch self {
        case .exact(let list): object("exact", conditions(list))
        case .prefix(let list): object("prefix", conditions(list))
        case .suffix(let list): object("suffix", conditions(list))
        case .all(let filters): object("all", .array(filters.map(\.json)))
        case .any(let filters): object("any", .array(filters.map(\.json)))
        case .not(let filter): object("not", filter.json)
        case .sql(let expression): object("sql", .string(expression.text))
        }
    }
}
