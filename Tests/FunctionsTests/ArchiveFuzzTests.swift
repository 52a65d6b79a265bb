import Foundation
import TestSupport
import Testing

@testable import Functions

@Suite struct ArchiveFuzzTests {
    private func seeds() -> [(Archive.Format, [UInt8])] {
        var packed = ZipBuilder.Member("lib/data.txt", String(repeating: "weir ", count: 200))
        packed.deflate = true
        let zip = ZipBuilder([ZipBuilder.Member("main.py", "print(1)"), packed, ZipBuilder.Member("dir/")])
        var tar = TarBuilder()
        tar.add("dir", kind: "5")
        tar.add("dir/a.py", "print(1)")
        tar.pax([("path", "dir/pax"), ("size", "3")])
        tar.add("x", "abc")
        tar.add(Array("L".utf8), Array("dir/long".utf8), kind: "L")
        tar.add("y", "z")
        return [(.zip, zip.build()), (.tar, tar.build()), (.tarGzip, ZipBuilder.gzip(tar.build()))]
    }

    /// Makes the checksum of every tar header right again, so that mutations reach what lies behind it.
    private func repair(_ bytes: inout [UInt8]) {
        for start in stride(from: 0, through: bytes.count - 512, by: 512)
        where bytes[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
            for index in 148..<156 { bytes[start + index] = 0x20 }
            let text = String(bytes[start..<(start + 512)].reduce(0) { $0 + Int($1) }, radix: 8)
            for (index, byte) in (String(repeating: "0", count: 6 - text.count) + text).utf8.enumerated() {
                bytes[start + 148 + index] = byte
            }
            bytes[start + 154] = 0
        }
    }

    @Test func mutatedArchivesAreReadOrRefusedAndNothingIsWrittenOutside() throws {
        let iterations = ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 5_000
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        let folder = try TemporaryDirectory()
        let inside = folder.file("inside")
        let seeds = seeds()
        let values: [UInt8] = [0, 1, 0x2E, 0x2F, 0x7F, 0x80, 0xFF, 0x32, 0x35]
        var unpacked = 0
        for iteration in 0..<iterations {
            let (format, seed) = seeds[iteration % seeds.count]
            var bytes = seed
            for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1, 2: bytes[place] = values[Int.random(in: 0..<values.count, using: &generator)]
                case 3: for index in place..<min(place + 3, bytes.count) { bytes[index] = 0x2E }
                case 4:
                    bytes.removeSubrange(place..<min(place + Int.random(in: 1...64, using: &generator), bytes.count))
                default: bytes.insert(contentsOf: bytes[place...].prefix(64), at: place)
                }
            }
            if format == .tar { repair(&bytes) }
            do throws(ArchiveError) {
                if iteration % 10 < 1 {
                    var sink = try CodeFolder(creating: inside)
                    defer { sink.close() }
                    _ = try Archive.extract(bytes, format, into: &sink)
                    _ = try sink.finish()
                } else {
                    var sink = MemorySink()
                    _ = try Archive.extract(bytes, format, into: &sink)
                }
                unpacked += 1
            } catch {
                if error.message.isEmpty { Issue.record("a refusal without a message") }
            }
            if iteration % 10 < 1 {
                CodeStore.remove(inside)
                let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                if !left.isEmpty { Issue.record("written outside: \(left), seed \(generator.seed)") }
            }
        }
        #expect(unpacked > 0, "some must stay sound, or the mutations are too wild")
    }
}
