import EventSources
import Testing

@Suite struct MoveJoinerTests {
    private let grace: Int64 = 100
    private func record(_ mask: InotifyMask, _ name: String, cookie: UInt32 = 0, watch: Int32 = 1) -> InotifyRecord {
        InotifyRecord(watch: watch, mask: mask, cookie: cookie, name: Array(name.utf8))
    }

    @Test func bothHalvesInOneReadAreOneMoveAndOrderStays() {
        var joiner = MoveJoiner(grace: grace)
        let from = record(.movedFrom, "a", cookie: 7)
        let between = record(.closeWrite, "x")
        let to = record(.movedTo, "b", cookie: 7)
        let after = record(.delete, "y")
        joiner.receive([from, between, to, after], at: 5)
        #expect(joiner.next(at: 5) == .moved(from: from, to: to, observed: 5))
        #expect(joiner.next(at: 5) == .record(between, observed: 5))
        #expect(joiner.next(at: 5) == .record(after, observed: 5))
        #expect(joiner.next(at: 5) == nil)
        #expect(joiner.deadline == nil)
    }

    @Test func aFirstHalfHoldsBackWhatFollowsUntilItsSecondComes() {
        var joiner = MoveJoiner(grace: grace)
        let from = record(.movedFrom, "a", cookie: 7)
        let to = record(.movedTo, "b", cookie: 7)
        let other = record(.closeWrite, "x")
        joiner.receive([from, other], at: 0)
        #expect(joiner.next(at: 50) == nil)
        #expect(joiner.deadline == 100)
        joiner.receive([to], at: 60)
        #expect(joiner.next(at: 60) == .moved(from: from, to: to, observed: 60))
        #expect(joiner.next(at: 60) == .record(other, observed: 0))
        #expect(joiner.next(at: 60) == nil)
    }

    @Test func aLoneFirstHalfIsGivenUpAfterTheGraceAndAllWaitAtTheSameTime() {
        var joiner = MoveJoiner(grace: grace)
        joiner.receive((1...50).map { record(.movedFrom, "f\($0)", cookie: $0) }, at: 0)
        #expect(joiner.next(at: 99) == nil)
        var count = 0
        while let step = joiner.next(at: 100) {
            guard case .movedOut = step else {
                Issue.record("not a lone half: \(step)")
                break
            }
            count += 1
        }
        #expect(count == 50)
    }

    @Test func aLoneSecondHalfNeedsNoWaiting() {
        var joiner = MoveJoiner(grace: grace)
        let to = record(.movedTo, "b", cookie: 9)
        joiner.receive([to], at: 0)
        #expect(joiner.next(at: 0) == .movedIn(to, observed: 0))
    }

    @Test func theTargetOfARenameAtHandCanBeAskedFor() {
        var joiner = MoveJoiner(grace: grace)
        let to = record(.movedTo, "b", cookie: 3, watch: 2)
        joiner.receive([record(.closeWrite, "a"), record(.movedFrom, "a", cookie: 3), to], at: 0)
        _ = joiner.next(at: 0)
        #expect(joiner.target(ofMoveFrom: 1, Array("a".utf8)) == to)
        #expect(joiner.target(ofMoveFrom: 2, Array("a".utf8)) == nil)
    }
}
