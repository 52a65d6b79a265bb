import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Event stream")
struct EventStreamParserTests {
    private func parse(_ text: String) -> [StreamMessage] {
        var parser = EventStreamParser()
        return Array(text.utf8).withUnsafeBytes { parser.feed($0) }
    }

    @Test("line ends of every kind, comments, a mark at the beginning, data over several lines")
    func forms() {
        let messages = parse(
            "\u{FEFF}:hi\r\nevent: a\rid: 1\rdata: x\rdata:y\r\rdata\n\nid\nevent: none\n\ndata:  z\n\ndata: cut")
        #expect(
            messages == [
                StreamMessage(event: "a", id: "1", data: Array("x\ny".utf8)),
                StreamMessage(event: "message", id: "1", data: []),
                StreamMessage(event: "message", id: "", data: Array(" z".utf8)),
            ])
    }

    private let url = "https://d.example.org:3880/api/v1/events/channels/C/subscriptions/inotify/"

    private func message(_ mask: String, name: String? = "f", cookie: String? = nil, watch: String = "A", id: Int = 1)
        -> StreamMessage
    {
        var event: JSONObject = ["mask": .array(mask.split(separator: " ").map { .string(String($0)) })]
        if let name { event["name"] = .string(name) }
        if let cookie { event["cookie"] = .string(cookie) }
        let data: JSONValue = ["event": .object(event), "subscription": .string(url + watch)]
        return StreamMessage(event: "inotify", id: String(id), data: data.encoded())
    }

    private func mapper() -> InotifyMapper {
        InotifyMapper(watches: [url + "A": "/a", url + "B": "/", url + "F": "/a/file"])
    }

    @Test(
        "masks become events with full paths",
        arguments: [
            ("IN_CLOSE_WRITE", "dev.weir.file.written"), ("IN_CLOSE_NOWRITE", "dev.weir.file.read"),
            ("IN_DELETE", "dev.weir.file.deleted"), ("IN_DELETE IN_ISDIR", "dev.weir.directory.deleted"),
            ("IN_CREATE IN_ISDIR", "dev.weir.directory.created"), ("IN_ATTRIB", "dev.weir.file.attributes"),
            ("IN_CREATE", nil), ("IN_OPEN", nil), ("IN_MODIFY", nil),
        ] as [(String, String?)])
    func masks(_ mask: String, _ type: String?) {
        var mapper = mapper()
        var batch = DecodedBatch()
        mapper.take(message(mask), into: &batch)
        #expect(batch.records.map(\.event.type) == (type.map { [$0] } ?? []))
        #expect(batch.records.allSatisfy { $0.event.subject == "/a/f" })
        mapper.includesOwnTypes = true
        mapper.take(message("IN_OPEN", name: nil, watch: "F"), into: &batch)
        #expect(batch.records.last?.event.type == "org.dcache.inotify.in_open")
        #expect(batch.records.last?.event.subject == "/a/file")
    }

    @Test("a pair in either order, on two subscriptions, with others between, is one move")
    func pairs() throws {
        for isReversed in [false, true] {
            var mapper = mapper()
            var batch = DecodedBatch()
            let from = message("IN_MOVED_FROM", name: "x", cookie: "c", id: 1)
            let to = message("IN_MOVED_TO", name: "y", cookie: "c", watch: "B", id: 2)
            mapper.take(isReversed ? to : from, into: &batch)
            mapper.take(message("IN_ATTRIB", id: 3), into: &batch)
            mapper.take(isReversed ? from : to, into: &batch)
            let moves = batch.records.map(\.event).filter { $0.type == "dev.weir.file.moved" }
            #expect(moves.count == 1 && !mapper.isWaiting)
            let data = try EventVocabulary.data(of: try #require(moves.first))
            #expect(data["from"] == "/a/x" && data["to"] == "/y")
        }
    }

    @Test("a lone half becomes an event after its patience, or when flushed")
    func lone() {
        var mapper = mapper()
        var batch = DecodedBatch()
        mapper.take(message("IN_MOVED_TO", name: "in", cookie: "c"), into: &batch)
        for id in 0..<InotifyMapper.patience { mapper.take(message("IN_ATTRIB", id: id), into: &batch) }
        #expect(!batch.records.contains { $0.event.type == "dev.weir.file.appeared" })
        mapper.take(message("IN_ATTRIB"), into: &batch)
        #expect(batch.records.last?.event.type == "dev.weir.file.appeared")
        mapper.take(message("IN_MOVED_FROM IN_ISDIR", name: "out", cookie: "d"), into: &batch)
        mapper.flush(into: &batch)
        #expect(batch.records.last?.event.type == "dev.weir.directory.disappeared")
    }

    @Test("what the server says of itself becomes what the owner must do")
    func system() {
        var mapper = mapper()
        var batch = DecodedBatch()
        func say(_ type: String, _ watch: String? = nil) {
            var data: JSONObject = ["type": .string(type)]
            if let watch { data["subscription"] = .string(url + watch) }
            mapper.take(StreamMessage(event: "SYSTEM", id: nil, data: JSONValue.object(data).encoded()), into: &batch)
        }
        say("NEW_SUBSCRIPTION", "A")
        say("EVENT_LOSS")
        say("COMPETING_CLIENT")
        say("SHUTDOWN")
        mapper.take(message("IN_Q_OVERFLOW", name: nil), into: &batch)
        mapper.take(message("IN_MOVE_SELF", name: nil), into: &batch)
        say("SUBSCRIPTION_CLOSED", "A")
        #expect(
            mapper.takeActions() == [
                .subscribed(url + "A"), .reconcile(reason: "the server's backlog was thrown away"), .yieldChannel,
                .recreateChannel, .rescan(path: "/a"), .pathStale(subscription: url + "A", path: "/a"),
                .unsubscribed(url + "A", path: "/a"),
            ])
        #expect(mapper.takeActions().isEmpty)
        mapper.take(message("IN_CLOSE_WRITE"), into: &batch)
        say("NEWS")
        #expect(batch.failures.map(\.code) == [.badStream, .badStream])
    }
}
