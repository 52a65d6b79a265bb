import Testing

@testable import WeirHTTP

@Suite struct ConnectionStateTests {
    private var limits: HTTPLimits {
        var limits = HTTPLimits()
        limits.headSeconds = 60
        limits.bodyPauseSeconds = 20
        limits.bodySeconds = 50
        return limits
    }

    @Test func aRequestThatBehavesIsLeftAlone() {
        var state = ConnectionState(limits: limits)
        #expect(state.opened() == .wait(seconds: 60))
        for _ in 0..<2 {
            #expect(state.readHead() == .wait(seconds: 20))
            #expect(state.readBody(after: 1) == .wait(seconds: 20))
            #expect(state.readEnd() == .disarm)
            #expect(state.wroteHead(closing: false) == .none)
            #expect(state.wroteEnd() == .wait(seconds: 60))
        }
        #expect(state.timePassed() == .close)
        #expect(state.isOver)
    }

    @Test func aBodyThatStopsOrDripsIsRefused() {
        var stopped = ConnectionState(limits: limits)
        _ = stopped.readHead()
        #expect(stopped.timePassed() == .refuse(.bodyTooSlow))
        var dripping = ConnectionState(limits: limits)
        _ = dripping.readHead()
        #expect(dripping.readBody(after: 19) == .wait(seconds: 20))
        #expect(dripping.readBody(after: 19) == .wait(seconds: 12))
        #expect(dripping.readBody(after: 12) == .refuse(.bodyTooSlow))
    }

    @Test func aRequestBehindOneThatIsAnsweredMayStandStill() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        _ = state.readEnd()
        // The second one's body is not read before the first one's answer is written.
        #expect(state.readHead() == .wait(seconds: 20))
        for _ in 0..<10 { #expect(state.timePassed() == .wait(seconds: 20)) }
        _ = state.wroteHead(closing: false)
        #expect(state.wroteEnd() == .none)
        #expect(state.readBody(after: 1) == .wait(seconds: 20))
        #expect(state.timePassed() == .refuse(.bodyTooSlow))
    }

    @Test func anAnswerThatHasBegunIsNotWrittenInto() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        _ = state.wroteHead(closing: false)
        #expect(state.timePassed() == .close)
        var pipelined = ConnectionState(limits: limits)
        _ = pipelined.readHead()
        _ = pipelined.readEnd()
        _ = pipelined.readHead()
        #expect(pipelined.failed(.malformed) == .close)
    }

    @Test func aLongAnswerIsNotIdle() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        #expect(state.readEnd() == .disarm)
        #expect(state.timePassed() == .none)
        _ = state.wroteHead(closing: false)
        #expect(state.timePassed() == .none)
    }

    @Test func whatCannotBeReadIsRefusedBehindTheAnswersBeforeIt() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        _ = state.readEnd()
        #expect(state.failed(.headTooLarge) == .none)
        _ = state.wroteHead(closing: false)
        #expect(state.wroteEnd() == .refuse(.headTooLarge))
        #expect(state.failed(.malformed) == .none)
        var first = ConnectionState(limits: limits)
        #expect(first.failed(.malformed) == .refuse(.malformed))
    }

    @Test func anAnswerThatClosesEndsTheConnectionAfterIt() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        _ = state.wroteHead(closing: true)
        #expect(state.wroteEnd() == .closeGently)
        #expect(state.isOver)
    }

    @Test func anAnswerBeforeTheEndOfTheBodyKeepsTheClockRunning() {
        var state = ConnectionState(limits: limits)
        _ = state.readHead()
        _ = state.wroteHead(closing: false)
        #expect(state.wroteEnd() == .none)
        #expect(state.readEnd() == .wait(seconds: 60))
    }
}
