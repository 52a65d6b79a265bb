import CloudEvents

/// An event as templates look at it: attributes at hand, data taken apart when it is first asked for.
struct EventFacts {
    let event: CloudEvent
    /// When the channel took it; milliseconds since 1970.
    let appended: Int64
    private var parsed: JSONValue??

    init(_ event: CloudEvent, appended: Int64) {
        self.event = event
        self.appended = appended
    }

    /// The event's own time, or when the channel took it.
    var time: EventTime { event.time ?? EventTime(nanoseconds: appended * 1_000_000) }

    /// The data as JSON; `nil` when there is none or it is no JSON.
    mutating func data() -> JSONValue? {
        if let parsed { return parsed }
        var value: JSONValue?
        if case .json(let bytes)? = event.data { value = try? JSONValue(parsing: bytes) }
        parsed = .some(value)
        return value
    }

    /// An attribute by its name, with its type; `nil` when the event has none of it.
    func attribute(_ name: String) -> JSONValue? {
        switch name {
        case "id": return .string(event.id)
        case "source": return .string(event.source)
        case "type": return .string(event.type)
        case "specversion": return "1.0"
        case "subject": return event.subject.map { .string($0) }
        case "time": return event.time.map { .string($0.text) }
        case "datacontenttype": return event.datacontenttype.map { .string($0) }
        case "dataschema": return event.dataschema.map { .string($0) }
        default:
            return event[name].map { value in
                switch value {
                case .boolean(let bool): .bool(bool)
                case .integer(let number): .integer(Int64(number))
                default: .string(value.canonicalText)
                }
            }
        }
    }
}
