import Kafka
import Testing

@Suite struct MurmurTests {
    /// Values of `org.apache.kafka.common.utils.UtilsTest.testMurmur2`.
    @Test(
        arguments: [
            ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ] as [(String, Int32)])
    func `a key's hash is that of Kafka's own clients`(_ key: String, _ hash: Int32) {
        #expect(Array(key.utf8).withUnsafeBytes { Murmur2.hash($0) } == UInt32(bitPattern: hash))
    }
}
