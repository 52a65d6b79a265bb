import CloudEvents
import Foundation
import TestSupport
import Testing

/// Wounded input to everything here that reads: whatever comes, it is taken or refused, never a trap.
///
/// `WEIR_FUZZ_ITERATIONS` says how many inputs each target gets, `WEIR_SEED` which.
@Suite struct FuzzTests {
    static let iterations =
        ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 20_000

    /// Feeds `body` with mutations of the corpus, now and then of what it has kept from before.
    static func run(_ corpus: [[UInt8]], _ body: ([UInt8]) -> Bool) -> String {
        let seed = SeededGenerator().seed
        var mutator = Mutator(seed: seed)
        var generator = SeededGenerator(seed: seed &+ 1)
        var pool = corpus
        var taken = 0
        for _ in 0..<iterations {
            let index = Int.random(in: 0..<pool.count, using: &generator)
            let input = mutator.mutate(pool[index], corpus: corpus)
            guard body(input) else { continue }
            taken += 1
            // What was taken is a start for more, so that wounds add up.
            if input.count < 4_096 {
                if pool.count < 256 { pool.append(input) } else if index >= corpus.count { pool[index] = input }
            }
        }
        return "seed \(seed): \(taken) of \(iterations) were taken"
    }

    @Test func theEventDecoderNeverTraps() {
        let one = String(decoding: Samples.json(#""subject":"/a","time":"2018-04-05T17:31:00Z","n":5"#), as: UTF8.self)
        let corpus = [
            Samples.json(#""data":{"a":[1,2.5e3,"\u00e9\ud83d\ude00",null,true]},"ext":"a\"b","flag":false,"n":-1"#),
            Samples.json(
                #""datacontenttype":"text/plain; charset=\"utf-8\"","data":"x\ny","dataschema":"https://e.org/""#),
            Samples.json(#""data_base64":"AAECAwQ=","datacontenttype":"image/png","d\u0061te":"x""#),
            Samples.bytes(one), Samples.bytes("[\(one),\(one)]"),
        ]
        let summary = Self.run(corpus) { input in
            var records: [EventRecord] = []
            if let record = try? JSONEventFormat.decode(input) { records.append(record) }
            if let batch = try? JSONEventFormat.decodeBatch(input) { records += batch }
            for record in records { Self.holds(record) }
            return !records.isEmpty
        }
        print("event decoder, \(summary)")
    }

    /// What was taken is a valid event, and comes back from each format as it was.
    static func holds(_ record: EventRecord) {
        #expect(EventRecord(validating: record.bytes) != nil)
        let event = record.event
        #expect(Samples.error { () throws(CloudEventError) in try event.validate() } == nil)
        let text = Samples.bytes(Samples.encoded(record))
        #expect((try? JSONEventFormat.decode(text)).map { attributes($0) } == attributes(record, inJSON: true))
        let message = HTTPBinding.encode(record)
        let back = try? HTTPBinding.decode(headers: message.headers, body: message.body)
        // A record of Kafka is there, and may say that it is JSON and be something else; a request is refused then.
        if case .bytes? = event.data, let type = event.datacontenttype, isJSON(type) {
            #expect(back == nil || back?.first?.event.id == event.id, "\(event)")
        } else {
            #expect(back?.count == 1, "\(event)")
            #expect(back?.first?.event.id == event.id)
            #expect(back?.first?.event.subject == event.subject)
        }
        let kafka = try? KafkaBinding.decode(KafkaBinding.encode(record))
        #expect(kafka.map { attributes($0).sorted() } == attributes(record).sorted(), "\(event)")
        #expect(kafka?.event.data == event.data, "\(event)")
    }

    private static func isJSON(_ type: String) -> Bool {
        Array(type.utf8).withUnsafeBytes { MediaType.isJSON($0) }
    }

    /// - Parameter inJSON: as they come back from JSON, which has no word for the types of extensions beyond its own: what is
    ///   neither a number nor true or false is text there (JSON event format §2.2).
    static func attributes(_ record: EventRecord, inJSON: Bool = false) -> [String] {
        var list: [String] = []
        record.withView { view in
            view.forEachAttribute { name, kind, value in
                var (kind, value) = (kind, Array(value))
                if inJSON, StandardAttribute(name) == nil, kind != .integer, kind != .boolean {
                    if kind == .binary { value = Array(Base64.encode(value).utf8) }
                    kind = .string
                }
                list.append("\(String(decoding: name, as: UTF8.self)) \(kind) \(value)")
            }
        }
        return list
    }

    @Test func theKafkaBindingNeverTraps() {
        let corpus = [
            "ce_specversion: 1.0\nce_id: 1\nce_source: /s\nce_type: t\nce_n: 5\nweir_types: n=integer\ncontent-type: a/b\n\nx",
            "ce_specversion: 1.0\nce_id: 1\nce_source: /s\nce_type: t\nce_b: /w==\nweir_types: b=binary data=json\n\n[1]",
            "content-type: application/cloudevents+json; charset=\"utf-8\"\n\n"
                + String(decoding: Samples.json(#""data":[1]"#), as: UTF8.self),
        ].map { Samples.bytes($0) }
        let summary = Self.run(corpus) { input in
            var message = KafkaBinding.Message(value: nil, headers: [])
            var rest = input[...]
            while let end = rest.firstIndex(of: 0x0A) {
                let line = rest[..<end]
                rest = rest[(end + 1)...]
                if line.isEmpty { break }
                let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
                message.headers.append(
                    (
                        name: String(decoding: line[..<colon], as: UTF8.self),
                        value: Array(line[colon...].dropFirst().drop { $0 == 0x20 })
                    ))
            }
            message.value = rest.isEmpty ? nil : Array(rest)
            guard let record = try? KafkaBinding.decode(message) else { return false }
            Self.holds(record)
            return true
        }
        print("Kafka binding, \(summary)")
    }

    @Test func theHTTPBindingNeverTraps() {
        let corpus = [
            "ce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\nce-subject: Euro%20%E2%82%AC\ncontent-type: a/b\n\nx",
            "ce-specversion: 1.0\nce-id: \"a\\\"b\"\nce-source: /s\nce-type: t\ncontent-type: application/json\n\n[1]",
            "content-type: application/cloudevents+json; charset=\"utf-8\"\n\n"
                + String(decoding: Samples.json(#""data":[1]"#), as: UTF8.self),
            "content-type: application/cloudevents-batch+json\n\n["
                + String(decoding: Samples.json(), as: UTF8.self) + "]",
        ].map { Samples.bytes($0) }
        let summary = Self.run(corpus) { input in
            var headers: [(name: String, value: String)] = []
            var rest = input[...]
            while let end = rest.firstIndex(of: 0x0A) {
                let line = rest[..<end]
                rest = rest[(end + 1)...]
                if line.isEmpty { break }
                let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
                headers.append(
                    (
                        String(decoding: line[..<colon], as: UTF8.self),
                        String(decoding: line[colon...].dropFirst(), as: UTF8.self)
                    ))
            }
            guard let records = try? HTTPBinding.decode(headers: headers, body: Array(rest)) else { return false }
            for record in records { Self.holds(record) }
            return true
        }
        print("HTTP binding, \(summary)")
    }

    @Test func expressionsNeverTrap() {
        let corpus = [
            "(firstname = 'Francesco' AND lastname = 'Guardiani') OR subject = 'Francesco Guardiani'",
            "int(hop) < int(ttl) and int(hop) < 1000", "id NOT LIKE 'a\\%_%' XOR n IN (1, '2', TRUE, -2147483648)",
            "NOT EXISTS x OR -n * 2147483647 % 3 / 0 <> 5", "SUBSTRING(uni, -2, 1) = LEFT(RIGHT(uni, 2), 1)",
            "CONCAT_WS(',', UPPER(id), LOWER('A'), TRIM(' x '), ABS(min), LENGTH(uni), BOOL(n), STRING(flag)) != \"\"",
        ].map { Samples.bytes($0) }
        let summary = Self.run(corpus) { input in
            guard let expression = try? CESQLExpression(parsing: String(decoding: input, as: UTF8.self)) else {
                return false
            }
            let (value, errors) = EvaluationTests.record.withView { expression.evaluate($0) }
            #expect(
                EvaluationTests.record.withView { expression.passes($0) } == (value == .boolean(true) && errors.isEmpty)
            )
            return true
        }
        print("CESQL, \(summary)")
    }

    @Test func filtersNeverTrap() {
        let corpus = [
            #"{"all":[{"exact":{"type":"t","n":"7"}},{"any":[{"prefix":{"subject":"/a"}},{"suffix":{"id":"A"}}]}]}"#,
            #"{"not":{"sql":"n > 5 AND EXISTS flag"}}"#, #"{"any":[{"not":{"exact":{"blob":"/w=="}}},{"sql":"TRUE"}]}"#,
        ].map { Samples.bytes($0) }
        let summary = Self.run(corpus) { input in
            guard let json = try? JSONValue(parsing: input), let filter = try? Filter(parsing: json) else {
                return false
            }
            let passes = CompiledFilter(filter).matches(EvaluationTests.record)
            #expect(CompiledFilter(.not(filter)).matches(EvaluationTests.record) == !passes)
            #expect((try? Filter(parsing: filter.json)) == filter)
            return true
        }
        print("filters, \(summary)")
    }

    @Test func jsonNeverTraps() {
        let corpus = [
            #"{"a":[1,-2.5e+10,true,null,"\u0001\n\"é😀\ud83d\ude00"],"b":{},"c":9223372036854775807}"#, "[[[[1]]]]",
        ].map { Samples.bytes($0) }
        let summary = Self.run(corpus) { input in
            let isPassed = input.withUnsafeBytes { JSONScanner.fault(in: $0) } == nil
            guard let value = try? JSONValue(parsing: input) else { return false }
            #expect(isPassed)
            // Text rather than value: 1.0 is written as 1, which reads as an integer.
            let text = value.encoded()
            #expect((try? JSONValue(parsing: text))?.encoded() == text)
            return true
        }
        print("JSON, \(summary)")
    }
}
