import CloudEvents
import EventSources
import Foundation
import Kafka
import Logging
import Manifest
import Outbound
import StorageEvents
import Synchronization
import TestSupport
import Testing

@Suite("Kafka topics as sources", .timeLimit(.minutes(3)))
struct KafkaSourceTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let fixtures = Fixtures.directory("storage-events").map { $0 + "/kafka/" }

    private final class Bench: Sendable {
        let kafka: MockKafka
        let channel = MemoryChannel()
        let deadLetters = MemoryChannel("dead")
        let report = Mutex(SourceReport())

        init() throws {
            kafka = try MockKafka(brokers: 1)
            kafka.topic("billing", partitions: 3)
        }

        func write(_ values: [[UInt8]?], topic: String = "billing", partition: Int32? = nil) async throws {
            let producer = try KafkaProducer(KafkaSettings(bootstrap: kafka.bootstrap), log: quiet)
            let outcomes = await producer.send(
                values.enumerated().map {
                    KafkaOutgoing(topic: topic, partition: partition ?? Int32($0.offset % 3), value: $0.element)
                })
            for outcome in outcomes { _ = try outcome.get() }
            await producer.close(within: 1_000)
        }

        func following(_ change: (inout KafkaSourceSpec) -> Void = { _ in }, _ body: () async throws -> Void)
            async throws
        {
            var spec = KafkaSourceSpec(
                cluster: KafkaSpec(
                    brokers: kafka.bootstrap,
                    properties: [
                        .init(name: "session.timeout.ms", value: .text("6000")),
                        .init(name: "topic.metadata.refresh.interval.ms", value: .text("500")),
                    ]), topics: ["billing"], format: .billingJSON, deduplicate: 100)
            change(&spec)
            let report = SourceReport()
            self.report.withLock { $0 = report }
            let source = KafkaSource(
                id: SourceID(namespace: "default", name: "kafka"), spec: spec,
                output: SourceOutput(channel: channel, deadLetters: deadLetters, report: report), secrets: .none,
                log: quiet)
            let running = Task { try await source.run() }
            do {
                try await body()
            } catch {
                print("the source says: \(report.snapshot)")
                running.cancel()
                _ = await running.result
                throw error
            }
            running.cancel()
            _ = await running.result
        }
    }

    private static func lines(_ name: String) throws -> [[UInt8]] {
        let path = try #require(fixtures) + name
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { Array($0.utf8) }
    }

    @Test(
        "billing records and alarms become events; what cannot be read is set aside and nothing stops",
        .enabled(if: fixtures != nil, "the sample data is not beside the checkout"))
    func billing() async throws {
        let bench = try Bench()
        bench.kafka.topic("alarms")
        let alarm = try Array(Data(contentsOf: URL(fileURLWithPath: try #require(Self.fixtures) + "alarm.json")))
        let transfers = try Self.lines("transfer.jsonl")
        try await bench.following({ $0.topics = ["billing", "^alarm.*"] }) {
            try await bench.write(
                [Array("no json".utf8), [], nil, Array("{\"msgType\": \"transfer\"}".utf8), Array("[1]".utf8)]
                    + transfers)
            // Pretty-printed, over several lines, without a line's end behind.
            try await bench.write([alarm], topic: "alarms", partition: 0)
            try await eventually("all are told") {
                bench.channel.count == transfers.count + 1 && bench.deadLetters.count == 4
            }
        }
        let types = bench.channel.events.map(\.type)
        #expect(types.contains("org.dcache.alarm") && types.contains("dev.weir.file.written"))
        let dead = try #require(bench.deadLetters.events.first)
        #expect(dead.subject?.hasPrefix("billing/") == true && dead["offset"] != nil)
    }

    @Test(
        "both of dCache's routes at once: one event each, and the copy that says more is taken",
        .enabled(if: fixtures != nil, "the sample data is not beside the checkout"))
    func duplicates() async throws {
        let bench = try Bench()
        let records = try Self.lines("duplicates.jsonl")
        let expected = try JSONValue(
            parsing: Array(
                Data(contentsOf: URL(fileURLWithPath: try #require(Self.fixtures) + "duplicates.expected.json"))))
        let distinct = try #require(expected["distinct"]?.integer)
        try await bench.following({ $0.deduplicate = 1_500 }) {
            try await bench.write(records)
            try await eventually("all are told") { bench.channel.count >= Int(distinct) }
            try await bench.write([Self.lines("hit.jsonl")[0]])
            try await eventually("and one more") {
                bench.channel.events.contains { $0.type == "dev.weir.pool.selected" }
            }
        }
        #expect(bench.channel.count == Int(distinct) + 1)
        let request = bench.channel.events.first { $0.type.hasPrefix("dev.weir.request") }
        if case .json(let bytes)? = request?.data {
            #expect(try JSONValue(parsing: bytes)["mover"] != nil)
        }
    }

    @Test("a group goes on where it was, and what is repeated is the same")
    func goesOn() async throws {
        let bench = try Bench()
        func record(_ number: Int) -> [UInt8] {
            Array(
                #"{"event_type":"transfer-done","payload":{"scope":"s","name":"n\#(number)"},"created_at":"2026-05-20 12:00:00"}"#
                    .utf8)
        }
        let rucio: (inout KafkaSourceSpec) -> Void = {
            $0.format = .rucio
            $0.deduplicate = 0
            $0.system = "atlas"
        }
        try await bench.following(rucio) {
            try await bench.write((0..<200).map(record))
            try await eventually("all are told") { bench.channel.count == 200 }
        }
        try await bench.write((200..<300).map(record))
        try await bench.following(rucio) {
            try await eventually("the rest is told") { bench.channel.count == 300 }
        }
        #expect(Set(bench.channel.events.compactMap(\.subject)).count == 300)
        #expect(bench.channel.events.allSatisfy { $0.source == "rucio://atlas" })
    }

    @Test("a topic that comes later and matches is read; a broker that is away is said and waited for")
    func laterTopic() async throws {
        let bench = try Bench()
        try await bench.following({
            $0.topics = ["^ingest\\..*"]; $0.format = .rucio; $0.deduplicate = 0
        }) {
            bench.kafka.topic("ingest.new")
            try await bench.write(
                [Array(#"{"event_type":"x","payload":{"name":"n"}}"#.utf8)], topic: "ingest.new", partition: 0)
            try await eventually("it is told") { bench.channel.count == 1 }
            bench.kafka.down(1)
            try await eventually("it says so") {
                if case .failing = bench.report.withLock({ $0.snapshot.state }) { true } else { false }
            }
            bench.kafka.up(1)
            try await bench.write(
                [Array(#"{"event_type":"y","payload":{"name":"n"}}"#.utf8)], topic: "ingest.new", partition: 0)
            try await eventually("it goes on") { bench.channel.count == 2 }
        }
    }

    @Test("documents read back the same; secrets do not stand in them")
    func documents() throws {
        let spec = try SourceSpec([
            "kind": "kafka", "brokers": "a:9092,b:9092", "topics": ["billing", "^x.*"], "channel": "c",
            "properties": [
                "security.protocol": "SASL_SSL", "sasl.password": ["secret": "k"], "socket.keepalive.enable": true,
            ],
        ])
        #expect(try SourceSpec(spec.document) == spec)
        #expect(spec.document["deduplicate"] == "2s")
        func message(_ more: JSONObject) -> String {
            var document: JSONObject = ["kind": "kafka", "brokers": "a:9092", "topics": ["t"], "channel": "c"]
            for member in more.members { document[member.name] = member.value }
            do throws(DocumentError) {
                _ = try SourceSpec(.object(document), path: "s")
                return "accepted"
            } catch { return error.description }
        }
        #expect(message(["properties": ["sasl.password": "abc"]]).contains("a secret does not stand in a manifest"))
        #expect(message(["properties": ["acks": "1"]]).contains("acks cannot be set"))
        #expect(message(["topics": []]).contains("s.topics: this is required"))
        #expect(message(["topics": ["a b"]]).contains("s.topics[0]"))
        #expect(message(["format": "dcache-sse"]).contains("is not one of"))
        #expect(message(["brokers": "a b"]).contains("names no brokers"))
    }
}
