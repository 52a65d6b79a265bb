import Channels
import CloudEvents
import TestSupport
import Testing

@Suite struct ChecksumTests {
    /// RFC 3720 appendix B.4 and the usual check word.
    @Test(
        arguments: [
            (Array("123456789".utf8), UInt32(0xE306_9283)), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E),
            (Array((0..<32).reversed()), 0x113F_DB5C), ([], 0),
        ] as [([UInt8], UInt32)])
    func `CRC-32C is that of the standard`(_ bytes: [UInt8], _ expected: UInt32) {
        bytes.withUnsafeBytes {
            #expect(CRC32C.checksum($0) == expected)
            #expect(CRC32C.portable($0) == expected)
        }
    }

    @Test func `the instruction and plain Swift agree, in one go and in parts`() {
        var random = SeededGenerator()
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let start = UInt32.random(in: 0 ... .max, using: &random)
            let split = Int.random(in: 0...bytes.count, using: &random)
            bytes.withUnsafeBytes { all in
                let head = UnsafeRawBufferPointer(rebasing: all[..<split])
                let tail = UnsafeRawBufferPointer(rebasing: all[split...])
                let whole = CRC32C.checksum(all, from: start)
                #expect(CRC32C.portable(all, from: start) == whole, "seed \(random.seed)")
                #expect(CRC32C.checksum(tail, from: CRC32C.portable(head, from: start)) == whole)
            }
        }
    }

    /// From `vectors.h` of the authors' reference implementation: key 00…0f, messages 00, 00 01, …
    @Test(
        arguments: [
            (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"),
            (2, "8177228da4a45dc7fca38bdef60affe4"), (3, "9c70b60c5267a94e5f33b6b02985ed51"),
            (7, "a1f1ebbed8dbc153c0b84aa61ff08239"), (8, "3b62a9ba6258f5610f83e264f31497b4"),
            (15, "5493e99933b0a8117e08ec0f97cfc3d9"), (63, "5150d1772f50834a503e069a973fbd7c"),
        ])
    func `SipHash is that of the reference`(_ count: Int, _ expected: String) {
        let identity = Array(0..<UInt8(count)).withUnsafeBytes { IdentityKey(Array(0..<16)).hash($0) }
        var text = ""
        for word in [identity.low, identity.high] {
            for byte in 0..<8 {
                let digits = String(UInt8(truncatingIfNeeded: word >> (8 * byte)), radix: 16)
                text += digits.count == 1 ? "0" + digits : digits
            }
        }
        #expect(text == expected)
    }

    @Test func `an identity is of source and id, and tells where one ends`() {
        let key = IdentityKey(Array(0..<16))
        func identity(_ source: String, _ id: String, _ subject: String? = nil) -> EventIdentity {
            event(id, source: source, subject: subject).withView { key.identity(of: $0) }
        }
        #expect(identity("a", "b") == identity("a", "b", "elsewhere"))
        #expect(identity("ab", "c") != identity("a", "bc"))
        #expect(identity("a", "b") != identity("b", "a"))
        #expect(identity("a", "b") != event("b", source: "a").withView { IdentityKey.random().identity(of: $0) })
    }
}
