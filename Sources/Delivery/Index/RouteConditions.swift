package import CloudEvents

/// A subscription's filters taken apart for the index: what a table can answer, and the rest.
package struct RouteConditions: Sendable {
    /// What the subject must be.
    package enum Subject: Sendable, Hashable {
        case any
        case exact([UInt8])
        case prefix([UInt8])
    }

    /// One attribute that must have one value.
    package struct Exact: Sendable, Hashable {
        package let name: [UInt8]
        package let value: [UInt8]
    }

    package var subject: Subject = .any
    /// At most ``maximumExact``, attribute names all different.
    package var exact: [Exact] = []
    /// What only a look at the event can answer; `nil` when the tables have answered all.
    package var residual: CompiledFilter?

    /// How many attribute conditions one look-up combines.
    static let maximumExact = 3
    /// Texts longer than this are left to the residual.
    static let maximumText = 2048

    /// Pulls the conjunctive `exact` and `prefix` conditions out; what is left is asked of candidates, cheapest first.
    package init(_ filters: [Filter]) {
        var rest: [Filter] = []
        var prefixes: [Filter.Condition] = []
        var flat = filters
        var position = 0
        while position < flat.count {
            let filter = flat[position]
            position += 1
            switch filter {
            case .all(let inner): flat.append(contentsOf: inner)
            case .exact(let conditions):
                for condition in conditions where !take(exact: condition) { rest.append(.exact([condition])) }
            case .prefix(let conditions):
                for condition in conditions {
                    if condition.attribute == "subject", condition.value.utf8.count <= Self.maximumText {
                        prefixes.append(condition)
                    } else {
                        rest.append(.prefix([condition]))
                    }
                }
            default: rest.append(filter)
            }
        }
        // Of several prefixes the longest finds the fewest; an exact subject finds fewer still.
        prefixes.sort { $0.value.utf8.count > $1.value.utf8.count }
        for condition in prefixes {
            if case .any = subject {
                subject = .prefix(Array(condition.value.utf8))
            } else {
                rest.append(.prefix([condition]))
            }
        }
        if !rest.isEmpty {
            residual = CompiledFilter(rest.sorted { Self.cost($0) < Self.cost($1) })
        }
    }

    private mutating func take(exact condition: Filter.Condition) -> Bool {
        let name = Array(condition.attribute.utf8)
        let value = Array(condition.value.utf8)
        // "specversion" is not stored with an event; the compiled filter knows it.
        guard value.count <= Self.maximumText, condition.attribute != "specversion" else { return false }
        if condition.attribute == "subject" {
            guard case .any = subject else { return subject == .exact(value) }
            subject = .exact(value)
            return true
        }
        if let same = exact.first(where: { $0.name == name }) { return same.value == value }
        guard exact.count < Self.maximumExact else { return false }
        exact.append(Exact(name: name, value: value))
        return true
    }

    /// What a filter costs roughly, in comparisons.
    private static func cost(_ filter: Filter) -> Int {
        switch filter {
        case .exact(let list), .prefix(let list), .suffix(let list): list.count
        case .all(let list), .any(let list): list.reduce(1) { $0 + cost($1) }
        case .not(let inner): 1 + cost(inner)
        case .sql(let expression): 20 + expression.text.utf8.count
        }
    }
}
