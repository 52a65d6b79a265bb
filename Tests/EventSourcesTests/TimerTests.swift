import CloudEvents
import EventSources
import Foundation
import Manifest
import StorageEvents
import Synchronization
import TestSupport
import Testing

@Suite("Timers")
struct TimerTests {
    private func zone(_ name: String) throws -> ZoneRules {
        guard name != "UTC" else { return .utc }
        return try ZoneRules(tzif: [UInt8](Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)"))))
    }

    private func times(_ schedule: String, _ from: String, _ count: Int, zone name: String = "UTC") throws -> [String] {
        let (cron, zone) = (try CronSchedule(schedule), try zone(name))
        var moment = try #require(EventTime(from)).nanoseconds / 1_000_000_000
        return try (0..<count).map { _ in
            moment = try #require(cron.next(after: moment, in: zone))
            return String(EventTime(nanoseconds: moment * 1_000_000_000).text.prefix(16))
        }
    }

    @Test(
        "schedules",
        arguments: [
            ("*/20 * * * *", "2026-05-20T10:05:00Z", ["2026-05-20T10:20", "2026-05-20T10:40", "2026-05-20T11:00"]),
            (
                "0 9-17/4 * * mon-fri", "2026-05-22T12:00:00Z",
                ["2026-05-22T13:00", "2026-05-22T17:00", "2026-05-25T09:00"]
            ),
            ("30 4 1,15 * 5", "2026-05-01T04:30:00Z", ["2026-05-08T04:30", "2026-05-15T04:30", "2026-05-22T04:30"]),
            ("0 0 29 feb *", "2026-01-01T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
            ("@monthly", "2026-12-31T23:59:59Z", ["2027-01-01T00:00", "2027-02-01T00:00"]),
            ("5 0 * * 7", "2026-05-20T00:00:00Z", ["2026-05-24T00:05"]),
        ])
    func schedules(_ schedule: String, _ from: String, _ wanted: [String]) throws {
        #expect(try times(schedule, from, wanted.count) == wanted)
    }

    @Test("where summer time begins and ends, a daily time comes once a day, an hourly one each hour")
    func summerTime() throws {
        let zone = "Europe/Berlin"
        // 02:30 does not exist on 29 March: it is half an hour behind the change.
        #expect(
            try times("30 2 * * *", "2026-03-27T12:00:00Z", 4, zone: zone)
                == ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30", "2026-03-31T00:30"])
        // 02:30 comes twice on 25 October: the first counts.
        #expect(
            try times("30 2 * * *", "2026-10-24T12:00:00Z", 2, zone: zone) == ["2026-10-25T00:30", "2026-10-26T01:30"])
        #expect(
            try times("30 * * * *", "2026-10-24T23:00:00Z", 4, zone: zone)
                == ["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"])
        #expect(
            try times("30 * * * *", "2026-03-29T00:00:00Z", 3, zone: zone)
                == ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"])
    }

    @Test(
        "what is no schedule is said",
        arguments: [
            "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "a * * * *",
            "0 0 31 2 *", "1,,2 * * * *", "* * * * 8", "-1 * * * *",
        ])
    func malformed(_ text: String) { #expect(throws: CronError.self) { try CronSchedule(text) } }

    private final class Bench: Sendable {
        let channel = MemoryChannel()
        let store = MemoryStore()
        let now = Mutex<Int64>(0)

        /// Runs the timer until it has been made to wait until a time, which passes at once.
        func run(_ document: JSONValue, from start: String, until end: String) async throws {
            let limit = try #require(EventTime(end)).nanoseconds
            now.withLock { $0 = EventTime(start)?.nanoseconds ?? 0 }
            guard case .timer(let spec) = try SourceSpec(document).kind else { return }
            let output = SourceOutput(channel: channel, deadLetters: MemoryChannel("dead"), report: SourceReport())
            let clock = SourceClock(wall: { self.now.withLock { $0 } }, steady: { self.now.withLock { $0 } })
            let source = TimerSource(
                id: SourceID(namespace: "default", name: "nightly"), spec: spec, zone: .utc, output: output,
                store: store, clock: clock
            ) { time in
                let isOver = self.now.withLock { now in
                    now += time
                    return now > limit
                }
                if isOver { throw CancellationError() }
            }
            await #expect(throws: CancellationError.self) { try await source.run() }
        }

        var times: [String] { channel.events.map { String(($0.time?.text ?? "").prefix(16)) } }
    }

    private func document(_ missed: String) -> JSONValue {
        [
            "kind": "timer", "schedule": "0 * * * *", "channel": "c", "missed": .string(missed),
            "data": ["why": "hourly"],
        ]
    }

    @Test("events bear the schedule's time, and a restart makes none twice")
    func ticks() async throws {
        let bench = Bench()
        try await bench.run(document("all"), from: "2026-05-20T09:30:00Z", until: "2026-05-20T11:30:00Z")
        #expect(bench.times == ["2026-05-20T10:00", "2026-05-20T11:00"])
        try await bench.run(document("all"), from: "2026-05-20T11:30:00Z", until: "2026-05-20T12:30:00Z")
        #expect(bench.times.count == 3)
        let event = try #require(bench.channel.events.first)
        #expect(event.type == "dev.weir.timer" && event.source == "weir://default/sources/nightly")
        try event.validate()
    }

    @Test(
        "what was missed while the server was down",
        arguments: [
            ("skip", ["2026-05-20T10:00", "2026-05-20T15:00"]),
            ("once", ["2026-05-20T10:00", "2026-05-20T14:00", "2026-05-20T15:00"]),
            ("all", (10...15).map { "2026-05-20T\($0):00" }),
        ])
    func missed(_ missed: String, _ wanted: [String]) async throws {
        let bench = Bench()
        try await bench.run(document(missed), from: "2026-05-20T09:30:00Z", until: "2026-05-20T10:30:00Z")
        try await bench.run(document(missed), from: "2026-05-20T14:30:00Z", until: "2026-05-20T15:30:00Z")
        #expect(bench.times == wanted)
    }

    @Test("documents read back the same, and mistakes are named")
    func documents() throws {
        let spec = try SourceSpec([
            "kind": "timer", "schedule": "0 3 * * *", "timezone": "Europe/Berlin", "channel": "c",
            "type": "org.example.t",
            "subject": "/a", "missed": "once",
        ])
        #expect(try SourceSpec(spec.document) == spec)
        #expect(throws: DocumentError.self) {
            try SourceSpec(["kind": "timer", "schedule": "0 3 * *", "channel": "c"])
        }
        #expect(throws: DocumentError.self) {
            try SourceSpec(["kind": "timer", "schedule": "@daily", "channel": "c", "missed": "some"])
        }
    }
}
