public import CloudEvents

/// What a decoder made of some lines: events and what could not be read, in the order of the lines.
public struct DecodedBatch: Sendable {
    /// Where a record stood: its first line, from 1, and how many lines it took.
    public struct Origin: Sendable, Hashable {
        public var line: Int
        public var lines: Int
        public init(line: Int, lines: Int) {
            self.line = line
            self.lines = lines
        }
    }

    /// A header line that was read: from here on the format is in force.
    public struct Header: Sendable, Hashable {
        public var line: Int
        public var message: String
        public var format: String
    }

    /// The events.
    public var records: [EventRecord] = []
    /// Where each of `records` came from.
    public var origins: [Origin] = []
    /// What could not be read.
    public var failures: [DecodeFailure] = []
    /// The headers of billing text.
    public var headers: [Header] = []
    /// How many lines were passed over with right: blank ones, comments, S3 test events.
    public var ignored = 0

    public init() {}

    /// Empties it and keeps the memory.
    public mutating func removeAll() {
        records.removeAll(keepingCapacity: true)
        origins.removeAll(keepingCapacity: true)
        failures.removeAll(keepingCapacity: true)
        headers.removeAll(keepingCapacity: true)
        ignored = 0
    }
}

/// Why a piece of input is no event.
public struct DecodeFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it is, for programs.
    public enum Code: String, Sendable, Hashable {
        /// A text line that no format in force describes.
        case noFormat = "no-format"
        /// A record over several lines that was not ended.
        case unfinished
        /// A header whose format cannot be read back.
        case badFormat = "bad-format"
        /// Not JSON.
        case badJSON = "bad-json"
        /// JSON that is not a record: a member is missing or of the wrong kind.
        case badRecord = "bad-record"
        /// Longer than a record can be.
        case tooLong = "too-long"
        /// Server-sent events that break the protocol, or are about a subscription that nobody made.
        case badStream = "bad-stream"
    }

    public let code: Code
    /// The line, from 1, at which the piece begins; 0 where there are no lines.
    public var line: Int
    /// The column in bytes, from 1, where reading stopped; `nil` when the line as a whole is meant.
    public let column: Int?
    /// The JSON path (`$.status.code`) of the wrong member.
    public let path: String?
    /// What was wrong, as a sentence part.
    public let reason: String
    /// The bytes as they came, cut after 64 KiB.
    public let raw: [UInt8]

    init(_ code: Code, line: Int, column: Int? = nil, path: String? = nil, reason: String, raw: Run) {
        self.code = code
        self.line = line
        self.column = column
        self.path = path
        self.reason = reason
        self.raw = Array(raw.prefix(65_536))
    }

    public var description: String {
        var place = "line \(line)"
        if let column { place += ", column \(column)" }
        if let path { place += ", \(path)" }
        return "\(place): \(reason)"
    }
}
