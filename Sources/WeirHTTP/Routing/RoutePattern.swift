/// A path with named gaps: `/v1/functions/{name}/invoke`.
package struct RoutePattern: Sendable, Hashable, CustomStringConvertible {
    enum Part: Sendable, Hashable {
        case literal(String)
        /// Exactly one segment.
        case name(String)
        /// One segment, or two with the slash between them: the name of a function, `package/name`.
        case qualifiedName(String)
    }

    /// As it is written in the OpenAPI document.
    package let description: String
    let parts: [Part]

    /// Reads a pattern; `{function}` takes one or two segments, any other `{name}` one.
    package init(_ text: String) {
        description = text
        parts = text.split(separator: "/").map { part in
            guard part.hasPrefix("{"), part.hasSuffix("}") else { return .literal(String(part)) }
            let name = String(part.dropFirst().dropLast())
            return name == "function" ? .qualifiedName(name) : .name(name)
        }
    }

    /// The names of the gaps, in order.
    package var parameterNames: [String] {
        parts.compactMap {
            switch $0 {
            case .literal: nil
            case .name(let name), .qualifiedName(let name): name
            }
        }
    }

    /// How many segments are literal: of two patterns that match, the one with more is meant.
    var literalCount: Int { parts.count { if case .literal = $0 { true } else { false } } }

    /// The raw texts of the gaps when the segments match; `nil` when they do not.
    func match(_ segments: [Substring]) -> [String: Substring]? {
        var found: [String: Substring] = [:]
        var index = 0
        for (position, part) in parts.enumerated() {
            guard index < segments.count else { return nil }
            let segment = segments[index]
            switch part {
            case .literal(let text):
                guard segment == text[...] else { return nil }
                index += 1
            case .name(let name):
                guard !segment.isEmpty else { return nil }
                found[name] = segment
                index += 1
            case .qualifiedName(let name):
                guard !segment.isEmpty else { return nil }
                // Two segments when the path is one longer than the parts that are still to come.
                if segments.count - index == parts.count - position + 1, !segments[index + 1].isEmpty {
                    found[name] = Substring("\(segment)/\(segments[index + 1])")
                    index += 2
                } else {
                    found[name] = segment
                    index += 1
                }
            }
        }
        return index == segments.count ? found : nil
    }
}
