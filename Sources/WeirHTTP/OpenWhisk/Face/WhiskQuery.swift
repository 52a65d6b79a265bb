import CloudEvents
import HTTPTypes

/// The query of a request, read leniently: what nobody knows is left alone, the last of one name counts.
struct WhiskQuery: Sendable {
    private let pairs: [(name: String, value: String)]
    let raw: Substring

    init(_ raw: Substring) throws(WhiskError) {
        self.raw = raw
        var pairs: [(String, String)] = []
        for pair in raw.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentDecoding.query(halves[0], controls: true),
                let value = halves.count == 2 ? PercentDecoding.query(halves[1], controls: true) : ""
            else { throw WhiskError(.badRequest, "The request query is not well-formed: \(pair)") }
            pairs.append((name, value))
        }
        self.pairs = pairs
    }

    subscript(name: String) -> String? { pairs.last { $0.name == name }?.value }

    /// All of them as an object of texts, the last of one name.
    var object: JSONObject {
        var members = JSONObject()
        for pair in pairs { members[pair.name] = .string(pair.value) }
        return members
    }

    func flag(_ name: String) throws(WhiskError) -> Bool {
        switch self[name]?.lowercased() {
        case nil, "", "false", "no", "off", "0": return false
        case "true", "yes", "on", "1": return true
        case let other?: throw .badQuery(name, "'\(other)' is not a valid Boolean value")
        }
    }

    /// `limit` and `skip` of a list: 0 as limit is the most there is.
    func page(_ collection: String) throws(WhiskError) -> (limit: Int, skip: Int) {
        func number(_ name: String, _ check: (Int) -> String?) throws(WhiskError) -> Int? {
            guard let text = self[name], !text.isEmpty else { return nil }
            guard let value = Int(text) else {
                throw .badQuery(name, "The value '\(text)' is not an integer for \(collection).")
            }
            if let message = check(value) { throw .badQuery(name, message) }
            return value
        }
        let limit = try number("limit") {
            (0...Self.largest).contains($0)
                ? nil : "The value '\($0)' is not in the range of 0 to \(Self.largest) for \(collection)."
        }
        let skip = try number("skip") {
            $0 >= 0 ? nil : "The value '\($0)' is not greater than or equal to 0 for \(collection)."
        }
        return (limit.map { $0 == 0 ? Self.largest : $0 } ?? 30, skip ?? 0)
    }

    static let largest = 200
}
