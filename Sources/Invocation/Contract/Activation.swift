public import CloudEvents
package import Egress
package import Staging

/// One run of a function: what went in, what came out, what it said and what it took.
public struct Activation: Sendable {
    /// How a run ended. The words are OpenWhisk's where it has one.
    public enum Status: String, Sendable, Hashable, CaseIterable {
        case success
        /// The function said that it failed: it returned `{"error": …}` or raised an exception.
        case applicationError = "application error"
        /// The function's process died, answered what cannot be read, or could not be started from its code.
        case developerError = "developer error"
        /// The time limit passed; the process was killed.
        case timeout
        /// Weir could not run it: no such function, no worker to be had.
        case internalError = "internal error"
        /// The event's file could not be brought in (it is gone, or another than the event told of), or what the run left
        /// could not be put into its place.
        case stagingError = "staging error"

        /// Whether another attempt may help. A function that is missing or cannot be loaded will not heal by itself,
        /// yet is retried: the next version may be on its way.
        public var isSuccess: Bool { self == .success }
    }

    /// One line that a function wrote.
    public struct LogLine: Sendable, Hashable {
        public enum Stream: String, Sendable { case stdout, stderr }
        /// Milliseconds since 1970, when the server read it.
        public var time: Int64
        public var stream: Stream
        public var text: String

        public init(time: Int64, stream: Stream, text: String) {
            self.time = time
            self.stream = stream
            self.text = text
        }
    }

    /// An event that the function published, before Weir gave it its id, source and cause.
    public struct Published: Sendable, Hashable {
        public var type: String
        public var subject: String?
        /// The id if the function set one; else it is derived from (event, function version, index).
        public var id: String?
        public var source: String?
        public var datacontenttype: String?
        public var extensions: [CloudEvent.Extension]
        public var data: CloudEvent.Payload?

        public init(
            type: String, subject: String? = nil, id: String? = nil, source: String? = nil,
            datacontenttype: String? = nil, extensions: [CloudEvent.Extension] = [], data: CloudEvent.Payload? = nil
        ) {
            self.type = type
            self.subject = subject
            self.id = id
            self.source = source
            self.datacontenttype = datacontenttype
            self.extensions = extensions
            self.data = data
        }
    }

    /// How the worker of a first call was started, and why.
    public struct ColdStart: Sendable, Hashable {
        public enum Way: String, Sendable, Hashable, CaseIterable {
            /// An isolated process that waited for code.
            case stem
            /// A fork of a preloaded interpreter.
            case zygote
            /// A new process.
            case exec
            case container
        }

        public var way: Way
        /// A sentence: why a worker was needed, and why it came this way.
        public var reason: String

        public init(way: Way, reason: String) {
            self.way = way
            self.reason = reason
        }
    }

    /// 32 hexadecimal digits; begins with the start time (as UUIDv7), so that ids sort by time.
    public var id: String
    public var function: FunctionReference
    public var cause: FunctionCall.Cause
    public var status: Status
    /// What the function returned (JSON), or why it failed: `{"error": …}`. UTF-8.
    public var result: [UInt8]
    public var published: [Published]
    public var logs: [LogLine]
    /// Whether lines were left out because the log limit was reached.
    public var logsTruncated: Bool
    /// Milliseconds since 1970.
    public var start: Int64
    public var end: Int64
    /// Nanoseconds that the handler ran, as measured in the worker; 0 when it did not get so far.
    public var runNanoseconds: Int64
    /// Milliseconds from the call to the start of the run.
    public var waitMilliseconds: Int64
    /// Milliseconds spent on making a new worker ready; `nil` when a warm one served.
    public var initMilliseconds: Int64?
    /// How that worker was started; `nil` when a warm one served.
    public var coldStart: ColdStart?
    /// The isolation level of the worker (0 none … 3 full).
    public var isolation: Int
    /// The files that the run was given.
    package var inputs: [InputRecord] = []
    /// The files that the run made, in their places.
    package var outputs: [OutputRecord] = []
    /// What it did with the network, for functions that may reach some of it.
    package var network: NetworkUse?

    public init(
        id: String, function: FunctionReference, cause: FunctionCall.Cause, status: Status, result: [UInt8],
        published: [Published] = [], logs: [LogLine] = [], logsTruncated: Bool = false, start: Int64, end: Int64,
        runNanoseconds: Int64 = 0, waitMilliseconds: Int64 = 0, initMilliseconds: Int64? = nil,
        coldStart: ColdStart? = nil, isolation: Int = 0
    ) {
        self.id = id
        self.function = function
        self.cause = cause
        self.status = status
        self.result = result
        self.published = published
        self.logs = logs
        self.logsTruncated = logsTruncated
        self.start = start
        self.end = end
        self.runNanoseconds = runNanoseconds
        self.waitMilliseconds = waitMilliseconds
        self.initMilliseconds = initMilliseconds
        self.coldStart = coldStart
        self.isolation = isolation
    }

    /// Whose run it is: the namespace in whose lists it stands.
    public var namespace: String { cause.namespace ?? function.namespace }
}
