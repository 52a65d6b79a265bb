import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Times of billing text")
struct BillingTimeTests {
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3"

    /// A TZif file of version 2 without transitions, only with a rule.
    static func zone(_ rule: String, offset: Int32) throws -> ZoneRules {
        func header() -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + [0, 0, 0, 0] + [0, 0, 0, 0] + [0, 0, 0, 0]
                + [0, 0, 0, 0] + [0, 0, 0, 1] + [0, 0, 0, 4]
        }
        let big = withUnsafeBytes(of: offset.bigEndian) { Array($0) }
        let body = big + [0, 0] + Array("LMT\0".utf8)
        return try ZoneRules(tzif: header() + body + header() + body + Array("\n\(rule)\n".utf8))
    }

    @Test("the year comes from the file's name, across New Year in both directions")
    func year() {
        func time(_ file: String, _ date: String) -> String? {
            var text = TextLines(file)
            text.add(Sample.mover(date: date))
            return text.events.first?.time?.text
        }
        #expect(time("2026/01/billing-2026.01.01", "12.31 23:59:59") == "2025-12-31T23:59:59Z")
        #expect(time("billing-2026.12.31", "01.01 00:00:01") == "2027-01-01T00:00:01Z")
        #expect(time("billing-2024.02.29.bz2", "02.29 10:00:00") == "2024-02-29T10:00:00Z")
        #expect(time("stdin", "05.20 10:00:00") == nil)
    }

    @Test("29 February of a common year is no date")
    func leap() {
        var text = TextLines("billing-2026.02.28")
        text.add(Sample.mover(date: "02.29 10:00:00"), Sample.mover(date: "13.01 10:00:00"))
        #expect(text.events.isEmpty)
        #expect(text.batch.failures.count == 2)
    }

    @Test("the repeated hour: the fall of local time tells the second pass, and the event says it is ambiguous")
    func autumn() throws {
        let zone = try Self.zone(berlin, offset: 3_600)
        var text = TextLines("billing-2026.10.25", zone: zone)
        let dates = ["01:59:59", "02:30:00", "02:59:59", "02:59:58", "02:00:03", "02:30:00", "03:00:00", "02:10:00"]
        for date in dates { text.add(Sample.mover(date: "10.25 \(date)")) }
        #expect(
            text.events.compactMap { $0.time?.text.suffix(14) }.map(String.init) == [
                "01:59:59+02:00", "02:30:00+02:00", "02:59:59+02:00", "02:59:58+02:00", "02:00:03+01:00",
                "02:30:00+01:00",
                "03:00:00+01:00", "02:10:00+02:00",
            ])
        #expect(
            text.events.map { $0["timeambiguous"] == .boolean(true) } == [
                false, true, true, true, true, true, false, true,
            ])
        #expect(try text.data(1)["timeAmbiguous"] == true)
    }

    @Test("flushes carry the time of their request, so their falls tell nothing")
    func lateFlush() throws {
        var text = TextLines("billing-2026.10.25", zone: try Self.zone(berlin, offset: 3_600))
        let store = "10.25 02:10:00 [pool:t@tD:store] [00AA,1] [/x] a:b@osm 1 2 {0:\"\"}"
        text.add(Sample.mover(date: "10.25 02:40:00"), store, Sample.mover(date: "10.25 02:41:00"))
        #expect(text.events.compactMap { $0.time?.text.suffix(6) } == ["+02:00", "+02:00", "+02:00"])
    }

    @Test("rules of both halves of the Earth, and times that are left out")
    func rules() throws {
        let sydney = try Self.zone("AEST-10AEDT,M10.1.0,M4.1.0/3", offset: 36_000)
        let january = EventTime("2026-01-15T00:00:00Z")?.nanoseconds ?? 0
        let july = EventTime("2026-07-15T00:00:00Z")?.nanoseconds ?? 0
        #expect(sydney.offset(at: january / 1_000_000_000) == 39_600)
        #expect(sydney.offset(at: july / 1_000_000_000) == 36_000)
        let zone = try Self.zone(berlin, offset: 3_600)
        let skipped = (EventTime("2026-03-29T02:30:00Z")?.nanoseconds ?? 0) / 1_000_000_000
        #expect(zone.resolve(local: skipped) == .skipped(offset: 3_600))
        #expect(zone.resolve(local: skipped + 86_400) == .unique(offset: 7_200))
    }

    @Test("damaged zone data is refused, whatever it holds")
    func damaged() throws {
        let good = try systemZone("Europe/Berlin")
        _ = try ZoneRules(tzif: good)
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            if let rules = try? ZoneRules(tzif: bytes) { _ = rules.resolve(local: 1_779_278_400) }
        }
        #expect(throws: ZoneRulesError.self) { try ZoneRules(tzif: Array("no zone".utf8)) }
    }
}
