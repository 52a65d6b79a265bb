import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Billing JSON fixtures decode as expected")
struct BillingJSONFixtureTests {
    static let kafka = Fixtures.directory("storage-events").map { $0 + "/kafka/" }

    static let cases: [JSONValue] = {
        guard let kafka, let bytes = try? read(kafka + "expected.json"), let list = try? JSONValue(parsing: bytes).array
        else { return [] }
        return list
    }()

    private func decode(_ bytes: [UInt8]) -> DecodedBatch {
        var decoder = BillingJSONDecoder()
        var batch = DecodedBatch()
        bytes.withUnsafeBytes { decoder.decode(line: $0, lineNumber: 1, into: &batch) }
        return batch
    }

    @Test("the record of the list", arguments: cases.indices)
    func listed(_ index: Int) throws {
        let item = Self.cases[index]
        let kafka = try #require(Self.kafka)
        let file = try #require(item["file"]?.string)
        let line = Int(item["line"]?.integer ?? 1)
        let expect = try #require(item["expect"])
        let bytes = try read(kafka + file)
        let record =
            file.hasSuffix(".jsonl")
            ? Array(bytes.split(separator: 0x0A, omittingEmptySubsequences: false)[line - 1]) : bytes
        let batch = decode(record)
        if expect["event"]?.string == "poison" {
            #expect(batch.records.isEmpty && batch.failures.count == 1)
            return
        }
        let event = try #require(batch.records.first, "\(batch.failures)").event
        checkDecoded(expect, event, try EventVocabulary.data(of: event), item["id"]?.string ?? file)
    }

    @Test("every record of every file is an event or a failure with its reason")
    func everyFile() throws {
        guard let directory = Fixtures.directory("storage-events") else { return }
        let files = ["kafka", "billing-json"].flatMap { folder in
            Fixtures.files(under: directory + "/" + folder) { !$0.hasSuffix("expected.json") }
        }
        #expect(!files.isEmpty)
        for file in files where !URL(fileURLWithPath: file).hasDirectoryPath {
            guard let bytes = try? read(file) else { continue }
            let records: [[UInt8]] =
                file.hasSuffix(".json") ? [bytes] : bytes.split(separator: 0x0A).map { Array($0) }
            for record in records {
                let batch = decode(record)
                #expect(batch.records.count + batch.failures.count == 1, "\(file)")
                for event in batch.records.map(\.event) {
                    #expect(try EventVocabulary.data(of: event)["native"] == JSONValue(parsing: record), "\(file)")
                }
            }
        }
    }
}
