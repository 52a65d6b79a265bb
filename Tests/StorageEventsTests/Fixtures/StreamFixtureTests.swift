import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Event stream fixtures decode as expected")
struct StreamFixtureTests {
    static let files: [String] = {
        guard let directory = Fixtures.directory("storage-events") else { return [] }
        return Fixtures.files(under: directory + "/sse") { $0.hasSuffix(".sse") }
    }()

    @Test("a stream, whatever the size of its pieces", arguments: files)
    func stream(_ path: String) throws {
        let expected = try JSONValue(parsing: try read(String(path.dropLast(4)) + ".expected.json"))
        let bytes = try read(path)
        var generator = SeededGenerator(seed: UInt64(bytes.count))
        for _ in 0..<8 {
            var parser = EventStreamParser()
            var messages: [StreamMessage] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int.random(in: 1...97, using: &generator)))
                rest = rest.dropFirst(piece.count)
                messages += piece.withUnsafeBytes { parser.feed($0) }
            }
            try checkMessages(messages, parser, expected)
            try checkMeaning(messages, expected)
        }
    }

    private func checkMessages(_ messages: [StreamMessage], _ parser: EventStreamParser, _ expected: JSONValue) throws {
        let wanted = expected["dispatched"]?.array ?? []
        #expect(messages.count == wanted.count)
        for (message, want) in zip(messages, wanted) {
            #expect(message.event == want["event"]?.string)
            #expect(message.id == want["id"]?.string)
            if let json = want["json"] { #expect(try JSONValue(parsing: message.data) == json) }
        }
        if let last = expected["lastEventId"] { #expect(parser.lastEventID == last.string) }
    }

    private func checkMeaning(_ messages: [StreamMessage], _ expected: JSONValue) throws {
        guard let meaning = expected["meaning"]?.array else { return }
        let watches = (expected["watches"]?.object?.members ?? []).compactMap { member in
            member.value.string.map { (member.name, $0) }
        }
        var all = Dictionary(uniqueKeysWithValues: watches)
        for message in messages where message.event == "inotify" {
            let url = try JSONValue(parsing: message.data)["subscription"]?.string ?? ""
            if all[url] == nil { all[url] = "/unknown" }
        }
        var mapper = InotifyMapper(watches: all)
        var batch = DecodedBatch()
        for message in messages { mapper.take(message, into: &batch) }
        mapper.flush(into: &batch)
        #expect(batch.failures.isEmpty)
        // The fixtures name neither changes of attributes nor reads.
        var events = batch.records.map(\.event).filter {
            $0.type != "dev.weir.file.attributes" && $0.type != "dev.weir.file.read"
        }
        for want in meaning {
            let found = events.firstIndex { event in
                guard let data = try? EventVocabulary.data(of: event) else { return false }
                let ids = want["ids"]?.array?.compactMap(\.integer)
                return EventVocabulary.name(of: event) == want["event"]?.string
                    && (want["path"] == nil || event.subject == want["path"]?.string)
                    && (want["from"] == nil || data["from"] == want["from"] && data["to"] == want["to"])
                    && (want["id"] == nil || data["streamId"]?.integer == want["id"]?.integer)
                    && (ids == nil || data["streamIds"]?.array?.compactMap(\.integer) == ids?.sorted())
            }
            guard let found else {
                Issue.record("no event means \(want.text) in \(events.map { "\($0.type) \($0.subject ?? "")" })")
                continue
            }
            events.remove(at: found)
        }
        #expect(events.isEmpty, "events that mean nothing expected: \(events.map(\.type))")
    }
}
