/// From where on the appends of one subscription may lie in the channels that it appends to, so that whoever takes over
/// can look whether an unsettled event's replies are there already.
struct AppendMarks {
    typealias Token = UInt64

    /// What an append could not lie below when it began, by append; until its event is settled or put back.
    private var open: [Token: [String: [UInt64]]] = [:]
    /// Appends that have ended while the events that they were for have not.
    private var held: [(token: Token, events: [Event])] = []
    private var last: Token = 0

    struct Event {
        var partition: Int
        var offset: UInt64
    }

    /// An append begins.
    mutating func begin(_ marks: [String: [UInt64]]) -> Token {
        last += 1
        open[last] = marks
        return last
    }

    /// What it was for is settled.
    mutating func end(_ token: Token?) {
        if let token { open[token] = nil }
    }

    /// It has ended, but some of these events may be tried again: what was appended must be found until they are settled.
    mutating func hold(_ token: Token?, for events: [Event]) {
        if let token { held.append((token, events)) }
    }

    /// Ends what was held for events that are settled by now.
    mutating func release(_ isSettled: (Event) -> Bool) {
        guard !held.isEmpty else { return }
        let done = held.filter { $0.events.allSatisfy(isSettled) }
        for one in done { open[one.token] = nil }
        held.removeAll { one in done.contains { $0.token == one.token } }
    }

    /// Whether nothing was appended on behalf of an event that is not settled.
    var isEmpty: Bool { open.isEmpty }

    /// The marks to be kept: no append that is under way or yet to come lies below.
    ///
    /// - Parameter now: where appends would lie that begin now.
    func lowest(_ now: [String: [UInt64]]) -> [DeliveryState.Mark] {
        var lowest = now
        for marks in open.values {
            for (channel, offsets) in marks {
                guard let other = lowest[channel], other.count == offsets.count else {
                    lowest[channel] = offsets
                    continue
                }
                lowest[channel] = zip(other, offsets).map { min($0, $1) }
            }
        }
        return lowest.sorted { $0.key < $1.key }.map { DeliveryState.Mark(channel: $0.key, offsets: $0.value) }
    }
}
