/// How many workers a function has, and how many of its runs there may be at once.
///
/// The most workers are ``FunctionVersion/Limits/concurrency``.
public struct FunctionScaling: Sendable, Hashable {
    /// Workers that are kept ready even when nobody calls.
    public var minimum = 0
    /// How long an idle worker is kept, milliseconds; `nil`: as the server does.
    public var idle: Int64?
    /// When calls would wait longer than this, all workers that are allowed start at once, milliseconds.
    public var burst = FunctionScaling.defaultBurst
    /// Events that one worker handles at the same time.
    public var concurrentEvents = 1
    /// Whether its workers are shared with other functions of its namespace that say the same and have the same limits.
    public var isShared = false
    /// Runs at the same time, all workers and versions together.
    public var runs: Int?
    /// Runs at the same time of calls that have the same key.
    public var runsPerKey: Int?
    /// The attribute of the event, or member of the arguments, that is the key; `nil`: the key by which events are
    /// ordered (`partitionkey`, else subject, else source).
    public var key: String?

    /// Bytes of code of a function that shares workers, at most: they travel to the worker by its socket.
    public static let sharedCodeLimit = 1 << 20
    public static let defaultBurst: Int64 = 500

    public init() {}
}
