import CloudEvents

/// What the owner of an event stream must do, beside publishing events.
public enum StreamAction: Sendable, Hashable {
    /// Events were lost: list the watched folders again.
    case reconcile(reason: String)
    /// The overflow of one subscription: list its folder again.
    case rescan(path: String)
    /// The server stops: make a new channel, subscribe again, list the folders.
    case recreateChannel
    /// Another client took the channel: do not connect again at once.
    case yieldChannel
    /// A subscription was made.
    case subscribed(String)
    /// A subscription ended; its path is watched no more.
    case unsubscribed(String, path: String?)
    /// The watched folder itself was renamed: its path is not known any more (§5.3).
    case pathStale(subscription: String, path: String)
}

/// Turns the messages of dCache's event stream into events: paths from what the subscriptions watch, moves from pairs.
///
/// A rename comes as two events with one cookie, in either order, perhaps on two subscriptions. The first waits for the
/// other while at most ``patience`` further messages come, or until `flush(into:)`; then it is a lone half: something
/// came into or left the watched folders. A value without clock: the owner flushes after a quiet time.
public struct InotifyMapper: Sendable {
    /// What the subscriptions watch: URL → path, as subscribed.
    public var watches: [String: String]
    /// How many messages a lone half waits.
    public static let patience = 5
    /// Whether events that only the producer's own vocabulary has (open, access, modify …) are given too.
    public var includesOwnTypes: Bool
    /// What the owner must do; taken by `takeActions()`.
    private var actions: [StreamAction] = []
    private var waiting: [Half] = []
    private var clock = 0

    struct Half: Sendable, Hashable {
        var cookie: String
        var isFrom: Bool
        var isDirectory: Bool
        var path: String
        var subscription: String
        var id: String?
        var native: JSONValue
        var born: Int
        var line: Int
    }

    /// What messages told.
    public struct Output: Sendable {
        public var happenings: [StreamHappening] = []
        public var failures: [DecodeFailure] = []
        /// Messages that say nothing that is published.
        public var ignored = 0
        public init() {}
    }

    public init(watches: [String: String], includesOwnTypes: Bool = false) {
        self.watches = watches
        self.includesOwnTypes = includesOwnTypes
    }

    /// What the owner must do since the last call.
    public mutating func takeActions() -> [StreamAction] {
        defer { actions = [] }
        return actions
    }

    /// Whether halves of moves wait for their other halves; then `flush` is due after a quiet time.
    public var isWaiting: Bool { !waiting.isEmpty }

    /// Takes one message; events and failures go into `batch`.
    public mutating func take(_ message: StreamMessage, line: Int = 0, into batch: inout DecodedBatch) {
        var output = Output()
        take(message, line: line, into: &output)
        batch.take(output)
    }

    /// Takes one message; what happened, and failures, go into `output`.
    public mutating func take(_ message: StreamMessage, line: Int = 0, into output: inout Output) {
        clock += 1
        defer { expire(into: &output) }
        let native: JSONValue
        do throws(JSONError) {
            native = try JSONValue(parsing: message.data)
        } catch {
            fail(.badJSON, message, line, column: error.column, reason: error.reason, into: &output)
            return
        }
        switch message.event {
        case "SYSTEM": system(native, message, line, into: &output)
        case "inotify": inotify(native, message, line, into: &output)
        default: break
        }
    }

    /// Gives up waiting: lone halves become events.
    public mutating func flush(into batch: inout DecodedBatch) {
        var output = Output()
        flush(into: &output)
        batch.take(output)
    }

    /// Gives up waiting: lone halves have happened.
    public mutating func flush(into output: inout Output) {
        let halves = waiting
        waiting = []
        for half in halves { emitLone(half, into: &output) }
    }

    private mutating func expire(into output: inout Output) {
        while let first = waiting.first, clock - first.born > Self.patience {
            waiting.removeFirst()
            emitLone(first, into: &output)
        }
    }

    private mutating func system(
        _ native: JSONValue, _ message: StreamMessage, _ line: Int, into output: inout Output
    ) {
        let subscription = native["subscription"]?.string
        switch native["type"]?.string {
        case "NEW_SUBSCRIPTION": if let subscription { actions.append(.subscribed(subscription)) }
        case "SUBSCRIPTION_CLOSED":
            if let subscription {
                actions.append(.unsubscribed(subscription, path: watches[subscription]))
                watches[subscription] = nil
            }
        case "COMPETING_CLIENT": actions.append(.yieldChannel)
        case "EVENT_LOSS": actions.append(.reconcile(reason: "the server's backlog was thrown away"))
        case "SHUTDOWN": actions.append(.recreateChannel)
        default:
            fail(.badStream, message, line, path: "$.type", reason: "a known SYSTEM type was expected", into: &output)
        }
    }

    private mutating func inotify(
        _ native: JSONValue, _ message: StreamMessage, _ line: Int, into output: inout Output
    ) {
        guard let mask = native["event"]?["mask"]?.array?.compactMap(\.string), let kind = mask.first else {
            fail(
                .badRecord, message, line, path: "$.event.mask", reason: "a list of flags was expected", into: &output)
            return
        }
        guard let subscription = native["subscription"]?.string else {
            fail(.badRecord, message, line, path: "$.subscription", reason: "a URL was expected", into: &output)
            return
        }
        guard let watched = watches[subscription] else {
            fail(
                .badStream, message, line, path: "$.subscription",
                reason: "it is not known what this subscription watches", into: &output)
            return
        }
        let name = native["event"]?["name"]?.string
        let path = name.map { watched == "/" ? "/" + $0 : watched + "/" + $0 } ?? watched
        let isDirectory = mask.contains("IN_ISDIR")
        let made = Made(path: path, subscription: subscription, id: message.id, native: native, line: line)
        func tell(_ type: String) { emit(type, made, isDirectory: isDirectory, into: &output) }
        switch kind {
        case "IN_Q_OVERFLOW": actions.append(.rescan(path: watched))
        case "IN_IGNORED": break
        case "IN_CLOSE_WRITE": tell("dev.weir.file.written")
        case "IN_CLOSE_NOWRITE" where !isDirectory: tell("dev.weir.file.read")
        case "IN_DELETE", "IN_DELETE_SELF":
            tell(isDirectory ? "dev.weir.directory.deleted" : "dev.weir.file.deleted")
        case "IN_CREATE" where isDirectory: tell("dev.weir.directory.created")
        case "IN_ATTRIB": tell("dev.weir.file.attributes")
        case "IN_MOVED_FROM", "IN_MOVED_TO":
            move(kind == "IN_MOVED_FROM", isDirectory, made, cookie: native["event"]?["cookie"]?.string, into: &output)
        case "IN_MOVE_SELF":
            actions.append(.pathStale(subscription: subscription, path: watched))
            own(kind, made, isDirectory: isDirectory, into: &output)
        default: own(kind, made, isDirectory: isDirectory, into: &output)
        }
    }

    private mutating func move(
        _ isFrom: Bool, _ isDirectory: Bool, _ made: Made, cookie: String?, into output: inout Output
    ) {
        let half = Half(
            cookie: cookie ?? "", isFrom: isFrom, isDirectory: isDirectory, path: made.path,
            subscription: made.subscription, id: made.id, native: made.native, born: clock, line: made.line)
        guard let cookie else {
            emitLone(half, into: &output)
            return
        }
        guard let index = waiting.firstIndex(where: { $0.cookie == cookie && $0.isFrom != isFrom }) else {
            waiting.append(half)
            return
        }
        let other = waiting.remove(at: index)
        emitPair(from: isFrom ? half : other, to: isFrom ? other : half, into: &output)
    }

    private func fail(
        _ code: DecodeFailure.Code, _ message: StreamMessage, _ line: Int, column: Int? = nil, path: String? = nil,
        reason: String, into output: inout Output
    ) {
        message.data.withUnsafeBytes {
            output.failures.append(
                DecodeFailure(code, line: line, column: column, path: path, reason: reason, raw: $0))
        }
    }
}
