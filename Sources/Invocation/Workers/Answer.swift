internal import CloudEvents

/// What a runner said of one call.
struct Answer {
    var status: Activation.Status
    var runNanoseconds: Int64
    /// JSON.
    var result: [UInt8]
    var published: [Activation.Published]
    /// The frame that it is to; said only by workers that run several calls at a time.
    var frame: Int?

    /// The result of a function that returned nothing: one array for all of them.
    static let null = Array("null".utf8)

    init(status: Activation.Status, runNanoseconds: Int64, result: [UInt8], published: [Activation.Published] = []) {
        self.status = status
        self.runNanoseconds = runNanoseconds
        self.result = result
        self.published = published
    }

    /// Reads a runner's line: `[status, nanoseconds, result, [published, …], frame]`, the last three optional.
    init(runnerLine line: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = JSONScanner(line)
        try scanner.expect(0x5B, "an array")
        let code = try scanner.integer()
        try scanner.expect(0x2C, "a comma")
        runNanoseconds = try scanner.integer()
        result = Self.null
        published = []
        if scanner.consume(0x2C) {
            let range = try scanner.skipValue()
            if range.count != 4 || line[range.lowerBound] != 0x6E { result = Array(line[range]) }
            if scanner.consume(0x2C) { published = try Self.published(&scanner) }
            if scanner.consume(0x2C) { frame = Int(clamping: try scanner.integer()) }
        }
        try scanner.expect(0x5D, "the end of the array")
        try scanner.expectEnd()
        switch code {
        case 0: status = .success
        case 1: status = .applicationError
        case 2: status = .developerError
        default: throw scanner.failure("a status of 0, 1 or 2 was expected")
        }
    }

    /// Reads a program's line: any JSON value; `{"error": …}` is a failure, an object with `specversion` an event.
    ///
    /// - Parameter mayPublish: whether it knows of events.
    init(
        programLine line: UnsafeRawBufferPointer, runNanoseconds: Int64, mayPublish: Bool = true
    ) throws(JSONError) {
        var scanner = JSONScanner(line)
        let range = try scanner.skipValue()
        try scanner.expectEnd()
        self.runNanoseconds = runNanoseconds
        result = Array(line[range])
        status = .success
        published = []
        guard line[range.lowerBound] == 0x7B else { return }
        let value = try JSONValue(parsing: UnsafeRawBufferPointer(rebasing: line[range]))
        if value["error"] != nil {
            status = .applicationError
        } else if mayPublish, value["specversion"] != nil, let object = value.object {
            guard let event = Activation.Published(event: object) else {
                throw scanner.failure("the returned event has no type", at: 0)
            }
            published = [event]
        }
    }

    private static func published(_ scanner: inout JSONScanner) throws(JSONError) -> [Activation.Published] {
        var events: [Activation.Published] = []
        try scanner.expect(0x5B, "an array of events")
        if scanner.consume(0x5D) { return events }
        repeat { events.append(try event(&scanner)) } while scanner.consume(0x2C)
        try scanner.expect(0x5D, "a comma or ]")
        return events
    }

    /// One event as the runner writes it; its data stays text.
    private static func event(_ scanner: inout JSONScanner) throws(JSONError) -> Activation.Published {
        var event = Activation.Published(type: "")
        try scanner.expect(0x7B, "an event")
        repeat {
            let start = scanner.position
            guard scanner.peek() == 0x22 else { throw scanner.failure("a member name was expected") }
            let name = scanner.text(try scanner.stringRange())
            try scanner.expect(0x3A, "a colon")
            switch name {
            case "type": event.type = try scanner.string()
            case "subject": event.subject = try scanner.string()
            case "id": event.id = try scanner.string()
            case "source": event.source = try scanner.string()
            case "datacontenttype": event.datacontenttype = try scanner.string()
            case "data": event.data = .json(Array(scanner.bytes[try scanner.skipValue()]))
            case "data_base64":
                guard let bytes = Base64.decode(try scanner.string().utf8) else {
                    throw scanner.failure("Base64 was expected", at: start)
                }
                event.data = .bytes(bytes)
            case "extensions":
                guard case .object(let object) = try scanner.value(depth: 0) else {
                    throw scanner.failure("an object was expected", at: start)
                }
                event.extensions = object.members.compactMap { member in
                    AttributeValue(json: member.value).map { .init(name: member.name, value: $0) }
                }
            default: _ = try scanner.skipValue()
            }
        } while scanner.consume(0x2C)
        try scanner.expect(0x7D, "a comma or }")
        guard !event.type.isEmpty else { throw scanner.failure("an event without a type was published") }
        return event
    }
}

extension JSONScanner {
    fileprivate mutating func integer() throws(JSONError) -> Int64 {
        skipWhitespace()
        let (range, isInteger) = try numberRange()
        var value: Int64 = 0
        for byte in bytes[range] {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard isInteger, byte != 0x2D, !overflow, product <= .max - 9 else {
                throw failure("a whole number was expected", at: range.lowerBound)
            }
            value = product + Int64(byte - 48)
        }
        return value
    }

    fileprivate mutating func string() throws(JSONError) -> String {
        guard peek() == 0x22 else { throw failure("a string was expected") }
        return text(try stringRange())
    }
}

extension AttributeValue {
    /// The value that a JSON value stands for; numbers beyond 32 bits become text, as CloudEvents has no larger ones.
    fileprivate init?(json value: JSONValue) {
        switch value {
        case .bool(let value): self = .boolean(value)
        case .integer(let value): self = Int32(exactly: value).map { .integer($0) } ?? .string(String(value))
        case .string(let value): self = .string(value)
        default: return nil
        }
    }
}

extension Activation.Published {
    /// An event that a program returned in CloudEvents' JSON format; `nil` without a type.
    init?(event object: JSONObject) {
        guard let type = object["type"]?.string, !type.isEmpty else { return nil }
        self.init(type: type)
        for member in object.members {
            switch member.name {
            case "type", "specversion", "time", "dataschema": break
            case "subject": subject = member.value.string
            case "id": id = member.value.string
            case "source": source = member.value.string
            case "datacontenttype": datacontenttype = member.value.string
            case "data": data = .json(member.value.encoded())
            case "data_base64": data = (member.value.string.flatMap { Base64.decode($0.utf8) }).map { .bytes($0) }
            default:
                if let value = AttributeValue(json: member.value) {
                    extensions.append(.init(name: member.name, value: value))
                }
            }
        }
    }
}
