package import CloudEvents

/// Reshapes events on their way to a sink, without a function.
///
/// All expressions and pointers look at the event as it came. In this order: attributes are kept or removed, renamed,
/// set; data is picked. `id` and `source` stay unless they are set, so that a second delivery is the same event; what
/// Weir notes of an event's causes (`weir…`) stays, for the guard against loops counts on it.
package struct EventTransform: Sendable, Hashable {
    package struct Assignment: Sendable, Hashable {
        var name: String
        var expression: CESQLExpression
    }

    package struct Renaming: Sendable, Hashable {
        var from: String
        var to: String
    }

    /// Where a value of the new data comes from.
    package indirect enum Pick: Sendable, Hashable {
        case pointer(JSONPointer, default: JSONValue?)
        case attribute(String, default: JSONValue?)
        case value(JSONValue)
        case object([Member])

        package struct Member: Sendable, Hashable {
            var name: String
            var pick: Pick
        }
    }

    package enum DataRule: Sendable, Hashable {
        case keep
        case drop
        case pick(Pick)
    }

    /// Of the optional and extension attributes only these stay; `nil`: all.
    package var keep: [String]?
    package var remove: [String] = []
    package var rename: [Renaming] = []
    package var set: [Assignment] = []
    package var data = DataRule.keep

    static let required: Set<String> = ["id", "source", "type", "specversion"]

    /// The event as the sink gets it.
    ///
    /// - Throws: ``TransformError`` when the event lacks what is asked for, or would be no event any more.
    package func apply(_ record: EventRecord) throws(TransformError) -> EventRecord {
        let before = record.event
        var event = before
        if let keep {
            for name in Self.optional(event) where !keep.contains(name) && !name.hasPrefix("weir") {
                Self.assign(nil, to: name, in: &event)
            }
        }
        for name in remove { Self.assign(nil, to: name, in: &event) }
        // All old names go first, so that two attributes can change places.
        for renaming in rename { Self.assign(nil, to: renaming.from, in: &event) }
        for renaming in rename {
            guard let value = Self.value(of: renaming.from, in: before) else { continue }
            try Self.put(value, to: renaming.to, in: &event)
        }
        if !set.isEmpty {
            var outcome: Result<[AttributeValue], TransformError> = .success([])
            record.withView { view in
                var values: [AttributeValue] = []
                for one in set {
                    let (value, errors) = one.expression.evaluate(view)
                    if let error = errors.first {
                        outcome = .failure(
                            TransformError("the attribute \"\(one.name)\" cannot be set: \(error.message)"))
                        return
                    }
                    switch value {
                    case .boolean(let bool): values.append(.boolean(bool))
                    case .integer(let number): values.append(.integer(number))
                    case .string(let text): values.append(.string(text))
                    }
                }
                outcome = .success(values)
            }
            for (one, value) in zip(set, try outcome.get()) { try Self.put(value, to: one.name, in: &event) }
        }
        try pickData(before, &event)
        do {
            return try EventRecord(validating: event)
        } catch {
            throw TransformError("what the transform makes is no event: \(error.message)")
        }
    }

    private func pickData(_ before: CloudEvent, _ event: inout CloudEvent) throws(TransformError) {
        switch data {
        case .keep: break
        case .drop:
            event.data = nil
            event.datacontenttype = nil
        case .pick(let pick):
            var facts = EventFacts(before, appended: 0)
            event.data = .json(try Self.value(pick, &facts).encoded())
            // It may have been another media type of JSON.
            event.datacontenttype = nil
            event.dataschema = nil
        }
    }

    private static func value(_ pick: Pick, _ facts: inout EventFacts) throws(TransformError) -> JSONValue {
        switch pick {
        case .value(let value): return value
        case .pointer(let pointer, let fallback):
            guard let data = facts.data() else {
                if let fallback { return fallback }
                throw TransformError("\"\(pointer)\" cannot be picked: the event has no data in JSON")
            }
            if let value = pointer.value(in: data) ?? fallback { return value }
            throw TransformError("the data has nothing at \"\(pointer)\"")
        case .attribute(let name, let fallback):
            if let value = facts.attribute(name) ?? fallback { return value }
            throw TransformError("the event has no attribute \"\(name)\"")
        case .object(let members):
            var object = JSONObject()
            for member in members {
                object.members.append(.init(name: member.name, value: try value(member.pick, &facts)))
            }
            return .object(object)
        }
    }

    // MARK: Attributes

    /// The names of what the event has beyond what every event must have.
    private static func optional(_ event: CloudEvent) -> [String] {
        var names = event.extensions.map(\.name)
        if event.subject != nil { names.append("subject") }
        if event.time != nil { names.append("time") }
        if event.dataschema != nil { names.append("dataschema") }
        return names
    }

    private static func value(of name: String, in event: CloudEvent) -> AttributeValue? {
        switch name {
        case "subject": event.subject.map { .string($0) }
        case "time": event.time.map { .timestamp($0) }
        case "dataschema": event.dataschema.map { .uri($0) }
        case "datacontenttype": event.datacontenttype.map { .string($0) }
        default: event[name]
        }
    }

    private static func put(_ value: AttributeValue, to name: String, in event: inout CloudEvent) throws(TransformError)
    {
        if name == "time" {
            guard EventTime(value.canonicalText) != nil else {
                throw TransformError(
                    "\"time\" cannot be set to \"\(value.canonicalText)\": that is no time of RFC 3339")
            }
        }
        assign(value, to: name, in: &event)
    }

    private static func assign(_ value: AttributeValue?, to name: String, in event: inout CloudEvent) {
        let text = value?.canonicalText
        switch name {
        case "id": event.id = text ?? event.id
        case "source": event.source = text ?? event.source
        case "type": event.type = text ?? event.type
        case "subject": event.subject = text
        case "time": event.time = text.flatMap { EventTime($0) }
        case "datacontenttype": event.datacontenttype = text
        case "dataschema": event.dataschema = text
        default: event[name] = value
        }
    }
}

/// Why an event could not be reshaped.
package struct TransformError: Error, Sendable, Hashable, CustomStringConvertible {
    package let message: String
    init(_ message: String) { self.message = message }
    package var description: String { message }
}
