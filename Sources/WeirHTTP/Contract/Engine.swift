package import Channels
package import CloudEvents
package import Invocation

/// What the HTTP face needs of the server behind it.
///
/// Every call says what may go wrong as a ``Problem``, which is answered as it is. Whoever reads events is handed the
/// caller's scope inside the ``EventSelection`` and must not look past it.
package protocol Engine: Sendable {
    // MARK: Resources

    /// Lists things of a kind, sorted by name.
    func resources(
        _ kind: ResourceKind, namespace: String, page: PageRequest
    ) async throws(Problem) -> Page<Resource>
    /// One thing; `nil` when there is none of that name.
    func resource(_ kind: ResourceKind, namespace: String, name: String) async throws(Problem) -> Resource?
    /// Makes a thing what the document says; the same document again changes nothing.
    func put(_ request: PutRequest) async throws(Problem) -> PutOutcome
    /// Removes a thing; `false` when there was none.
    func delete(
        _ kind: ResourceKind, namespace: String, name: String, precondition: Precondition, dryRun: Bool, caller: Caller
    ) async throws(Problem) -> Bool
    /// The versions of a function, newest first; `nil` when there is no such function.
    func functionVersions(namespace: String, name: String) async throws(Problem) -> [JSONValue]?

    // MARK: Events

    /// Appends events and returns when all are durable. The hot call.
    func publish(
        _ events: [EventRecord], to channel: String, namespace: String
    ) async throws(Problem) -> [AppendOutcome]
    /// Takes what was posted to a source, and says how much: `events`, `unreadable`. A sender that does not show the
    /// source's secret, and one that posts to nothing, are told the same.
    func take(_ hook: HookRequest) async throws(Problem) -> JSONObject
    /// The partitions of a channel; throws not-found when there is no such channel.
    func partitionCount(channel: String, namespace: String) async throws(Problem) -> Int
    /// Where `start` is, in these partitions.
    func position(
        of start: StartPosition, partitions: [Int], channel: String, namespace: String
    ) async throws(Problem) -> ChannelPosition
    /// Reads on from a position. A filter that matches little may bring an empty page that is not the end.
    func readEvents(_ query: EventQuery) async throws(Problem) -> EventPage
    /// Returns when there may be more to read behind `position`, when the channel goes, or when the task is cancelled.
    func waitForEvents(channel: String, namespace: String, behind position: ChannelPosition) async

    // MARK: Subscriptions

    /// Pauses or resumes; the subscription as it then is, `nil` when there is none.
    func setPaused(
        _ paused: Bool, subscription: String, namespace: String, caller: Caller
    ) async throws(Problem) -> Resource?
    /// What could not be delivered and why, newest last; `nil` when there is no such subscription.
    func deadLetters(
        subscription: String, namespace: String, page: PageRequest, scope: ReadScope
    ) async throws(Problem) -> Page<JSONValue>?
    /// Begins a replay or, in a dry run, says what it would do; `nil` when there is no such subscription.
    func replay(_ request: ReplayRequest) async throws(Problem) -> JSONObject?
    func replays(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue>
    func replay(id: String, namespace: String) async throws(Problem) -> JSONObject?
    /// Ends a replay before it is done; `false` when there is none.
    func cancelReplay(id: String, namespace: String) async throws(Problem) -> Bool

    // MARK: Functions

    /// Runs a function; throws not-found when there is none.
    func invoke(
        _ function: FunctionReference, call: FunctionCall, blocking: Bool, caller: Caller
    ) async throws(Problem) -> InvocationOutcome
    /// Runs a function and says on any thread what came of it, where all that can begin without waiting. `false`: nothing
    /// has begun, and ``invoke(_:call:blocking:caller:)`` is the way.
    func begin(
        _ function: FunctionReference, call: FunctionCall, then: @escaping @Sendable (Activation) -> Void
    ) -> Bool
    /// Runs, newest first.
    func activations(_ query: ActivationQuery) async throws(Problem) -> Page<Activation>
    func activation(id: String, namespace: String) async throws(Problem) -> Activation?
    /// Log lines behind a cursor (`nil`: the oldest kept; `latest`: nothing but what comes), oldest first.
    func logs(_ query: LogQuery) async throws(Problem) -> LogPage
    /// Returns when there may be lines behind the cursor, or when the task is cancelled.
    func waitForLogs(namespace: String, behind cursor: String) async

    // MARK: Keys

    /// The keys of a namespace, without their secret halves.
    func keys(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue>
    /// A new key, whole: the only time that it is seen.
    func makeKey(namespace: String, note: String?) async throws(Problem) -> JSONObject
    /// Withdraws a key; `false` when there is none.
    func deleteKey(id: String, namespace: String) async throws(Problem) -> Bool

    // MARK: The server

    func status() async -> JSONObject
    func version() -> JSONObject
    /// The workers of all functions: pools, queues, shares, stems, and what was decided so far.
    func workers() async -> JSONObject
    /// More Prometheus text, to stand behind the face's own.
    func metrics() async -> String
    /// Why the server is not ready to serve; empty when it is.
    func obstacles() async -> [String]
    /// What the health answer says beside that the process is alive; anybody may read it.
    func health() async -> JSONObject
}

/// The wish to run a subscription over a past range.
package struct ReplayRequest: Sendable {
    package var namespace: String
    package var subscription: String
    package var from: StartPosition
    /// Where it ends; `latest` (the end as it is when the replay begins) when not said.
    package var to: StartPosition
    /// Another sink than the subscription's own, as the manifest writes it: `function:checksum`.
    package var sink: String?
    /// Only say how many events match, samples of them, and what they would cost.
    package var dryRun: Bool
    package var scope: ReadScope
    package var caller: Caller
}

/// What became of a call.
package enum InvocationOutcome: Sendable {
    case finished(Activation)
    /// It runs, or waits to; look for it by this id.
    case accepted(id: String)
}

/// Which activations are wanted.
package struct ActivationQuery: Sendable, Hashable {
    package var namespace: String
    package var function: String?
    package var subscription: String?
    package var status: Activation.Status?
    /// Started at or after, and before: milliseconds since 1970.
    package var since: Int64?
    package var until: Int64?
    package var page: PageRequest
}

/// Which log lines are wanted.
package struct LogQuery: Sendable, Hashable {
    package var namespace: String
    package var function: String?
    package var since: Int64?
    /// `nil`: from the oldest kept (or `since`) on; ``latest``: only what comes.
    package var cursor: String?
    package var limit: Int

    /// The cursor behind the newest line that is there now.
    package static let latest = "latest"
}

/// A line and where it comes from.
package struct LogEntry: Sendable, Hashable {
    package var activation: String
    package var function: String
    package var line: Activation.LogLine

    package init(activation: String, function: String, line: Activation.LogLine) {
        self.activation = activation
        self.function = function
        self.line = line
    }
}

/// Log lines and where to read on.
package struct LogPage: Sendable {
    package var lines: [LogEntry]
    package var cursor: String

    package init(lines: [LogEntry], cursor: String) {
        self.lines = lines
        self.cursor = cursor
    }
}

extension Engine {
    package func health() async -> JSONObject { [:] }

    package func take(_ hook: HookRequest) async throws(Problem) -> JSONObject {
        throw .unauthenticated("nothing is taken here without its secret")
    }
}
