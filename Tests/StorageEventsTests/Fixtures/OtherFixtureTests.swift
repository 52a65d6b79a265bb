import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Fixtures of the further producers decode as expected")
struct OtherFixtureTests {
    private static let directory = Fixtures.directory("storage-events").map { $0 + "/other/" }

    @Test(
        "a sample", .enabled(if: directory != nil, "the sample data is not beside the checkout"),
        arguments: [
            ("eos-20180504.eosreport", StorageEventFormat.eosReport),
            ("xrootd-collector.jsonl", .xrootdCollector), ("lustre-changelog.txt", .lustreChangelog),
            ("storage-scale-watch.jsonl", .storageScale), ("rucio-transfer-done.json", .rucio),
            ("irods-audit.jsonl", .irodsAudit), ("bluesky-documents.jsonl", .bluesky),
        ])
    func sample(_ name: String, _ format: StorageEventFormat) throws {
        let directory = try #require(Self.directory)
        let stem = name.prefix { $0 != "." }
        let json = try JSONValue(parsing: try read(directory + stem + ".expected.json"))
        let expected = json.array ?? [json]
        var decoder = LineDecoder(format)
        var batch = DecodedBatch()
        try read(directory + name).withUnsafeBytes { decoder.feed($0, into: &batch) }
        decoder.finish(into: &batch)
        #expect(batch.failures.isEmpty)
        let wanted = expected.filter { $0["ignored"] == nil }
        #expect(batch.records.count == wanted.count)
        #expect(batch.ignored == expected.count - wanted.count)
        for (record, want) in zip(batch.records, wanted) {
            let event = record.event
            try event.validate()
            let data = try EventVocabulary.data(of: event)
            var fields = try #require(want.object)
            if let name = fields["event"]?.string, data["event"]?.string != name {
                #expect(EventVocabulary.name(of: event) == name)
                fields["event"] = nil
            }
            if let time = fields["time"]?.string {
                #expect(event.time?.nanoseconds == EventTime(time)?.nanoseconds)
                fields["time"] = nil
            }
            fields["note"] = nil
            #expect(differences(.object(fields), data) == [])
            #expect(data["native"] != nil)
        }
    }
}
