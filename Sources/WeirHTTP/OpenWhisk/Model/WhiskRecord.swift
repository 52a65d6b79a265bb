package import CloudEvents
package import Invocation
import Synchronization

/// What OpenWhisk wants to know of a run beside what Weir keeps of every one: kept with the activation as its notes.
package struct WhiskNotes: Sendable, Hashable {
    package enum Entity: String, Sendable, Hashable { case action, sequence, trigger }

    package var entity = Entity.action
    /// `namespace/name` or `namespace/package/name`.
    package var path: String?
    package var version: String?
    package var kind: String?
    package var limits: JSONValue?
    package var binding: String?
    /// Of a sequence or composition.
    package var topmost: Bool?
    package var conductor = false
    /// Part of a sequence.
    package var isComponent = false
    /// Of sequences the ids of what they ran, of triggers what became of each rule.
    package var logs: [String]?
    /// What the components took together, milliseconds.
    package var duration: Int64?
    /// Whether the function keeps to the rules of this API: what it returns must be an object or a list.
    package var isStrict = false

    package init() {}

    /// Notes as they are kept. Those of one action are alike in nearly all its runs, so the last ones read are remembered.
    static func read(_ bytes: [UInt8]) -> WhiskNotes {
        if let known = memory.withLock({ $0[bytes] }) { return known }
        let notes = (try? JSONValue(parsing: bytes))?.object.map(WhiskNotes.init) ?? WhiskNotes()
        // Of a sequence or a firing no two are alike.
        guard notes.logs == nil, bytes.count <= 2_048 else { return notes }
        memory.withLock { memory in
            if memory.count >= 1_024 { memory.removeAll(keepingCapacity: true) }
            memory[bytes] = notes
        }
        return notes
    }

    private static let memory = Mutex<[[UInt8]: WhiskNotes]>([:])

    package init(_ object: JSONObject) {
        entity = object["entity"]?.string.flatMap(Entity.init) ?? .action
        path = object["path"]?.string
        version = object["version"]?.string
        kind = object["kind"]?.string
        limits = object["limits"]
        binding = object["binding"]?.string
        topmost = object["topmost"]?.bool
        conductor = object["conductor"]?.bool ?? false
        isComponent = object["component"]?.bool ?? false
        logs = object["logs"]?.array?.compactMap(\.string)
        duration = object["duration"]?.integer
        isStrict = object["strict"]?.bool ?? false
    }

    package var document: JSONObject {
        var members = JSONObject()
        if entity != .action { members["entity"] = .string(entity.rawValue) }
        members["path"] = path.map { .string($0) }
        members["version"] = version.map { .string($0) }
        members["kind"] = kind.map { .string($0) }
        members["limits"] = limits
        members["binding"] = binding.map { .string($0) }
        members["topmost"] = topmost.map { .bool($0) }
        if conductor { members["conductor"] = true }
        if isComponent { members["component"] = true }
        members["logs"] = logs.map { .array($0.map { .string($0) }) }
        members["duration"] = duration.map { .integer($0) }
        if isStrict { members["strict"] = true }
        return members
    }
}

/// A run as OpenWhisk tells it.
package struct WhiskRecord: Sendable {
    package enum Outcome: Int, Sendable {
        case success, applicationError, developerError, internalError

        var word: String {
            switch self {
            case .success: "success"
            case .applicationError: "application error"
            case .developerError: "action developer error"
            case .internalError: "whisk internal error"
            }
        }
    }

    let activation: Activation
    let notes: WhiskNotes
    package let outcome: Outcome
    /// JSON.
    package let result: [UInt8]

    package init(_ activation: Activation) {
        self.activation = activation
        notes = activation.cause.notes.map(WhiskNotes.read) ?? WhiskNotes()
        (outcome, result) = WhiskOutcome.judge(activation, notes)
    }

    var kind: WhiskNotes.Entity { notes.entity }
    var resultIsList: Bool { result.first == 0x5B }

    /// The result as a tree.
    var value: JSONValue { (try? JSONValue(parsing: result)) ?? .null }

    /// Where init began, or the run when there was none.
    package var start: Int64 { Self.start(of: activation) }

    package static func start(of activation: Activation) -> Int64 {
        activation.start - (activation.initMilliseconds ?? 0)
    }

    /// Milliseconds, init included; of a sequence what its parts took.
    package var duration: Int64 { notes.duration ?? activation.end - start }

    /// Megabytes that it might use.
    package var memory: Int64 { notes.limits?["memory"]?.integer ?? 0 }

    /// `namespace/name` or `namespace/package/name`.
    var path: String { notes.path ?? "\(activation.function.namespace)/\(activation.function.name)" }

    /// What lists show, as a tree.
    func summary() -> JSONObject { (try? JSONValue(parsing: encodedSummary()))?.object ?? [:] }

    /// The whole record, as a tree.
    func document() -> JSONObject { (try? JSONValue(parsing: encoded()))?.object ?? [:] }

    /// Lines as OpenWhisk writes them: time, padded to thirty columns, stream, text.
    func logs() -> JSONValue {
        if let lines = notes.logs { return .array(lines.map { .string($0) }) }
        var lines = activation.logs.map { line -> JSONValue in
            var time = Self.nanoseconds(line.time)
            while time.utf8.count < 30 { time += " " }
            return .string("\(time) \(line.stream.rawValue): \(line.text)")
        }
        let limit = (notes.limits?["logs"]?.integer ?? 10) << 20
        // Where nothing is kept, nothing is said to be left out.
        if activation.logsTruncated, limit > 0 {
            var time = Self.nanoseconds(activation.end)
            while time.utf8.count < 30 { time += " " }
            lines.append(
                .string(
                    "\(time) stderr: Logs were truncated because the total bytes size exceeds the limit of \(limit) bytes."
                ))
        }
        return .array(lines)
    }

    /// RFC 3339 in UTC with nine digits of the second.
    static func nanoseconds(_ milliseconds: Int64) -> String {
        let text = EventTime(nanoseconds: milliseconds.multipliedReportingOverflow(by: 1_000_000).partialValue).text
        // The text has as many digits as it needs, none for a whole second.
        let whole = text.prefix { $0 != "." && $0 != "Z" }
        let digits = text.dropFirst(whole.count).filter { $0 >= "0" && $0 <= "9" }
        return "\(whole).\(digits)\(String(repeating: "0", count: max(0, 9 - digits.count)))Z"
    }
}
