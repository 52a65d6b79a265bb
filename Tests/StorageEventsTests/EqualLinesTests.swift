import CloudEvents
import StorageEvents
import Testing

@Suite struct EqualLinesTests {
    /// Text has whole seconds: two removals of one replica in one second are equal to the letter and yet two.
    @Test func equalLinesOfOneSecondStayApartAlthoughOthersComeBetween() {
        func line(_ id: Int) -> String {
            let digits = String(id, radix: 16, uppercase: true)
            let pnfsid = String(repeating: "0", count: 36 - digits.count) + digits
            return "05.22 03:00:00 [pool:p17@p17Domain:remove] [\(pnfsid),512] [Unknown] exfel:raw@osm {0:\"sweeper\"}"
        }
        var decoder = BillingTextDecoder(fileName: "billing-2026.05.22", zone: .utc)
        var batch = DecodedBatch()
        for number in 0..<600 {
            for text in [line(0xABCDEF), line(number)] {
                Array(text.utf8).withUnsafeBytes { decoder.decode(line: $0, lineNumber: number + 1, into: &batch) }
            }
        }
        decoder.finish(into: &batch)
        #expect(batch.records.count == 1_200)
        #expect(Set(batch.records.map(\.event.id)).count == 1_200)
    }
}
