import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Joining")
struct TransferJoinerTests {
    private func json(_ text: String) throws -> EventRecord {
        var decoder = BillingJSONDecoder()
        var batch = DecodedBatch()
        Array(text.utf8).withUnsafeBytes { decoder.decode(line: $0, lineNumber: 1, into: &batch) }
        return try #require(batch.records.first, "\(batch.failures)")
    }

    private func common(_ type: String, _ more: String) throws -> EventRecord {
        try json(
            #"{"msgType":"\#(type)","date":"2026-05-20T14:03:07Z","cellName":"c","cellDomain":"d","cellType":"pool","#
                + #""status":{"code":0},\#(more)}"#)
    }

    private func mover(_ initiator: String, ms: Int = 5) throws -> EventRecord {
        try common(
            "transfer",
            #""isWrite":"write","initiator":"\#(initiator)","pnfsid":"00AA","transferSize":1,"transferTime":\#(ms),"session":"pool:x""#
        )
    }

    private func request(_ session: String) throws -> EventRecord {
        try common("request", #""session":"\#(session)","owner":"alice","sessionDuration":9"#)
    }

    @Test("the mover's initiator is the door's session, in either order; retries stay together")
    func joins() throws {
        var joiner = TransferJoiner(windowMilliseconds: 100, capacity: 10)
        #expect(joiner.take(try mover("door:1"), at: 0) == nil)
        #expect(joiner.take(try request("door:1"), at: 10) == nil)
        #expect(joiner.take(try request("door:2"), at: 20) == nil)
        #expect(joiner.take(try mover("door:2"), at: 30) == nil)
        #expect(joiner.take(try mover("door:2", ms: 6), at: 40) == nil)
        #expect(joiner.take(try request("door:3"), at: 50) == nil)
        #expect(joiner.due(at: 99).isEmpty)
        let groups = joiner.due(at: 150)
        #expect(groups.map(\.movers.count) == [1, 2, 0])
        #expect(groups.allSatisfy { $0.request != nil } && joiner.waitingCount == 0)
        let event = try #require(groups[1].joined).event
        #expect(event.type == "dev.weir.file.written" && event["owner"] == .string("alice"))
        let data = try EventVocabulary.data(of: event)
        #expect(data["movers"] == 2 && data["request"]?["durationMs"] == 9 && data["durationMs"] == 6)
    }

    @Test("what has no session goes on at once, and memory is bounded")
    func bounds() throws {
        var joiner = TransferJoiner(windowMilliseconds: 1_000, capacity: 3)
        #expect(joiner.take(try mover("<undefined>"), at: 0) != nil)
        for index in 0..<10 { #expect(joiner.take(try request("door:\(index)"), at: 0) == nil) }
        #expect(joiner.due(at: 1).count == 7 && joiner.waitingCount == 3)
    }

    @Test("an event says which ways confirmed it, and ids are forgotten beyond the capacity")
    func confirmation() throws {
        var routes = RouteDeduplicator(windowMilliseconds: 10, capacity: 2)
        let record = try mover("door:1")
        #expect(routes.take(record, source: "kafka", at: 0) == .held)
        #expect(routes.take(record, source: "file", at: 1) == .duplicate)
        #expect(routes.due(at: 10).map { $0.event["confirmedby"] } == [.string("file kafka")])
        #expect(routes.take(record, source: "file", at: 11) == .duplicate)
        for index in 2..<5 { _ = routes.take(try mover("door:\(index)"), source: "kafka", at: 20) }
        _ = routes.due(at: 100)
        #expect(routes.take(record, source: "file", at: 101) == .held)
    }
}
