/// How far a connection is with its requests, and what is to be done when something happens or nothing does.
///
/// It watches from below the server's own handlers: a client that sends its head or body too slowly is cut off, a request
/// that cannot be read is answered, and a connection whose answer says `close` is closed without losing that answer.
struct ConnectionState {
    enum Action: Equatable {
        case none
        /// Look again after so many seconds, instead of any time that was set before.
        case wait(seconds: Int)
        /// No time is running.
        case disarm
        /// Answer this problem and close.
        case refuse(Refusal)
        /// Let the client read what was sent, then close.
        case closeGently
        case close
    }

    enum Refusal: Equatable {
        case bodyTooSlow
        case headTooLarge
        case malformed
    }

    private let limits: HTTPLimits
    /// Requests whose head was read and whose answer is not yet written.
    private var unanswered = 0
    /// Between the head and the end of a request.
    private var isReading = false
    /// Seconds that the body that is being read may still take in all.
    private var bodySecondsLeft = 0
    /// Whether the answer that is being written has begun.
    private var isAnswering = false
    /// Whether the answer that is being written said that the connection closes.
    private var closesAfterAnswer = false
    /// What to say once the requests before it are answered.
    private var refusal: Refusal?
    /// Nothing is read or written any more but what this type asked for.
    private(set) var isOver = false

    init(limits: HTTPLimits) {
        self.limits = limits
    }

    /// Between two requests, with nothing unanswered.
    var isQuiet: Bool { unanswered == 0 && !isReading && refusal == nil && !isOver }

    mutating func opened() -> Action { .wait(seconds: limits.headSeconds) }

    mutating func readHead() -> Action {
        unanswered += 1
        isReading = true
        bodySecondsLeft = limits.bodySeconds
        return .wait(seconds: limits.bodyPauseSeconds)
    }

    /// A part of a body, read `seconds` after the part before.
    mutating func readBody(after seconds: Int) -> Action {
        bodySecondsLeft -= seconds
        guard bodySecondsLeft > 0 else { return tooSlow() }
        return .wait(seconds: min(limits.bodyPauseSeconds, bodySecondsLeft))
    }

    mutating func readEnd() -> Action {
        isReading = false
        return unanswered > 0 ? .disarm : .wait(seconds: limits.headSeconds)
    }

    /// The head of a final answer (not of an informational one).
    mutating func wroteHead(closing: Bool) -> Action {
        isAnswering = true
        closesAfterAnswer = closing
        return .none
    }

    mutating func wroteEnd() -> Action {
        isAnswering = false
        unanswered -= 1
        if closesAfterAnswer {
            isOver = true
            return .closeGently
        }
        guard unanswered <= 0 else { return .none }
        if let refusal { return refuse(refusal) }
        return isReading ? .none : .wait(seconds: limits.headSeconds)
    }

    /// The time that was set has passed.
    mutating func timePassed() -> Action {
        if isReading {
            // While an earlier request is answered nothing more may be read: the silence need not be the client's.
            return unanswered > 1 && !isAnswering ? .wait(seconds: limits.bodyPauseSeconds) : tooSlow()
        }
        guard unanswered <= 0 else { return .none }
        isOver = true
        return .close
    }

    /// What came cannot be read as HTTP.
    mutating func failed(_ refusal: Refusal) -> Action {
        guard !isOver else { return .none }
        if isReading { return isAnswering || unanswered > 1 ? abort() : refuse(refusal) }
        guard unanswered <= 0 else {
            self.refusal = refusal
            return .none
        }
        return refuse(refusal)
    }

    private mutating func tooSlow() -> Action {
        isAnswering || unanswered > 1 ? abort() : refuse(.bodyTooSlow)
    }

    private mutating func refuse(_ refusal: Refusal) -> Action {
        isOver = true
        return .refuse(refusal)
    }

    private mutating func abort() -> Action {
        isOver = true
        return .close
    }
}
