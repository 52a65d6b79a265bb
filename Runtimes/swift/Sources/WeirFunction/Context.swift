import CWeirRunner

/// What a handler may know and do beside its event.
public final class Context {
    let call: Call
    let events: [Event]
    private let began: UInt64
    private(set) var published: [UInt8] = []

    init(_ call: Call, _ events: [Event], began: UInt64) {
        self.call = call
        self.events = events
        self.began = began
    }

    public var activationID: String { call.frame.text(call.activation) }

    /// The same for every attempt at the same work.
    public var idempotencyKey: String { call.key.map { call.frame.text($0) } ?? activationID }

    public var function: String { Function.shared.name }
    public var namespace: String { Function.shared.namespace }
    public var version: String { Function.shared.version }
    public var parameters: JSON { Function.shared.parameters }

    /// Milliseconds until the process is killed.
    public var remaining: Int {
        max(0, Function.shared.timeout - Int((weir_nanoseconds() - began) / 1_000_000))
    }

    /// The event's file as a local path, if the function declares `input: file`; else that of a `file://` event.
    public var input: String? {
        if let input = call.besides?["input"]?.string { return input }
        guard let event = events.first, event.source.hasPrefix("file://") else { return nil }
        return event.subject
    }

    /// The folder for what is to be kept, if the function declares `output`.
    public var output: String? { call.besides?["output"]?.string }

    /// Publishes an event when, and only when, the call succeeds.
    public func publish(
        type: String, subject: String? = nil, data: JSON? = nil, id: String? = nil, source: String? = nil,
        datacontenttype: String? = nil, extensions: [String: JSON] = [:]
    ) throws {
        guard !type.isEmpty else { throw JSONError("an event needs a type") }
        var members: [JSON.Member] = [.init("type", .string(type))]
        for (name, value) in [
            ("subject", subject), ("id", id), ("source", source), ("datacontenttype", datacontenttype),
        ] { if let value { members.append(.init(name, .string(value))) } }
        if !extensions.isEmpty {
            for (name, value) in extensions {
                guard !name.isEmpty, name.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) })
                else {
                    throw JSONError("'\(name)' is no name of an event attribute: lower-case letters and digits only")
                }
                switch value {
                case .string, .integer, .bool: break
                default: throw JSONError("the attribute '\(name)' must be text, an integer or a boolean")
                }
            }
            let sorted = extensions.sorted { $0.key < $1.key }
            members.append(.init("extensions", .object(sorted.map { .init($0.key, $0.value) })))
        }
        if let data { members.append(.init("data", data)) }
        if !published.isEmpty { published.append(0x2C) }
        try JSON.object(members).write(into: &published)
    }

    /// Writes a line to the log, as `print` does.
    public func log(_ text: String) {
        weir_logs_say(text + "\n")
    }
}

/// What every call shares; set before the first.
struct Function: Sendable {
    // Written once, while there is one thread.
    nonisolated(unsafe) static var shared = Function()

    var name = ""
    var namespace = ""
    var version = ""
    var timeout = 0
    var answerLimit = 1 << 20
    var parameters = JSON.object([])
}

/// One call of a frame: where its parts stand.
struct Call {
    var frame: Frame
    var activation: Range<Int>
    var key: Range<Int>?
    /// Paths and variables that the server lays beside the call.
    var besides: JSON?
}
