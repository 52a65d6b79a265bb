import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Billing text fixtures decode as expected")
struct BillingTextFixtureTests {
    static let files: [String] = {
        guard let directory = Fixtures.directory("storage-events") else { return [] }
        return Fixtures.files(under: directory + "/billing-text") { $0.hasSuffix(".expected.json") }
            .map { String($0.dropLast(".expected.json".count)) }
    }()

    @Test("the fixtures are there", .enabled(if: Fixtures.directory("storage-events") != nil))
    func present() { #expect(!Self.files.isEmpty) }

    @Test("every record of a file", arguments: files)
    func file(_ path: String) throws {
        let expected = try JSONValue(parsing: try read(path + ".expected.json"))
        let zoneName = expected["serverTimeZone"]?.string ?? "Europe/Berlin"
        let zone = try ZoneRules(tzif: try systemZone(zoneName))
        var options = BillingTextDecoder.Options()
        options.keepsAttributes = true
        options.year = 2026
        let name = expected["fileDate"]?.string.map { "billing-" + $0.replacingOccurrences(of: "-", with: ".") } ?? path
        var decoder = BillingTextDecoder(fileName: name, zone: zone, options: options)
        var batch = DecodedBatch()
        let bytes = try read(path)
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            line.withUnsafeBytes { decoder.decode(line: $0, lineNumber: index + 1, into: &batch) }
        }
        decoder.finish(into: &batch)
        if let obsolete = expected["lines"]?.array {
            let wanted = obsolete.compactMap { $0["line"]?.integer.map(Int.init) }
            #expect(batch.failures.map(\.line) == wanted)
            #expect(batch.failures.allSatisfy { !$0.reason.isEmpty })
            return
        }
        let list = try #require(expected["records"]?.array ?? expected.array)
        check(list, batch, total: lines.count)
    }

    private func check(_ list: [JSONValue], _ batch: DecodedBatch, total: Int) {
        var ignored = 0
        for item in list {
            let line = Int(item["line"]?.integer ?? 0)
            switch item["kind"]?.string ?? "record" {
            case "header":
                let header = batch.headers.first { $0.line == line }
                #expect(header?.message == item["message"]?.string, "header at line \(line)")
                #expect(header?.format == item["format"]?.string, "header at line \(line)")
            case "ignored":
                ignored += 1
                #expect(!batch.origins.contains { $0.line == line } && !batch.failures.contains { $0.line == line })
            case "unparsable":
                #expect(batch.failures.contains { $0.line == line }, "line \(line) should not be readable")
            default:
                guard let index = batch.origins.firstIndex(where: { $0.line == line }) else {
                    Issue.record("no record at line \(line): \(batch.failures.filter { $0.line == line })")
                    continue
                }
                checkRecord(item, batch.records[index].event, lines: batch.origins[index].lines, line: line)
            }
        }
        if list.contains(where: { $0["kind"] != nil }) {
            #expect(batch.records.count == list.filter { $0["kind"]?.string == "record" }.count)
            #expect(batch.ignored == ignored)
        }
    }

    private func checkRecord(_ item: JSONValue, _ event: CloudEvent, lines: Int, line: Int) {
        guard let data = try? EventVocabulary.data(of: event) else {
            Issue.record("line \(line): the data is no JSON")
            return
        }
        if let count = item["lines"]?.integer { #expect(lines == Int(count), "line \(line)") }
        if let attributes = item["attributes"]?.object {
            let actual = data["attributes"]?.object ?? JSONObject()
            for member in attributes.members {
                #expect(actual[member.name] == member.value, "line \(line), attribute \(member.name)")
            }
            #expect(Set(actual.names) == Set(attributes.names), "line \(line): the attributes")
        }
        if let time = item["time"]?.string {
            #expect(event.time?.nanoseconds == EventTime(time)?.nanoseconds, "line \(line): time")
        }
        if let decoded = item["decoded"] { checkDecoded(decoded, event, data, "line \(line)") }
    }
}

/// Compares the values that the fixtures name with an event, and that nothing stands in it that must be left out.
func checkDecoded(_ expected: JSONValue, _ event: CloudEvent, _ data: JSONValue, _ place: String) {
    var expected = expected.object ?? JSONObject()
    if let name = expected["event"]?.string { #expect(EventVocabulary.name(of: event) == name, "\(place): event") }
    if let time = expected["time"]?.string {
        #expect(event.time?.nanoseconds == EventTime(time)?.nanoseconds, "\(place): time \(event.time?.text ?? "-")")
    }
    expected["event"] = nil
    expected["time"] = nil
    let wrong = differences(.object(expected), data)
    #expect(wrong.isEmpty, "\(place): \(wrong)")
    let mayBeLeftOut = [
        "status", "queuedMs", "uid", "gid", "transferPath", "client", "clientHost", "clientChain", "path",
        "parentPnfsid", "name", "pnfsid", "owner", "scope",
    ]
    for name in mayBeLeftOut where expected[name] == nil {
        #expect(data[name] == nil, "\(place): \(name) should be left out")
    }
    if expected["protocol"] != nil, expected["protocol"]?["transferTag"] == nil {
        #expect(data["protocol"]?["transferTag"] == nil, "\(place): an empty transferTag should be left out")
    }
}
