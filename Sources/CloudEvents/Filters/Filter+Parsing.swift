extension Filter {
    /// Reads one filter expression: `{"prefix": {"subject": "/data/"}}`.
    ///
    /// - Parameters:
    ///   - json: the expression.
    ///   - path: where the value stands in its document, for messages.
    /// - Throws: ``FilterError`` with the JSON path of the first fault.
    public init(parsing json: JSONValue, path: String = "filter") throws(FilterError) {
        self = try Self.parse(json, path, depth: 0)
    }

    /// Reads the `filters` array of a subscription, all of which must pass; an empty one passes every event.
    public static func list(parsing json: JSONValue, path: String = "filters") throws(FilterError) -> [Filter] {
        guard case .array(let elements) = json else {
            throw FilterError(.shape, at: path, "an array of filters was expected, not \(json.kindName)")
        }
        return try parse(elements, path, depth: 0)
    }

    private static func parse(
        _ elements: [JSONValue], _ path: String, depth: Int
    ) throws(FilterError) -> [Filter] {
        var filters: [Filter] = []
        for (index, element) in elements.enumerated() {
            filters.append(try parse(element, "\(path)[\(index)]", depth: depth))
        }
        return filters
    }

    private static func parse(_ json: JSONValue, _ path: String, depth: Int) throws(FilterError) -> Filter {
        guard depth < maximumDepth else {
            throw FilterError(.tooDeep, at: path, "filters nest deeper than \(maximumDepth)")
        }
        guard case .object(let object) = json else {
            throw FilterError(.shape, at: path, "a filter such as {\"exact\": {…}} was expected, not \(json.kindName)")
        }
        guard object.count == 1, let member = object.members.first else {
            throw FilterError(
                .shape, at: path, "a filter has exactly one dialect, not \(object.count): wrap several in \"all\"")
        }
        let place = "\(path).\(member.name)"
        switch member.name {
        case "exact": return .exact(try conditions(member.value, place))
        case "prefix": return .prefix(try conditions(member.value, place))
        case "suffix": return .suffix(try conditions(member.value, place))
        case "all": return .all(try nested(member.value, place, depth: depth + 1))
        case "any": return .any(try nested(member.value, place, depth: depth + 1))
        case "not": return .not(try parse(member.value, place, depth: depth + 1))
        case "sql": return .sql(try expression(member.value, place))
        default:
            throw FilterError(
                .unknownDialect, at: place,
                "the dialect \"\(member.name)\" is unknown; there are exact, prefix, suffix, all, any, not and sql")
        }
    }

    private static func nested(_ json: JSONValue, _ path: String, depth: Int) throws(FilterError) -> [Filter] {
        guard case .array(let elements) = json else {
            throw FilterError(.shape, at: path, "an array of filters was expected, not \(json.kindName)")
        }
        guard !elements.isEmpty else { throw FilterError(.empty, at: path, "at least one filter must stand here") }
        return try parse(elements, path, depth: depth)
    }

    private static func conditions(_ json: JSONValue, _ path: String) throws(FilterError) -> [Condition] {
        guard case .object(let object) = json else {
            throw FilterError(
                .shape, at: path, "an object of attribute names and texts was expected, not \(json.kindName)")
        }
        guard !object.isEmpty else { throw FilterError(.empty, at: path, "at least one attribute must stand here") }
        var conditions: [Condition] = []
        for member in object.members {
            guard !member.name.isEmpty else {
                throw FilterError(.empty, at: path, "an attribute name must not be empty")
            }
            let place = "\(path).\(member.name)"
            try check(name: member.name, place)
            guard case .string(let value) = member.value else {
                throw FilterError(.shape, at: place, "a string was expected, not \(member.value.kindName)")
            }
            guard !value.isEmpty else { throw FilterError(.empty, at: place, "the value must not be empty") }
            conditions.append(Condition(attribute: member.name, value: value))
        }
        return conditions
    }

    private static func check(name: String, _ path: String) throws(FilterError) {
        if name == "data" || name == "data_base64" {
            throw FilterError(.invalidAttribute, at: path, "filters work on attributes, not on the data")
        }
        var name = name
        let fault = name.withUTF8 { AttributeRules.fault(inName: UnsafeRawBufferPointer($0)) }
        if let fault { throw FilterError(.invalidAttribute, at: path, fault.reason) }
    }

    private static func expression(_ json: JSONValue, _ path: String) throws(FilterError) -> CESQLExpression {
        guard case .string(let text) = json else {
            throw FilterError(.shape, at: path, "a string with a CESQL expression was expected, not \(json.kindName)")
        }
        do throws(CESQLParseError) {
            return try CESQLExpression(parsing: text)
        } catch {
            throw FilterError(.invalidExpression, at: path, error.message)
        }
    }
}
