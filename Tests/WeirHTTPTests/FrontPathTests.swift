import TestSupport
import Testing

@testable import WeirHTTP

@Suite struct FrontPathTests {
    private typealias Framing = FrontPath.Framing

    private func call(_ length: Int) -> () -> Framing? { { Framing(length: length, isCall: true) } }
    private func other(_ length: Int) -> () -> Framing? { { Framing(length: length, isCall: false) } }

    @Test func aCallThatStandsAloneIsAnswered() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        #expect(path.read(10, isQuiet: true, call(10)) == .answer)
        #expect(path.isAnswering && path.read(3, isQuiet: true, call(10)) == .wait)
        path.answered()
        #expect(path.read(4, isQuiet: true, call(10)) == .hold)
        #expect(path.read(10, isQuiet: true, call(10)) == .answer)
    }

    @Test func whatGoesOnIsFollowedToItsEnd() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        #expect(path.read(10, isQuiet: true, other(30)) == .pass)
        #expect(path.read(20, isQuiet: false, { nil }) == .pass)
        #expect(path.read(10, isQuiet: true, call(10)) == .answer)
    }

    /// A call of which more is known than comes here, or that is not alone, is the codec's.
    @Test func aCallThatIsNotAloneGoesOnForGood() {
        for (count, isQuiet) in [(11, true), (10, false)] {
            var path = FrontPath(limit: 100, holdLimit: 50)
            #expect(path.read(count, isQuiet: isQuiet, call(10)) == .pass)
            #expect(path.read(10, isQuiet: true, call(10)) == .pass)
        }
        var large = FrontPath(limit: 100, holdLimit: 50)
        #expect(large.read(101, isQuiet: true, call(101)) == .pass)
        #expect(large.read(10, isQuiet: true, call(10)) == .answer)
    }

    /// What comes piece by piece is held only while it is short.
    @Test func aLongCallIsAnsweredOnlyWhenItComesWhole() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        #expect(path.read(10, isQuiet: true, call(51)) == .pass)
        #expect(path.read(41, isQuiet: false, { nil }) == .pass)
        #expect(path.read(51, isQuiet: true, call(51)) == .answer)
    }

    @Test func aConnectionThatIsToEndTakesNothingMore() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        path.leave()
        #expect(path.isAbove && path.read(10, isQuiet: true, call(10)) == .pass)
        var busy = FrontPath(limit: 100, holdLimit: 50)
        #expect(busy.read(10, isQuiet: true, call(10)) == .answer)
        busy.leave()
        #expect(busy.isAnswering)
    }

    @Test func whatIsNotUnderstoodGoesOnForGood() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        #expect(path.read(10, isQuiet: true, { nil }) == .pass)
        #expect(path.read(10, isQuiet: true, call(10)) == .pass)
    }

    @Test func whatIsGivenUpIsFollowedToItsEnd() {
        var path = FrontPath(limit: 100, holdLimit: 50)
        #expect(path.read(4, isQuiet: true, call(10)) == .hold)
        path.gaveUp(4)
        #expect(path.read(6, isQuiet: false, { nil }) == .pass)
        #expect(path.read(10, isQuiet: true, call(10)) == .answer)
    }

    /// However a stream of requests is cut: every byte goes on or is answered, once and in order, and what is answered is
    /// always one whole call.
    @Test func noByteIsLostDoubledOrMisread() {
        let seed = SeededGenerator().seed
        for turn in 0..<2_000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed &+ turn)
            var bounds: [Int: Framing] = [:]
            var end = 0
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let framing = Framing(
                    length: Int.random(in: 3...40, using: &generator), isCall: .random(using: &generator))
                bounds[end] = framing
                end += framing.length
            }
            var path = FrontPath(limit: 30, holdLimit: 25)
            var (position, held, done) = (0, 0, 0)
            var waiting: [Int] = []
            while position < end || !waiting.isEmpty {
                let count: Int
                if !waiting.isEmpty, !path.isAnswering {
                    count = waiting.removeFirst()
                } else {
                    if path.isAnswering, position == end || .random(using: &generator) {
                        path.answered()
                        continue
                    }
                    count = min(
                        end - position,
                        .random(using: &generator)
                            ? Int.random(in: 1...50, using: &generator) : (bounds[position]?.length ?? 5))
                    position += count
                }
                let begin = done
                let all = held + count
                // The codec's parser is not asked where a request begins: only what came whole and alone is known.
                let action = path.read(all, isQuiet: .random(using: &generator)) {
                    bounds[begin].flatMap { $0.length <= 3 ? nil : $0 }
                }
                switch action {
                case .pass:
                    done += all
                    held = 0
                case .hold: held = all
                case .wait: waiting.append(count)
                case .answer:
                    #expect(
                        bounds[begin] == Framing(length: all, isCall: true), "seed \(seed), turn \(turn)")
                    done += all
                    held = 0
                }
                if held > 0, Int.random(in: 0..<8, using: &generator) == 0 {
                    path.gaveUp(held)
                    done += held
                    held = 0
                }
            }
            #expect(done + held == end, "seed \(seed), turn \(turn)")
        }
    }
}
