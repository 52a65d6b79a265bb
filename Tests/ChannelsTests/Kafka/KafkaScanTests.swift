import Testing

@testable import Channels

struct KafkaScanTests {
    @Test func `an end that somebody calls who has not got so far is none`() {
        var span = KafkaScan.Span(next: 0, end: 3)
        // A replica that has one record so far.
        span.pass(1)
        span.pass(1)
        #expect(!span.isEmpty)
        // The last offset is one that no record has.
        span.pass(2)
        span.pass(3)
        #expect(span.isEmpty)
        span.pass(2)
        #expect(span.isEmpty)
    }
}
