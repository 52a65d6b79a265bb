import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct WhiskThrottleTests {
    private func throttle(_ rate: Int, concurrent: Int = 2) -> WhiskThrottle {
        var rates = WhiskRates()
        rates.invocationsPerMinute = rate
        rates.firesPerMinute = rate
        rates.concurrentInvocations = concurrent
        return WhiskThrottle(rates)
    }

    @Test func eachNamespaceAndKindHasItsCountOfTheMinute() throws {
        let throttle = throttle(2)
        for _ in 0..<2 { try throttle.count(.invocation, of: "a", now: 59_000) }
        let error = #expect(throws: WhiskError.self) { try throttle.count(.invocation, of: "a", now: 59_000) }
        #expect(error?.status == .tooManyRequests)
        #expect(error?.text == "Too many requests in the last minute (count: 3, allowed: 2).")
        #expect(error?.headers[.retryAfter] == "1")
        try throttle.count(.fire, of: "a", now: 59_000)
        try throttle.count(.invocation, of: "b", now: 59_000)
        try throttle.count(.invocation, of: "a", now: 60_000)
    }

    @Test func placesAreGivenBack() throws {
        let throttle = throttle(10)
        try throttle.enter("a")
        try throttle.enter("a")
        let error = #expect(throws: WhiskError.self) { try throttle.enter("a") }
        #expect(error?.text == "Too many concurrent requests in flight (count: 2, allowed: 2).")
        throttle.leave("a")
        try throttle.enter("a")
    }

    /// Asking counts nothing, and says what the next call would be told.
    @Test func whetherACallWouldBeLetInCanBeAsked() throws {
        let throttle = throttle(2, concurrent: 1)
        for _ in 0..<5 { #expect(throttle.admits("a", now: 59_000)) }
        try throttle.enter("a")
        #expect(!throttle.admits("a", now: 59_000) && throttle.admits("b", now: 59_000))
        throttle.leave("a")
        for _ in 0..<2 { try throttle.count(.invocation, of: "a", now: 59_000) }
        #expect(!throttle.admits("a", now: 59_000) && throttle.admits("b", now: 59_000))
        #expect(throttle.admits("a", now: 60_000))
    }

    @Test func nothingAtAllMayBeAllowed() {
        #expect(throws: WhiskError.self) { try throttle(0).count(.invocation, of: "a", now: 0) }
    }
}
