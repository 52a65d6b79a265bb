package import CloudEvents

/// Text with places for what an event says: `run ${/run} of ${subject}, ${time:yyyy-MM-dd}`.
///
/// | place | stands for |
/// | --- | --- |
/// | `${subject}` | an attribute |
/// | `${/path/to}` | a value in the data, by JSON Pointer |
/// | `${data}`, `${event}` | all of the data; the whole event in its JSON format |
/// | `${time:yyyy-MM-dd HH:mm:ss}` | the event's time in UTC (when the channel took it, if the event tells none) |
/// | `${pool\|none}` | what stands behind the last bar when there is no such value |
/// | `$${` | `${` itself |
package struct Template: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case text(String)
        case place(Place)
    }

    struct Place: Sendable, Hashable {
        var value: Value
        var fallback: String?
        /// As it was written, for messages.
        var written: String
    }

    enum Value: Sendable, Hashable {
        case attribute(String)
        case pointer(JSONPointer)
        case data
        case event
        case time([TimePart])
    }

    enum TimePart: Sendable, Hashable {
        case text(String)
        case year, month, day, hour, minute, second
    }

    package let text: String
    let parts: [Part]

    /// - Throws: ``TemplateError`` that names the place that cannot be read.
    package init(_ text: String) throws(TemplateError) {
        self.text = text
        var parts: [Part] = []
        var literal = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            literal += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                literal += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw TemplateError("\"\(rest.prefix(40))\" is not closed: a } is missing")
                }
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = ""
                parts.append(.place(try Self.place(String(rest[rest.index(rest.startIndex, offsetBy: 2)..<end]))))
                rest = rest[rest.index(after: end)...]
            } else {
                literal += "$"
                rest = rest.dropFirst()
            }
        }
        literal += rest
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    private static func place(_ written: String) throws(TemplateError) -> Place {
        var name = written[...]
        var fallback: String?
        if let bar = name.lastIndex(of: "|") {
            fallback = String(name[name.index(after: bar)...])
            name = name[..<bar]
        }
        if name.isEmpty || name.hasPrefix("/") {
            guard !name.isEmpty else { throw TemplateError("${\(written)} names nothing") }
            do {
                return Place(value: .pointer(try JSONPointer(String(name))), fallback: fallback, written: written)
            } catch {
                throw TemplateError("${\(written)}: \(error)")
            }
        }
        if name.hasPrefix("time:") {
            return Place(value: .time(try timeParts(name.dropFirst(5), written)), fallback: fallback, written: written)
        }
        switch name {
        case "data": return Place(value: .data, fallback: fallback, written: written)
        case "event": return Place(value: .event, fallback: fallback, written: written)
        default:
            guard name.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }) else {
                throw TemplateError(
                    "${\(written)} is neither an attribute (letters a to z and digits) nor a JSON Pointer such as /size"
                )
            }
            return Place(value: .attribute(String(name)), fallback: fallback, written: written)
        }
    }

    private static func timeParts(_ pattern: Substring, _ written: String) throws(TemplateError) -> [TimePart] {
        var parts: [TimePart] = []
        var rest = pattern
        while let first = rest.first {
            let run = rest.prefix { $0 == first }
            switch run {
            case "yyyy": parts.append(.year)
            case "MM": parts.append(.month)
            case "dd": parts.append(.day)
            case "HH": parts.append(.hour)
            case "mm": parts.append(.minute)
            case "ss": parts.append(.second)
            default:
                guard !first.isLetter else {
                    throw TemplateError("${\(written)}: in a time, yyyy MM dd HH mm ss are understood, not \"\(run)\"")
                }
                parts.append(.text(String(run)))
            }
            rest = rest.dropFirst(run.count)
        }
        guard !parts.isEmpty else { throw TemplateError("${\(written)}: a time such as time:yyyy-MM-dd was expected") }
        return parts
    }

    /// Whether it says the same of every event.
    package var isConstant: Bool { parts.allSatisfy { if case .text = $0 { true } else { false } } }

    /// The text for one event.
    ///
    /// - Parameter escape: what is done to each value that is put in, not to the text around.
    /// - Throws: ``TemplateError`` naming a value that the event does not have.
    func text(_ facts: inout EventFacts, escape: (String) -> String = { $0 }) throws(TemplateError) -> String {
        var out = ""
        for part in parts {
            switch part {
            case .text(let text): out += text
            case .place(let place):
                guard let value = try Self.value(place, &facts) else { continue }
                out += escape(value.string ?? value.text)
            }
        }
        return out
    }

    /// The value of a template that is one place and nothing else, with its type; `nil` for other templates.
    func whole(_ facts: inout EventFacts) throws(TemplateError) -> JSONValue? {
        guard parts.count == 1, case .place(let place) = parts[0] else { return nil }
        return try Self.value(place, &facts)
    }

    private static func value(_ place: Place, _ facts: inout EventFacts) throws(TemplateError) -> JSONValue? {
        let found: JSONValue?
        switch place.value {
        case .attribute(let name): found = facts.attribute(name)
        case .pointer(let pointer): found = facts.data().flatMap { pointer.value(in: $0) }
        case .data: found = facts.data()
        case .event:
            var bytes: [UInt8] = []
            JSONEventFormat.encode(EventRecord(facts.event), into: &bytes)
            found = try? JSONValue(parsing: bytes)
        case .time(let parts): found = .string(Self.write(parts, facts.time))
        }
        if let found, found != .null { return found }
        if let fallback = place.fallback { return .string(fallback) }
        throw TemplateError("the event has no value for ${\(place.written)}")
    }

    private static func write(_ parts: [TimePart], _ time: EventTime) -> String {
        // `2026-05-20T12:00:03.000Z`: the fields stand at fixed places.
        let text = Array(EventTime(nanoseconds: time.nanoseconds).text.utf8)
        func field(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
        return parts.map { part in
            switch part {
            case .text(let text): text
            case .year: field(0..<4)
            case .month: field(5..<7)
            case .day: field(8..<10)
            case .hour: field(11..<13)
            case .minute: field(14..<16)
            case .second: field(17..<19)
            }
        }.joined()
    }
}

/// A JSON document in whose texts places stand. A text that is one place takes the value with its type:
/// `{ size: "${/size}" }` gives a number.
package indirect enum DocumentTemplate: Sendable, Hashable {
    case value(JSONValue)
    case text(Template)
    case array([DocumentTemplate])
    case object([Member])

    package struct Member: Sendable, Hashable {
        var name: String
        var value: DocumentTemplate
    }

    package init(_ value: JSONValue) throws(TemplateError) {
        switch value {
        case .string(let text): self = .text(try Template(text))
        case .array(let list):
            var templates: [DocumentTemplate] = []
            for one in list { templates.append(try DocumentTemplate(one)) }
            self = .array(templates)
        case .object(let object):
            var members: [Member] = []
            for member in object.members {
                members.append(Member(name: member.name, value: try DocumentTemplate(member.value)))
            }
            self = .object(members)
        default: self = .value(value)
        }
    }

    /// As it was written.
    package var document: JSONValue {
        switch self {
        case .value(let value): value
        case .text(let template): .string(template.text)
        case .array(let list): .array(list.map(\.document))
        case .object(let members):
            .object(JSONObject(members: members.map { .init(name: $0.name, value: $0.value.document) }))
        }
    }

    func value(_ facts: inout EventFacts) throws(TemplateError) -> JSONValue {
        switch self {
        case .value(let value): return value
        case .text(let template):
            if let whole = try template.whole(&facts) { return whole }
            return .string(try template.text(&facts))
        case .array(let list):
            var values: [JSONValue] = []
            for one in list { values.append(try one.value(&facts)) }
            return .array(values)
        case .object(let members):
            var object = JSONObject()
            for member in members {
                object.members.append(.init(name: member.name, value: try member.value.value(&facts)))
            }
            return .object(object)
        }
    }
}

/// Why a template cannot be read, or has nothing to say of an event.
package struct TemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    package let message: String
    init(_ message: String) { self.message = message }
    package var description: String { message }
}
