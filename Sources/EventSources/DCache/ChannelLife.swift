/// Decides what is done about the channel of a dCache event stream: make one, open its stream, wait, look for what was
/// missed.
///
/// The channel lives in the memory of one frontend. It is resumed with the id of the last event; when that cannot be,
/// something may have been lost, and the name space is looked at. Times are nanoseconds that only grow.
struct ChannelLife: Sendable, Hashable {
    enum Step: Sendable, Hashable {
        case wait(Int64)
        case create
        /// Open the stream of the channel.
        case open(String)
    }

    /// Why the name space must be looked at.
    enum Search: Sendable, Hashable {
        /// The very first time.
        case first
        /// Something may have been lost.
        case repair(String)
    }

    static let firstPause: Int64 = 250_000_000
    static let longestPause: Int64 = 30_000_000_000
    /// How long the channel is left to another client that has taken it.
    private let yieldPause: Int64

    private(set) var channel: String?
    /// Whether the channel has no subscriptions yet.
    private(set) var isNew = false
    private var failures = 0
    private var notBefore: Int64 = 0
    private var isKnown: Bool
    private(set) var search: Search?

    /// - Parameter isKnown: whether the watched folders were looked at before.
    init(channel: String?, isKnown: Bool, yieldPause: Int64 = 60_000_000_000) {
        self.channel = channel
        self.yieldPause = yieldPause
        self.isKnown = isKnown
    }

    mutating func next(now: Int64) -> Step {
        if now < notBefore { return .wait(notBefore - now) }
        guard let channel else { return .create }
        return .open(channel)
    }

    /// A channel was made.
    mutating func created(_ channel: String) {
        self.channel = channel
        isNew = true
        if search == nil {
            search = isKnown ? .repair("the channel was lost with what had not been read") : .first
        }
    }

    /// The stream is open.
    mutating func opened() { failures = 0 }

    /// The subscriptions of a new channel stand, or are being made.
    mutating func subscribed() { isNew = false }

    /// The name space has been looked at.
    mutating func searched() {
        search = nil
        isKnown = true
    }

    /// The channel does not exist, or is another's now.
    mutating func lost(now: Int64, _ why: String) {
        channel = nil
        isNew = false
        if isKnown { search = .repair(why) }
        pause(now)
    }

    /// Something failed that may work later, or the stream has ended.
    mutating func failed(now: Int64) { pause(now) }

    /// The server threw away what had not been read.
    mutating func lostEvents(_ why: String) { search = isKnown ? .repair(why) : .first }

    /// Another client has taken the channel: it would be taken from each other for ever.
    mutating func taken(now: Int64) { notBefore = now + yieldPause }

    private mutating func pause(_ now: Int64) {
        notBefore = max(notBefore, now + min(Self.firstPause << min(failures, 16), Self.longestPause))
        failures += 1
    }
}
