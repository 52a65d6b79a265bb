import Manifest
import Testing

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("300ms", 300), ("2s", 2_000), ("5m", 300_000), ("5min", 300_000), ("1h30m", 5_400_000),
            ("30d", 2_592_000_000), ("2w", 1_209_600_000), ("0s", 0), ("1.5h", 5_400_000), ("0.5s", 500),
            ("1h 30m", 5_400_000),
        ] as [(String, Int64)])
    func lengthsOfTime(_ text: String, _ milliseconds: Int64) {
        #expect(Quantity.milliseconds(text) == milliseconds)
    }

    @Test(arguments: ["", " ", "5", "m", "5x", "-5s", "5s-", "1..5s", ".s", "5S", "99999999999999999w", "1e3s", "٣s"])
    func whatIsNoLengthOfTime(_ text: String) {
        #expect(Quantity.milliseconds(text) == nil)
    }

    @Test(
        arguments: [
            ("512", 512), ("512B", 512), ("64kB", 64_000), ("64KiB", 65_536), ("256MB", 256_000_000), ("1.5k", 1_500),
            ("10GiB", 10_737_418_240), ("1TB", 1_000_000_000_000), ("2tib", 2_199_023_255_552), ("1 GB", 1_000_000_000),
            ("8m", 8_000_000), ("0", 0),
        ] as [(String, Int64)])
    func sizes(_ text: String, _ bytes: Int64) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: ["", "kB", "5kB5", "1kB2B", "-1", "5EB", "9999999999TiB", "0x10"])
    func whatIsNoSize(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test func whatIsWrittenIsReadBackTheSame() {
        for milliseconds: Int64 in [0, 1, 999, 1_000, 61_000, 60_000, 5_400_000, 86_400_000, 90_000_001] {
            #expect(Quantity.milliseconds(Quantity.text(milliseconds: milliseconds)) == milliseconds)
        }
        for bytes: Int64 in [0, 1, 1_000, 1_024, 256 << 20, 256_000_000, 10 << 30, 123_456_789] {
            #expect(Quantity.bytes(Quantity.text(bytes: bytes)) == bytes)
        }
        #expect(Quantity.text(milliseconds: 5_400_000) == "90m")
        #expect(Quantity.text(bytes: 256 << 20) == "256MiB")
    }
}
