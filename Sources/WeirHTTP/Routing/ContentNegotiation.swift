/// Media types of RFC 9110 §8.3 and §12.5.1, as much of them as the face needs.
enum ContentNegotiation {
    /// `application/json; charset=utf-8` → `application/json`.
    static func essence(_ text: String) -> String {
        String(text.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }).lowercased()
    }

    /// A parameter's value: `charset` of `text/plain; charset="utf-8"`.
    static func parameter(_ name: String, of text: String) -> String? {
        for part in text.split(separator: ";").dropFirst() {
            let halves = part.split(separator: "=", maxSplits: 1)
            guard halves.count == 2, trimmed(halves[0]).lowercased() == name else { continue }
            let value = trimmed(halves[1])
            return value.count >= 2 && value.hasPrefix("\"") && value.hasSuffix("\"")
                ? String(value.dropFirst().dropLast()) : value
        }
        return nil
    }

    /// Whether a type fits a pattern: `*/*`, `text/*`, `application/*+json` or the type itself.
    static func matches(_ type: String, _ pattern: String) -> Bool {
        if pattern == "*/*" || pattern == type { return true }
        return pattern.hasSuffix("/*") && type.hasPrefix(pattern.dropLast())
    }

    /// Whether an `Accept` header takes one of these types; the most specific range that fits decides.
    static func accepts(_ header: String, anyOf types: [String]) -> Bool {
        let ranges = header.split(separator: ",").map { part in
            (essence(String(part)), (parameter("q", of: String(part)).flatMap(Double.init) ?? 1) > 0)
        }
        return ranges.isEmpty
            || types.contains { type in
                let fitting = ranges.filter { matches(type, $0.0) }
                let best = fitting.max { specificity($0.0) < specificity($1.0) }
                return best?.1 ?? false
            }
    }

    private static func specificity(_ range: String) -> Int {
        range == "*/*" ? 0 : range.hasSuffix("/*") ? 1 : 2
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
