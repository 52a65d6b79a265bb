/// Which bytes of a connection are a call that is answered in front of the HTTP codec, and which go through it.
///
/// Only a request that stands alone between two moments of rest is taken: it came whole, nothing came with it, and all that
/// came before it is answered. Where the bounds of a request that went on are known, the one behind it may be taken again;
/// where they are not, the connection is left to the codec for good.
struct FrontPath {
    enum Action: Equatable {
        /// Hand the bytes on, those that were held with them.
        case pass
        /// Keep them: the rest of the call is still to come.
        case hold
        /// They are a whole call: answer it, or say that you cannot.
        case answer
        /// Keep them for when the call that runs is answered.
        case wait
    }

    /// How long the request at the beginning of some bytes is, head and body, and whether it may be answered here.
    struct Framing: Equatable {
        var length: Int
        var isCall: Bool
    }

    private enum Phase: Equatable {
        /// Between two requests.
        case between
        /// So many bytes of a request that went on are still to come.
        case passing(left: Int)
        /// The beginning of a call of this length is held.
        case holding(length: Int)
        case answering
        /// Nothing is known of what the codec has.
        case above
    }

    private let limit: Int
    private let holdLimit: Int
    private var phase = Phase.between

    /// - Parameters:
    ///   - limit: bytes of a call, its head included, that are taken here.
    ///   - holdLimit: the same of a call that comes piece by piece: each piece is held beside those before it.
    init(limit: Int, holdLimit: Int) {
        self.limit = limit
        self.holdLimit = min(limit, holdLimit)
    }

    var isAnswering: Bool { phase == .answering }
    /// Whether all that comes is the codec's, for good.
    var isAbove: Bool { phase == .above }

    /// Bytes have come, `count` with those that are held.
    ///
    /// - Parameters:
    ///   - isQuiet: whether all requests that went on are read and answered.
    ///   - look: finds the bounds of the request with which the bytes begin.
    mutating func read(_ count: Int, isQuiet: Bool, _ look: () -> Framing?) -> Action {
        switch phase {
        case .answering: return .wait
        case .above: return .pass
        case .passing(let left):
            pass(count, of: left)
            return .pass
        case .holding(let length):
            guard isQuiet, count <= length else {
                pass(count, of: length)
                return .pass
            }
            if count == length { phase = .answering }
            return count == length ? .answer : .hold
        case .between:
            guard isQuiet, let framing = look() else {
                phase = .above
                return .pass
            }
            let isWhole = count == framing.length
            guard framing.isCall, count <= framing.length, framing.length <= (isWhole ? limit : holdLimit) else {
                pass(count, of: framing.length)
                return .pass
            }
            phase = isWhole ? .answering : .holding(length: framing.length)
            return isWhole ? .answer : .hold
        }
    }

    private mutating func pass(_ count: Int, of length: Int) {
        phase = count < length ? .passing(left: length - count) : count == length ? .between : .above
    }

    /// The call is answered, or its bytes went on whole.
    mutating func answered() { phase = .between }

    /// The connection is to end: nothing is taken any more but the call that runs.
    mutating func leave() {
        if phase != .answering { phase = .above }
    }

    /// The bytes that are held, `count` of them, go on.
    mutating func gaveUp(_ count: Int) {
        guard case .holding(let length) = phase else { return }
        pass(count, of: length)
    }
}
