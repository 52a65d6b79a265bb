/// Puts the two halves of a rename together.
///
/// The kernel tells a rename as `IN_MOVED_FROM` and `IN_MOVED_TO` with one cookie, one right after the other, but they
/// may come in two reads, and a half whose other side lies outside the watched tree comes alone. Records are given out
/// strictly in their order; a first half without its second at hand holds everything behind it back until the second
/// comes or `grace` has passed since it was read. All halves wait at the same time, so a thousand files moved away cost
/// one `grace`.
package struct MoveJoiner: Sendable {
    package enum Joined: Sendable, Hashable {
        case record(InotifyRecord, observed: Int64)
        case moved(from: InotifyRecord, to: InotifyRecord, observed: Int64)
        /// The other half never came.
        case movedOut(InotifyRecord, observed: Int64)
        case movedIn(InotifyRecord, observed: Int64)
    }

    private struct Waiting {
        var record: InotifyRecord
        var observed: Int64
        var taken = false
    }

    private var queue: [Waiting] = []
    private var head = 0
    /// Where the second half of a cookie waits, as an index counted from the first record ever.
    private var targets: [UInt32: Int] = [:]
    private var removed = 0
    /// Nanoseconds.
    private let grace: Int64

    /// - Parameter grace: how long a first half waits for its second, in nanoseconds.
    package init(grace: Int64 = 50_000_000) {
        self.grace = grace
    }

    /// Takes records that were read at a time (nanoseconds, of whatever clock `next` uses too).
    package mutating func receive(_ records: [InotifyRecord], at now: Int64) {
        for record in records {
            if record.mask.contains(.movedTo), record.cookie != 0 { targets[record.cookie] = removed + queue.count }
            queue.append(Waiting(record: record, observed: now))
        }
    }

    /// The next of what happened, if it can be told already.
    package mutating func next(at now: Int64) -> Joined? {
        while head < queue.count {
            let waiting = queue[head]
            if waiting.taken {
                advance()
                continue
            }
            let record = waiting.record
            if record.mask.contains(.movedFrom) {
                if let index = targets.removeValue(forKey: record.cookie), index - removed > head {
                    let target = queue[index - removed]
                    queue[index - removed].taken = true
                    advance()
                    return .moved(from: record, to: target.record, observed: target.observed)
                }
                guard now - waiting.observed >= grace else { return nil }
                advance()
                return .movedOut(record, observed: waiting.observed)
            }
            advance()
            guard record.mask.contains(.movedTo) else { return .record(record, observed: waiting.observed) }
            targets[record.cookie] = nil
            return .movedIn(record, observed: waiting.observed)
        }
        return nil
    }

    /// When `next` can tell more without further records; `nil` when nothing waits.
    package var deadline: Int64? { head < queue.count ? queue[head].observed + grace : nil }

    /// Where a name goes to by a rename that is at hand already, behind what is told now.
    package func target(ofMoveFrom watch: Int32, _ name: [UInt8]) -> InotifyRecord? {
        for waiting in queue[head...] where waiting.record.watch == watch && waiting.record.name == name {
            guard waiting.record.mask.contains(.movedFrom), let index = targets[waiting.record.cookie] else { continue }
            return queue[index - removed].record
        }
        return nil
    }

    private mutating func advance() {
        head += 1
        if head == queue.count {
            removed += queue.count
            queue.removeAll(keepingCapacity: true)
            head = 0
        }
    }
}
