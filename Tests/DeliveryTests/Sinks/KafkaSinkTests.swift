import CloudEvents
import Kafka
import Logging
import Manifest
import Outbound
import TestSupport
import Testing

@testable import Delivery

@Suite("Kafka topics as sinks", .timeLimit(.minutes(2)))
struct KafkaSinkTests {
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func parcel(_ number: Int) -> Parcel {
        var event = CloudEvent(
            id: "e\(number)", source: "s", type: "t", subject: "/a/ü\(number)",
            data: number == 3 ? nil : .json(Array("{\"n\":\(number)}".utf8)))
        event["partitionkey"] = .string("/a")
        event["filesizemib"] = .integer(7)
        return Parcel(event: EventRecord(event), partition: 0, offset: UInt64(number), attempt: 1)
    }

    private func sink(_ kafka: MockKafka, _ more: JSONObject = [:], timeout: Int64 = 20_000) throws -> KafkaSink {
        var document: JSONObject = ["kind": "kafka", "brokers": .string(kafka.bootstrap), "topic": "out"]
        for member in more.members { document[member.name] = member.value }
        guard case .kafka(let spec) = try SinkSpec(.object(document), path: "sink") else {
            throw DocumentError(path: "", message: "no Kafka sink")
        }
        return KafkaSink(spec, secrets: .none, namespace: "default", timeout: timeout, log: quiet)
    }

    private func messages(_ kafka: MockKafka, _ count: Int) async throws -> [KafkaMessage] {
        let consumer = try KafkaConsumer(
            KafkaSettings(bootstrap: kafka.bootstrap, properties: [KafkaProperty("session.timeout.ms", "6000")]),
            group: "test", topics: ["out"], log: quiet)
        var messages: [KafkaMessage] = []
        while messages.count < count, let batch = try await consumer.next() { messages += batch.messages }
        await consumer.close()
        try #require(messages.count == count)
        return messages.sorted { $0.offset < $1.offset }
    }

    @Test("events in binary mode: attributes as headers, data as the value, the key by partitionkey")
    func binary() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("out")
        let sink = try sink(kafka)
        #expect(await sink.deliver((0..<4).map(parcel)).map(\.outcome) == Array(repeating: .delivered, count: 4))
        await sink.close()
        let messages = try await messages(kafka, 4)
        let first = messages[0]
        func header(_ name: String) -> String? {
            first.headers.first { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(header("ce_id") == "e0" && header("ce_subject") == "/a/ü0" && header("ce_filesizemib") == "7")
        #expect(header("ce_specversion") == "1.0" && header("content-type") == "application/json")
        #expect(first.key == Array("/a".utf8) && first.value == Array("{\"n\":0}".utf8))
        // No data is an empty value: null would be a tombstone.
        #expect(messages[3].value == [])
    }

    @Test("structured mode and templates")
    func shapes() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("out")
        let structured = try sink(kafka, ["mode": "structured", "key": "${id}"])
        #expect(await structured.deliver([parcel(1)]).map(\.outcome) == [.delivered])
        await structured.close()
        let shaped = try sink(kafka, ["template": ["path": "${subject}", "n": "${/n}"]])
        let answers = await shaped.deliver([parcel(2), parcel(3)])
        #expect(answers[0].outcome == .delivered)
        guard case .rejected = answers[1].outcome else { Issue.record("\(answers[1])"); return }
        await shaped.close()
        let messages = try await messages(kafka, 2)
        #expect(try JSONEventFormat.decodeEvent(messages[0].value ?? []).id == "e1")
        #expect(messages[0].key == Array("e1".utf8))
        #expect(try JSONValue(parsing: messages[1].value ?? []) == ["path": "/a/ü2", "n": 2])
    }

    @Test("brokers that are away: the events wait and go when they are back")
    func away() async throws {
        let kafka = try MockKafka(brokers: 1)
        kafka.topic("out")
        let sink = try sink(kafka, timeout: 1_500)
        #expect(await sink.deliver([parcel(1)]).map(\.outcome) == [.delivered])
        kafka.down(1)
        guard case .retry = await sink.deliver([parcel(2)])[0].outcome else { Issue.record("delivered"); return }
        kafka.up(1)
        var outcome = DeliveryOutcome.retry("")
        while outcome != .delivered, !Task.isCancelled { outcome = await sink.deliver([parcel(2)])[0].outcome }
        #expect(outcome == .delivered)
        await sink.close()
        guard case .retry = await sink.deliver([parcel(3)])[0].outcome else { Issue.record("delivered"); return }
    }
}
