import Channels
import CloudEvents
import Testing

@Suite struct PartitionerTests {
    private func key(_ event: EventRecord) -> String? {
        event.withView { view in Partitioner.key(of: view).map { String(decoding: $0, as: UTF8.self) } }
    }

    @Test func `the key is the attribute, else the directory, else the source`() {
        #expect(key(event("1", subject: "/a/b/c", key: "k")) == "k")
        #expect(key(event("1", subject: "/a/b/c")) == "/a/b")
        #expect(key(event("1", subject: "/a")) == "/")
        #expect(key(event("1", subject: "a")) == "a")
        #expect(key(event("1", source: "s")) == "s")
    }

    /// These must never change: keys would move to other partitions, and out of their order.
    @Test func `the hash stays what it is`() {
        func hash(_ text: String) -> UInt64 { Array(text.utf8).withUnsafeBytes { Partitioner.hash($0) } }
        #expect(hash("") == 0xF52A_15E9_A9B5_E89B)
        #expect(hash("/exfel/raw") == 0x567D_A096_177D_8134)
    }

    @Test func `keys spread over partitions`() {
        var counts = [Int](repeating: 0, count: 7)
        for number in 0..<7_000 {
            event("1", subject: "/d/\(number)/f").withView { counts[Partitioner.partition(of: $0, among: 7)] += 1 }
        }
        #expect(counts.allSatisfy { (850...1_150).contains($0) })
    }
}
