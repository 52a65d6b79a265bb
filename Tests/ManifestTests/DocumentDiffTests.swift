import CloudEvents
import Manifest
import Testing

@Suite struct DocumentDiffTests {
    @Test func differencesAreNamedByPath() {
        let old: JSONValue = [
            "retention": "30d", "gone": [1, 2], "delivery": ["retry": ["attempts": 5], "order": "key"],
            "filters": [["exact": ["type": "a"]], ["prefix": ["subject": "/x"]]],
        ]
        let new: JSONValue = [
            "retention": "7d", "delivery": ["order": "key", "retry": ["attempts": 6, "backoff": "2s"]],
            "filters": [["exact": ["type": "b"]]], "partitions": 4,
        ]
        #expect(
            DocumentDiff(from: old, to: new).text == """
                ~ retention: "30d" → "7d"
                ~ delivery.retry.attempts: 5 → 6
                + delivery.retry.backoff: "2s"
                ~ filters[0].exact.type: "a" → "b"
                - filters[1]: {"prefix":{"subject":"/x"}}
                + partitions: 4
                - gone: [1,2]
                """)
    }

    @Test func theSameInAnotherOrderIsNoDifference() {
        #expect(DocumentDiff(from: ["a": 1, "b": [1.0]], to: ["b": [1], "a": 1]).isEmpty)
        #expect(!DocumentDiff(from: [1, 2], to: [2, 1]).isEmpty)
        // Equal as doubles, not as integers.
        #expect(!DocumentDiff(from: .integer(9_007_199_254_740_993), to: .integer(9_007_199_254_740_992)).isEmpty)
    }

    @Test func aNewAndAnOldResourceAreShownWhole() {
        #expect(DocumentDiff(from: nil, to: ["a": 1]).text == #"+ {"a":1}"#)
        #expect(DocumentDiff(from: ["a": 1], to: nil).text == #"- {"a":1}"#)
        #expect(DocumentDiff(from: ["a": nil], to: ["a": 1]).text == "~ a: null → 1")
        #expect(DocumentDiff(from: nil, to: nil).isEmpty)
    }
}
