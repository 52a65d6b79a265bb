import HTTPTypes

/// Entity tags (RFC 9110 §8.8.3): the generation in quotes.
enum EntityTag {
    static func text(_ generation: Int64) -> String { "\"\(generation)\"" }

    /// Whether an `If-None-Match` names this tag. The comparison is weak, as §13.1.2 has it.
    static func lists(_ header: String, _ tag: String) -> Bool {
        list(header).contains { $0 == "*" || $0 == tag || $0 == "W/\(tag)" }
    }

    /// What `If-Match` and `If-None-Match` ask of a change.
    static func precondition(_ headers: HTTPFields) throws(Problem) -> Precondition {
        if let header = headers[.ifMatch] {
            if header == "*" { return .exists }
            var generations: [Int64] = []
            for tag in list(header) {
                guard tag.count > 2, tag.hasPrefix("\""), tag.hasSuffix("\"") else {
                    throw Problem.badHeader(
                        "If-Match", "\(tag) is not a strong entity tag: write the ETag as it was given, in quotes")
                }
                // A tag that is not one of ours names no generation that ever was: it just does not match.
                generations.append(Int64(tag.dropFirst().dropLast()) ?? -1)
            }
            return .generation(generations)
        }
        if let header = headers[.ifNoneMatch] {
            guard header == "*" else {
                throw Problem.badHeader("If-None-Match", "only * is possible for a change: it must not exist yet")
            }
            return .absent
        }
        return .none
    }

    private static func list(_ header: String) -> [String] {
        header.split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}
