import Testing

@testable import Invocation

/// How many workers a version should have, by what is known of its calls.
struct SizingTests {
    private func sizing(
        waiting: Int = 0, waited: Int64 = 0, busy: Int = 0, alive: Int = 0, starting: Int = 0, slots: Int = 1,
        duration: Double? = nil, rate: Double = 0, wait: Double = 0, startTime: Double = 20, floor: Int = 0,
        ceiling: Int = 100, burst: Int64 = 500
    ) -> Sizing {
        Sizing(
            waiting: waiting, waited: waited, busy: busy, alive: alive, starting: starting, slots: slots,
            duration: duration, rate: rate, wait: wait, startTime: startTime, floor: floor, ceiling: ceiling,
            burst: burst)
    }

    @Test func whatNobodyCallsHasItsFloor() {
        #expect(sizing().wish.workers == 0)
        #expect(sizing(floor: 2).wish == .init(workers: 2, cause: .floor(2), review: nil))
    }

    @Test func aFirstCallStartsOneWorker() {
        #expect(sizing(waiting: 1).wish == .init(workers: 1, cause: .noWorker, review: nil))
    }

    @Test func callsOfUnknownLengthDoNotWaitForEachOther() {
        #expect(sizing(waiting: 3, busy: 1, alive: 1).wish.workers == 4)
        #expect(sizing(waiting: 3, busy: 1, alive: 3, starting: 2).wish.workers == 4)
        #expect(sizing(waiting: 7, slots: 4).wish.workers == 2)
    }

    @Test func shortCallsThatAreDoneBeforeAWorkerWouldBeReadyStartNone() {
        let wish = sizing(waiting: 5, busy: 1, alive: 1, duration: 1).wish
        #expect(wish.workers == 1)
        #expect(wish.review == 30, "asked again, should the mean mislead")
        #expect(sizing(waiting: 5, waited: 60, busy: 1, alive: 1, duration: 1).wish.cause == .waited(60))
        #expect(sizing(waiting: 5, waited: 60, busy: 1, alive: 1, duration: 1).wish.workers == 2)
    }

    @Test func longCallsGetAWorkerEachByDoubling() {
        #expect(sizing(waiting: 1, busy: 1, alive: 1, duration: 400).wish.workers == 2)
        #expect(sizing(waiting: 6, busy: 1, alive: 1, duration: 400, burst: 60_000).wish.workers == 2)
        #expect(sizing(waiting: 6, busy: 2, alive: 2, duration: 400, burst: 60_000).wish.workers == 4)
        #expect(sizing(waiting: 6, busy: 2, alive: 4, starting: 2, duration: 400, burst: 60_000).wish.workers == 4)
    }

    @Test func aLongBacklogStartsAllThatAreNeededAtOnce() {
        let wish = sizing(waiting: 6, busy: 1, alive: 1, duration: 400).wish
        #expect(wish.workers == 7)
        #expect(wish.cause == .burst(1, 6))
        #expect(sizing(waiting: 60, busy: 1, alive: 1, duration: 400, ceiling: 8).wish.workers == 8)
    }

    @Test func noMoreAreStartedThanTheQueueNeeds() {
        // 100 calls of 1 ms: 20 are done when the others come, four of which do the rest as fast as they came.
        #expect(sizing(waiting: 100, busy: 1, alive: 1, duration: 1, burst: 10).wish.workers == 5)
        #expect(sizing(waiting: 100, busy: 1, alive: 5, starting: 4, duration: 1, burst: 10).wish.workers == 5)
    }

    @Test func arrivalsThatTheWorkersCannotKeepUpWithStartOneAhead() {
        // 100 calls a second of 30 ms are three busy workers: four by the utilisation that is allowed.
        let ahead = sizing(busy: 3, alive: 3, duration: 30, rate: 0.1, wait: 20).wish
        #expect(ahead.workers == 4)
        #expect(ahead.cause == .rate(perSecond: 100, milliseconds: 30))
        #expect(sizing(busy: 4, alive: 4, duration: 30, rate: 0.1, wait: 20).wish.workers == 0)
        #expect(sizing(busy: 3, alive: 3, duration: 30, rate: 0.1).wish.workers == 0, "nobody has had to wait")
    }

    @Test func reasonsAreSentences() {
        #expect(
            StartReason(cause: .busy(2, 3), way: .stem).sentence
                == "2 workers were busy and 3 calls waited; a stem was ready")
        #expect(
            StartReason(cause: .busy(1, 1), way: .zygote).sentence
                == "1 worker was busy and 1 call waited; no stem was ready, the zygote forked")
        #expect(
            StartReason(cause: .rate(perSecond: 100, milliseconds: 2.54), way: .exec(.noneReady)).sentence
                == "100 calls a second of 2.5 ms need one worker more; neither a stem nor a zygote was ready, so a new process was started"
        )
        #expect(
            StartReason(cause: .floor(1), way: .exec(.unfit)).sentence
                == "1 worker is kept ready; a new process was started, as this function has no stems")
    }

    @Test func ratesFade() {
        var rate = ArrivalRate()
        for time in stride(from: Int64(0), to: 100_000, by: 10) { rate.note(time) }
        let now = rate.perMillisecond(100_000)
        #expect(abs(now - 0.1) < 0.002)
        #expect(rate.perMillisecond(110_000) < 0.04 && rate.perMillisecond(200_000) < 0.000_01)
    }
}
