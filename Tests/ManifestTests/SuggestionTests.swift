import Testing

@testable import Manifest

@Suite struct SuggestionTests {
    @Test(
        arguments: [
            ("retenton", "retention"), ("PARTITIONS", "partitions"), ("partitoins", "partitions"),
            ("chanel", "channel"),
            ("a", nil), ("completely", nil), ("", nil),
        ] as [(String, String?)])
    func theNearestIsFound(_ word: String, _ nearest: String?) {
        #expect(Suggestion.nearest(to: word, in: ["retention", "partitions", "channel"]) == nearest)
    }

    @Test func nothingIsNearInAnEmptyList() {
        #expect(Suggestion.nearest(to: "x", in: []) == nil)
    }

    @Test(arguments: [
        ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3),
        ("ab", "ba", 1),
    ])
    func distancesCountSwapsAsOne(_ a: String, _ b: String, _ distance: Int) {
        #expect(Suggestion.distance(Array(a), Array(b)) == distance)
    }
}
