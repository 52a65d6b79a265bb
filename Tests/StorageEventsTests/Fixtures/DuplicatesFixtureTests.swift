import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Records that come by both routes")
struct DuplicatesFixtureTests {
    @Test("are one event each, and of two door records the one with the mover stays")
    func duplicates() throws {
        guard let directory = Fixtures.directory("storage-events") else { return }
        let expected = try JSONValue(parsing: try read(directory + "/kafka/duplicates.expected.json"))
        let lines = try read(directory + "/kafka/duplicates.jsonl").split(separator: 0x0A)
        for order in [Array(lines), lines.reversed()] {
            var decoder = BillingJSONDecoder()
            var batch = DecodedBatch()
            for line in order { Array(line).withUnsafeBytes { decoder.decode(line: $0, lineNumber: 1, into: &batch) } }
            #expect(batch.records.count == lines.count)
            var routes = RouteDeduplicator(windowMilliseconds: 100, capacity: 1_000)
            for record in batch.records { _ = routes.take(record, source: "kafka", at: 0) }
            #expect(routes.due(at: 99).isEmpty)
            let events = routes.due(at: 100).map(\.event)
            #expect(events.count == Int(expected["distinct"]?.integer ?? 0))
            let wanted = Set((expected["distinctEvents"]?.array ?? []).compactMap(\.string))
            #expect(Set(events.map { EventVocabulary.name(of: $0) }) == wanted)
            let door = try #require(events.first { $0.type == "dev.weir.request.completed" })
            #expect(try EventVocabulary.data(of: door)["mover"]?["pool"]?.string == "dcache-pool17-exfel")
            for record in batch.records { #expect(routes.take(record, source: "kafka", at: 500) == .duplicate) }
        }
    }

    @Test("JSON and text of one transfer have one id")
    func textAndJSON() throws {
        guard let directory = Fixtures.directory("storage-events") else { return }
        let zone = try ZoneRules(tzif: try systemZone("Europe/Berlin"))
        var options = LineDecoder.Options()
        options.fileName = "billing-2026.05.20"
        options.zone = zone
        var text = LineDecoder(.billing, options: options)
        var fromText = DecodedBatch()
        try read(directory + "/billing-text/2026/05/billing-2026.05.20").withUnsafeBytes {
            text.feed($0, into: &fromText)
        }
        var json = LineDecoder(.billingJSON)
        var fromJSON = DecodedBatch()
        for file in ["transfer.jsonl", "store.jsonl", "door-remove.jsonl"] {
            try read(directory + "/kafka/" + file).withUnsafeBytes { json.feed($0, into: &fromJSON) }
        }
        let ids = Set(fromText.records.map { $0.event.id })
        let shared = fromJSON.records.map(\.event).filter { ids.contains($0.id) }
        let types = Set(shared.map(\.type))
        #expect(shared.count >= 8, "\(shared.map(\.type))")
        #expect(types.isSuperset(of: ["dev.weir.file.written", "dev.weir.file.flushed", "dev.weir.file.deleted"]))
    }
}
