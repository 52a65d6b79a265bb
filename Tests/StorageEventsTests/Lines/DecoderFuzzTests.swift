import CloudEvents
import Foundation
import StorageEvents
import TestSupport
import Testing

@Suite("Decoders never trap, whatever the bytes")
struct DecoderFuzzTests {
    static let iterations = ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 20_000

    static func seeds(_ folders: [String]) -> [[UInt8]] {
        var seeds: [[UInt8]] = [Array(Sample.mover().utf8), Array(Sample.door(code: 1, message: "a\nb").utf8)]
        if let directory = Fixtures.directory("storage-events") {
            for folder in folders {
                for file in Fixtures.files(under: directory + "/" + folder, where: { !$0.hasSuffix("expected.json") }) {
                    if let bytes = try? read(file) { seeds.append(bytes) }
                }
            }
        }
        return seeds
    }

    /// Cuts a piece out of a sample and damages it.
    static func mutate(_ seed: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        let start = seed.count > 600 ? Int.random(in: 0..<(seed.count - 500), using: &generator) : 0
        let lineStart = seed[..<start].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        var bytes = Array(seed[lineStart..<min(seed.count, lineStart + 1_500)])
        let special = Array("\"\\{}[]$#@:;,<>%+ \n\r\t0\u{0}".utf8) + [0xFF, 0xC3, 0x80]
        for _ in 0..<Int.random(in: 1...5, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes[at] = special.randomElement(using: &generator) ?? 0
            case 2: bytes.insert(special.randomElement(using: &generator) ?? 0, at: at)
            case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...20, using: &generator)))
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 40)], at: at)
            default: bytes.removeLast(Int.random(in: 0..<min(bytes.count, 30), using: &generator))
            }
        }
        return bytes
    }

    @Test(
        "every format",
        arguments: [
            (StorageEventFormat.billing, ["billing-text", "billing-json"]), (.billingJSON, ["kafka", "billing-json"]),
            (.sse, ["sse"]), (.s3, ["s3"]),
            (.eosReport, ["other"]), (.xrootdCollector, ["other"]), (.lustreChangelog, ["other"]),
            (.storageScale, ["other"]), (.rucio, ["other"]), (.irodsAudit, ["other"]), (.bluesky, ["other"]),
        ])
    func fuzz(_ format: StorageEventFormat, _ folders: [String]) {
        let seeds = Self.seeds(folders)
        var generator = SeededGenerator()
        print("fuzzing \(format.rawValue) with seed \(generator.seed)")
        var options = LineDecoder.Options()
        options.fileName = "billing-2026.05.20"
        options.watches = [
            "https://dcache.example.org:3880/api/v1/events/channels/MwcXzif2nF3NkHWcjk8sGw/subscriptions/inotify/AACFqb-WHkhFAYm6_xQY1Jf3":
                "/a"
        ]
        var decoder = LineDecoder(format, options: options)
        var batch = DecodedBatch()
        for round in 0..<(Self.iterations / 4) {
            if round % 16 == 0 { decoder = LineDecoder(format, options: options) }
            let seed = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
            let bytes = Self.mutate(seed, using: &generator) + [0x0A]
            bytes.withUnsafeBytes { decoder.feed($0, into: &batch) }
            if round % 16 == 15 { decoder.finish(into: &batch) }
            for record in batch.records {
                let isWhole = EventRecord(validating: record.bytes) != nil
                let isJSON = record.withView { (try? JSONValue(parsing: Array($0.data))) != nil }
                if !isWhole || !isJSON {
                    Issue.record("a broken record from \(String(decoding: bytes, as: UTF8.self))")
                }
            }
            for failure in batch.failures where failure.reason.isEmpty { Issue.record("a failure without reason") }
            batch.removeAll()
        }
    }
}
