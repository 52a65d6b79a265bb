import CloudEvents
import Manifest
import Testing

@testable import Delivery

@Suite struct SubscriptionSpecTests {
    @Test func theDocumentReadsBackAsTheSame() throws {
        let text = """
            {"channel": "storage", "filters": [{"exact": {"type": "t"}}, {"sql": "filesize > 0"}],
             "sink": {"url": "https://example.org/x", "mode": "structured", "headers": {"X-A": "b"}},
             "delivery": {"order": "key", "retry": {"attempts": 7, "backoff": "2s", "maxBackoff": "1m", "jitter": false},
               "timeout": "5s", "deadLetter": "failed", "reply": "out", "batch": {"size": 10, "linger": "50ms"},
               "concurrency": 3, "expiry": "1d", "start": {"0": 5, "1": 7}}, "paused": true}
            """
        let spec = try SubscriptionSpec(JSONValue(parsing: text))
        #expect(spec.policy.backoff == 2_000)
        #expect(spec.policy.start == .offsets([0: 5, 1: 7]))
        #expect(try SubscriptionSpec(spec.document) == spec)
        let short = try SubscriptionSpec(["channel": "c", "sink": "function:f"])
        #expect(short.document == ["channel": "c", "sink": "function:f"])
        // A function's own time limit rules unless the subscription says otherwise.
        #expect(short.policy.timeout > 24 * 3_600_000)
        let other = try SubscriptionSpec(["channel": "c", "sink": "channel:d"])
        #expect(other.policy == DeliveryPolicy())
        #expect(try SubscriptionSpec(short.document) == short)
        let timed = try SubscriptionSpec(
            ["channel": "c", "sink": "channel:d", "delivery": ["start": "2026-01-31T12:00:00Z"]])
        #expect(try SubscriptionSpec(timed.document) == timed)
    }

    @Test(arguments: [
        (
            #"{"channel": "c", "sink": "function:f", "delivery": {"retry": {"atempts": 2}}}"#, "delivery.retry.atempts",
            "this key is unknown: did you mean \"attempts\"?"
        ),
        (
            #"{"channel": "c", "sink": "mail:x"}"#, "sink",
            "\"mail:x\" is no sink: write function:NAME, channel:NAME, http://…, https://… or { kind: http or elasticsearch "
                + "or files or mail or kafka, … }"
        ),
        (
            #"{"channel": "c", "sink": "function:f", "filters": [{"exakt": {"type": "t"}}]}"#, "filters[0].exakt",
            "the dialect \"exakt\" is unknown; there are exact, prefix, suffix, all, any, not and sql"
        ),
        (#"{"sink": "function:f"}"#, "channel", "this is required"),
        (
            #"{"channel": "c", "sink": {"url": "http://x", "headers": {"A": "b\nc"}}}"#, "sink.headers.A",
            "a header name and a text without control characters were expected"
        ),
    ])
    func whatIsWrongIsNamedWithItsPlace(text: String, path: String, message: String) {
        #expect(throws: DocumentError(path: path, message: message)) {
            try SubscriptionSpec(JSONValue(parsing: text))
        }
    }
}
