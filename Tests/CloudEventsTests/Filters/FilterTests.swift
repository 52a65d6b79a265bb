import CloudEvents
import TestSupport
import Testing

@Suite struct FilterTests {
    static let record = EventRecord(
        Samples.event(
            id: "A", type: "com.github.push", subject: "/data/raw/run_7.h5",
            extensions: [
                .init(name: "filesize", value: .integer(42)), .init(name: "final", value: .boolean(true)),
                .init(name: "blob", value: .binary([1, 2, 3])),
            ]))

    static func parse(_ text: String) throws -> Filter { try Filter(parsing: JSONValue(parsing: text)) }

    @Test(arguments: [
        (#"{"exact":{"type":"com.github.push"}}"#, true),
        (#"{"exact":{"type":"com.github.push","subject":"/data/raw/run_7.h5"}}"#, true),
        (#"{"exact":{"type":"com.github.push","subject":"/data/raw/run_8.h5"}}"#, false),
        (#"{"exact":{"type":"com.github.pusH"}}"#, false),
        (#"{"exact":{"type":"com.github.pus"}}"#, false),
        (#"{"exact":{"type":"com.github.push."}}"#, false),
        (#"{"exact":{"filesize":"42"}}"#, true),
        (#"{"exact":{"final":"true"}}"#, true),
        (#"{"exact":{"blob":"AQID"}}"#, true),
        (#"{"prefix":{"blob":"AQ"}}"#, true),
        (#"{"exact":{"absent":"x"}}"#, false),
        (#"{"exact":{"specversion":"1.0"}}"#, true),
        (#"{"prefix":{"specversion":"1."}}"#, true),
        (#"{"suffix":{"specversion":".0"}}"#, true),
        (#"{"exact":{"specversion":"1"}}"#, false),
        (#"{"prefix":{"subject":"/data/"}}"#, true),
        (#"{"prefix":{"subject":"/data/raw/run_7.h5"}}"#, true),
        (#"{"prefix":{"subject":"/data/raw/run_7.h5x"}}"#, false),
        (#"{"prefix":{"subject":"/date"}}"#, false),
        (#"{"prefix":{"subject":"/data/","type":"org"}}"#, false),
        (#"{"suffix":{"subject":".h5"}}"#, true),
        (#"{"suffix":{"subject":".H5"}}"#, false),
        (#"{"suffix":{"subject":"x/data/raw/run_7.h5"}}"#, false),
        (#"{"all":[{"exact":{"id":"A"}},{"suffix":{"type":"push"}}]}"#, true),
        (#"{"all":[{"exact":{"id":"A"}},{"suffix":{"type":"pull"}}]}"#, false),
        (#"{"all":[{"exact":{"id":"B"}},{"suffix":{"type":"push"}}]}"#, false),
        (#"{"any":[{"exact":{"id":"B"}},{"suffix":{"type":"push"}}]}"#, true),
        (#"{"any":[{"exact":{"id":"A"}},{"suffix":{"type":"x"}}]}"#, true),
        (#"{"any":[{"exact":{"id":"B"}},{"suffix":{"type":"x"}}]}"#, false),
        (#"{"not":{"exact":{"id":"B"}}}"#, true),
        (#"{"not":{"exact":{"absent":"B"}}}"#, true),
        (#"{"not":{"any":[{"exact":{"id":"A"}},{"exact":{"id":"B"}}]}}"#, false),
        (#"{"any":[{"all":[{"exact":{"id":"B"}},{"exact":{"id":"A"}}]},{"not":{"exact":{"id":"B"}}}]}"#, true),
        (#"{"all":[{"any":[{"exact":{"id":"A"}},{"exact":{"id":"B"}}]},{"exact":{"id":"B"}}]}"#, false),
        (#"{"sql":"filesize > 41 AND subject LIKE '/data/%.h5'"}"#, true),
        (#"{"sql":"filesize > 42"}"#, false),
        (#"{"sql":"filesize"}"#, false),
        (#"{"sql":"NOT (missing = 'x')"}"#, false),
        (#"{"not":{"sql":"missing = 'x'"}}"#, true),
    ])
    func passesTheEventsItDescribes(_ text: String, _ expected: Bool) throws {
        let filter = try Self.parse(text)
        #expect(CompiledFilter(filter).matches(Self.record) == expected)
    }

    @Test func aListPassesWhenAllPass() throws {
        let json = try JSONValue(parsing: #"[{"exact":{"id":"A"}},{"prefix":{"type":"com."}}]"#)
        let filters = try Filter.list(parsing: json)
        #expect(filters.count == 2)
        #expect(CompiledFilter(filters).matches(Self.record))
        #expect(!CompiledFilter(filters + [.exact([.init(attribute: "id", value: "B")])]).matches(Self.record))
        #expect(CompiledFilter([]).matches(Self.record))
        #expect(CompiledFilter([]).isAlwaysTrue)
        #expect(!CompiledFilter(filters).isAlwaysTrue)
    }

    @Test func writesItselfAsItWasRead() throws {
        let text =
            #"{"all":[{"exact":{"type":"a","id":"b"}},{"any":[{"prefix":{"subject":"/"}},{"suffix":{"id":"x"}}]},"#
            + #"{"not":{"sql":"1 = 1"}}]}"#
        let filter = try Self.parse(text)
        #expect(filter.json.text == text)
        #expect(try Filter(parsing: filter.json) == filter)
    }

    @Test(arguments: [
        (
            #"{"regex":{"type":"x"}}"#, FilterError.Code.unknownDialect,
            "filter.regex: the dialect \"regex\" is unknown; there are exact, prefix, suffix, all, any, not and sql"
        ),
        (#"[]"#, .shape, #"filter: a filter such as {"exact": {…}} was expected, not an array"#),
        (#"{}"#, .shape, #"filter: a filter has exactly one dialect, not 0: wrap several in "all""#),
        (
            #"{"exact":{"id":"a"},"prefix":{"id":"b"}}"#, .shape,
            #"filter: a filter has exactly one dialect, not 2: wrap several in "all""#
        ),
        (#"{"exact":{}}"#, .empty, "filter.exact: at least one attribute must stand here"),
        (#"{"exact":{"":"x"}}"#, .empty, "filter.exact: an attribute name must not be empty"),
        (#"{"prefix":{"subject":""}}"#, .empty, "filter.prefix.subject: the value must not be empty"),
        (#"{"prefix":{"subject":7}}"#, .shape, "filter.prefix.subject: a string was expected, not an integer"),
        (
            #"{"suffix":"x"}"#, .shape,
            "filter.suffix: an object of attribute names and texts was expected, not a string"
        ),
        (
            #"{"exact":{"data":"x"}}"#, .invalidAttribute,
            "filter.exact.data: filters work on attributes, not on the data"
        ),
        (
            #"{"exact":{"Type":"x"}}"#, .invalidAttribute,
            "filter.exact.Type: the attribute name \"Type\" may hold only the letters a to z in lower case and digits"
        ),
        (#"{"all":[]}"#, .empty, "filter.all: at least one filter must stand here"),
        (#"{"any":{}}"#, .shape, "filter.any: an array of filters was expected, not an object"),
        (
            #"{"all":[{"exact":{"id":"a"}},{"not":{"any":[{"exact":{"id":""}}]}}]}"#, .empty,
            "filter.all[1].not.any[0].exact.id: the value must not be empty"
        ),
        (#"{"sql":5}"#, .shape, "filter.sql: a string with a CESQL expression was expected, not an integer"),
        (
            #"{"sql":"1 +"}"#, .invalidExpression,
            "filter.sql: not a CESQL expression at line 1, column 4: a value was expected, not the end"
        ),
    ])
    func refusesWithThePathOfTheFault(_ text: String, _ code: FilterError.Code, _ message: String) throws {
        let json = try JSONValue(parsing: text)
        let error = Samples.error { () throws(FilterError) in _ = try Filter(parsing: json) }
        #expect(error?.code == code)
        #expect(error?.message == message)
    }

    @Test func namesTheFilterOfAList() throws {
        let json = try JSONValue(parsing: #"[{"exact":{"id":"a"}},{"prefix":{"subject":""}}]"#)
        let error = Samples.error { () throws(FilterError) in _ = try Filter.list(parsing: json) }
        #expect(error?.path == "filters[1].prefix.subject")
        let other = Samples.error { () throws(FilterError) in _ = try Filter.list(parsing: "x") }
        #expect(other?.message == "filters: an array of filters was expected, not a string")
    }

    @Test func refusesNestingBeyondTheBound() throws {
        func nested(_ depth: Int) -> JSONValue {
            var json: JSONValue = ["exact": ["id": "a"]]
            for _ in 0..<depth { json = ["not": json] }
            return json
        }
        _ = try Filter(parsing: nested(31))
        let error = Samples.error { () throws(FilterError) in _ = try Filter(parsing: nested(32)) }
        #expect(error?.code == .tooDeep)
        #expect(error?.reason == "filters nest deeper than 32")
    }
}
