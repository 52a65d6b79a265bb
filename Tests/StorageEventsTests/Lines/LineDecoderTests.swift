import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Line decoder")
struct LineDecoderTests {
    private func run(_ format: StorageEventFormat, _ text: String, piece: Int, options: LineDecoder.Options = .init())
        -> DecodedBatch
    {
        var decoder = LineDecoder(format, options: options)
        var batch = DecodedBatch()
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            Array(rest.prefix(piece)).withUnsafeBytes { decoder.feed($0, into: &batch) }
            rest = rest.dropFirst(piece)
        }
        decoder.finish(into: &batch)
        return batch
    }

    @Test("the size of the pieces does not matter", arguments: [1, 7, 64, 100_000])
    func pieces(_ piece: Int) {
        var options = LineDecoder.Options()
        options.fileName = "billing-2026.05.20"
        let text = [Sample.mover(), "", "# x", Sample.door(code: 5, message: "a\nb"), "junk", Sample.mover()].joined(
            separator: "\r\n")
        let batch = run(.billing, text, piece: piece, options: options)
        #expect(batch.records.count == 3 && batch.ignored == 2)
        #expect(batch.failures.map(\.line) == [6])
        #expect(batch.origins.map(\.line) == [1, 4, 7])
    }

    @Test("a last line without its end waits for the end of the input")
    func lastLine() {
        var decoder = LineDecoder(.billing)
        var batch = DecodedBatch()
        Array(Sample.mover().utf8).withUnsafeBytes { decoder.feed($0, into: &batch) }
        #expect(batch.records.isEmpty)
        decoder.finish(into: &batch)
        #expect(batch.records.count == 1)
    }

    @Test("JSON over several lines, and a broken text that does not swallow the next")
    func documents() {
        let record =
            "{\n \"msgType\":\"warning\",\"date\":\"2026-05-20T14:50:00Z\",\"cellName\":\"P\",\n \"cellDomain\":\"d\","
            + "\"cellType\":\"PoolManager\",\n \"status\":{\"code\":1}\n}\n"
        let batch = run(.billingJSON, record + "{\"a\":\n" + "{\"msgType\":1}\n\n" + record, piece: 13)
        #expect(batch.records.count == 2)
        #expect(batch.failures.map(\.line) == [6, 7])
    }

    @Test("a line that never ends is given up, and the next is read")
    func tooLong() {
        var options = LineDecoder.Options()
        options.maximumLength = 1_000
        let text = String(repeating: "x", count: 5_000) + "\n" + Sample.mover()
        let batch = run(.billing, text, piece: 100, options: options)
        #expect(batch.failures.map(\.code) == [.tooLong] && batch.records.count == 1)
    }

    @Test("generated files are read whole, and the sums by pool are what the generator knows")
    func generated() throws {
        var generator = BillingGenerator(seed: 42, start: 1_779_278_400)
        var lines = BillingGenerator.headerLines
        for _ in 0..<5_000 { lines += generator.next() }
        var again = BillingGenerator(seed: 42, start: 1_779_278_400)
        #expect(again.next() == Array(lines.dropFirst(6).prefix(2)) || again.recordCount == 1)
        var options = LineDecoder.Options()
        options.fileName = "billing-2026.05.20"
        let batch = run(.billingText, lines.joined(separator: "\n") + "\n", piece: 4_096, options: options)
        #expect(batch.failures.isEmpty)
        #expect(batch.records.count == generator.recordCount)
        var sums: [String: Int64] = [:]
        for event in batch.records.map(\.event) {
            let data = try EventVocabulary.data(of: event)
            guard let bytes = data["bytes"]?.integer, data["success"] == true else { continue }
            if case .string(let pool)? = event["pool"] { sums[pool, default: 0] += bytes }
        }
        #expect(sums == generator.bytesByPool)
        #expect(Set(batch.records.map { $0.event.id }).count == batch.records.count)
    }
}
