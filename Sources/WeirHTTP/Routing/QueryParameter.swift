import CloudEvents
import HTTPTypes
import Manifest

/// A query parameter that a route knows.
package struct QueryParameter: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case text
        case integer(ClosedRange<Int>)
        /// `true` or `false`; present without a value is `true`.
        case flag
        /// RFC 3339, or a length of time before now: `1h`.
        case time
        /// `earliest`, `latest`, or a ``time``.
        case start
        /// ``start`` or an offset.
        case startOrOffset
        case word([String])
    }

    package let name: String
    package let kind: Kind
    package let summary: String

    package init(_ name: String, _ kind: Kind, _ summary: String) {
        self.name = name
        self.kind = kind
        self.summary = summary
    }

    static let namespace = QueryParameter(
        "namespace", .text, "The namespace that is meant; the caller's own when absent.")
    static let limit = QueryParameter("limit", .integer(1...1000), "How many are wanted at most; 100 when absent.")
    static let cursor = QueryParameter("cursor", .text, "Where to go on: `next` of the page before.")
    static let dryRun = QueryParameter("dryRun", .flag, "Only say what would happen.")
}

/// The query of a request, checked against what the route knows.
package struct QueryValues: Sendable {
    private let values: [String: String]
    /// Milliseconds since 1970 when the request came, for times that are written as `1h` ago.
    private let now: Int64

    /// Reads the text behind `?`.
    ///
    /// - Throws: ``Problem``: an escape is not well-formed, a parameter is unknown (with the nearest known one) or named
    ///   twice.
    init(_ text: Substring, known: [QueryParameter], now: Int64) throws(Problem) {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentDecoding.query(halves[0]),
                let value = halves.count == 2 ? PercentDecoding.query(halves[1]) : ""
            else {
                throw Problem(
                    .badRequest, "invalid-parameter",
                    "the query has an escape that is not well-formed UTF-8 percent-encoding: \"\(pair)\"")
            }
            guard let parameter = known.first(where: { $0.name == name }) else {
                let near = Suggestion.nearest(to: name, in: known.map(\.name))
                let message =
                    near.map { "it is unknown: did you mean \"\($0)\"?" }
                    ?? (known.isEmpty
                        ? "it is unknown: none is known here"
                        : "it is unknown: known here are \(known.map(\.name).sorted().joined(separator: ", "))")
                throw Problem(
                    .badRequest, "unknown-parameter", "the query parameter \"\(name)\": \(message)",
                    errors: [.init(.parameter(name), message)])
            }
            guard values[name] == nil else { throw Problem.badParameter(name, "it is given twice") }
            if parameter.kind != .flag, value.isEmpty { throw Problem.badParameter(name, "it has no value") }
            values[name] = value
        }
        self.values = values
        self.now = now
        for parameter in known { try check(parameter) }
    }

    /// Whether every value is of its kind, so that handlers read without surprises.
    private func check(_ parameter: QueryParameter) throws(Problem) {
        switch parameter.kind {
        case .text: break
        case .integer(let range): _ = try integer(parameter.name, in: range)
        case .flag: _ = try flag(parameter.name)
        case .time: _ = try time(parameter.name)
        case .start: _ = try start(parameter.name, offsetsAllowed: false)
        case .startOrOffset: _ = try start(parameter.name, offsetsAllowed: true)
        case .word(let words):
            guard let value = values[parameter.name], !words.contains(value) else { break }
            let near = Suggestion.nearest(to: value, in: words).map { ": did you mean \"\($0)\"?" } ?? ""
            throw Problem.badParameter(
                parameter.name, "\"\(value)\" is not one of \(words.joined(separator: ", "))\(near)")
        }
    }

    package func text(_ name: String) -> String? { values[name] }

    package func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text) else { throw Problem.badParameter(name, "\"\(text)\" is not a whole number") }
        guard range.contains(number) else {
            throw Problem.badParameter(
                name, "\(number) is out of range: \(range.lowerBound) to \(range.upperBound) is allowed")
        }
        return number
    }

    package func flag(_ name: String) throws(Problem) -> Bool {
        switch values[name] {
        case nil, "false": false
        case "true", "": true
        case let other?: throw Problem.badParameter(name, "\"\(other)\" is not true or false")
        }
    }

    /// Milliseconds since 1970.
    package func time(_ name: String) throws(Problem) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let time = Self.time(text, now: now) else {
            throw Problem.badParameter(
                name, "\"\(text)\" is no time: write 2026-03-01T12:00:00Z, or a length of time before now such as 1h")
        }
        return time
    }

    package func start(_ name: String, offsetsAllowed: Bool) throws(Problem) -> StartPosition? {
        guard let text = values[name] else { return nil }
        guard let start = Self.start(text, offsetsAllowed: offsetsAllowed, now: now) else {
            throw Problem.badParameter(name, Self.startMessage(text, offsetsAllowed: offsetsAllowed))
        }
        return start
    }

    static func startMessage(_ text: String, offsetsAllowed: Bool) -> String {
        "\"\(text)\" is no place to start: write earliest, latest, \(offsetsAllowed ? "an offset, " : "")a time such as "
            + "2026-03-01T12:00:00Z, or a length of time before now such as 1h"
    }

    static func start(_ text: String, offsetsAllowed: Bool, now: Int64) -> StartPosition? {
        switch text {
        case "earliest": return .earliest
        case "latest": return .latest
        default: break
        }
        if offsetsAllowed, let offset = UInt64(text) { return .offset(offset) }
        return time(text, now: now).map { .time($0) }
    }

    /// RFC 3339 or a length of time before `now`. A `+` of a zone that was read as a space is put back.
    static func time(_ text: String, now: Int64) -> Int64? {
        if let time = EventTime(text) ?? EventTime(String(text.map { $0 == " " ? "+" : $0 })) {
            return time.milliseconds
        }
        return Quantity.milliseconds(text).map { now - $0 }
    }
}
