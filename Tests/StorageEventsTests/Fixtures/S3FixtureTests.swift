import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("S3 fixtures decode as expected")
struct S3FixtureTests {
    static let files: [String] = {
        guard let directory = Fixtures.directory("storage-events") else { return [] }
        return Fixtures.files(under: directory + "/s3") { $0.hasSuffix(".expected.json") }
    }()

    @Test("a notification", arguments: files)
    func notification(_ expectedPath: String) throws {
        let expected = try #require(try JSONValue(parsing: try read(expectedPath)).array)
        let path = String(expectedPath.dropLast(".expected.json".count)) + ".json"
        var batch = DecodedBatch()
        try read(path).withUnsafeBytes { S3Decoder().decode($0, into: &batch) }
        #expect(batch.failures.isEmpty)
        #expect(batch.records.count == expected.count)
        for (record, want) in zip(batch.records, expected) {
            let event = record.event
            var fields = try #require(want.object)
            #expect(EventVocabulary.objectName(of: event) == fields["event"]?.string)
            #expect(event.time?.text == fields["time"]?.string)
            #expect(event.subject == fields["key"]?.string)
            fields["event"] = nil
            fields["time"] = nil
            let data = try EventVocabulary.data(of: event)
            #expect(differences(.object(fields), data) == [])
            for name in ["how", "versionId", "etag", "sequencer", "tags", "metadata", "userMetadata", "expires"]
            where fields[name] == nil && want["event"]?.string != nil {
                if name != "userMetadata" { #expect(data[name] == nil, "\(name) should be left out") }
            }
        }
    }
}
