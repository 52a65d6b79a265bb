import CloudEvents
import Foundation
import Manifest
import TestSupport
import Testing

@Suite struct ManifestFuzzTests {
    @Test func mutatedManifestsAreReadOrRefused() {
        let iterations = ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 5_000
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        let seeds = [
            "channels:\n  a: &x { retention: 7d, n: [1, 2.5, ~, \"q\", 'r'] }\n  b: *x\n",
            "functions:\n  f/g:\n    code: |\n      def main(a):\n        return {}\n    environment: {A: 0x1F}\n",
            "%YAML 1.2\n---\nsources: {s: {channel: !!str a}}\n...\n", "? a\n: - b\n  - {c: d}\n# x\n",
        ].map { Array($0.utf8) }
        let pieces = [
            "&", "*", "[", "{", "]", "}", ": ", "- ", "? ", "\n", "  ", "!!", "|", ">", "\"", "'", "%", "---\n", "<<",
        ]
        for _ in 0..<iterations {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let place = Int.random(in: 0...bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1 where place < bytes.count: bytes.remove(at: place)
                case 2:
                    let piece = pieces[Int.random(in: 0..<pieces.count, using: &generator)]
                    bytes.insert(contentsOf: piece.utf8, at: place)
                case 3: bytes.insert(contentsOf: bytes.prefix(place).suffix(20), at: place)
                default: bytes.removeSubrange(min(place, max(0, bytes.count - 3))..<bytes.count)
                }
            }
            do {
                let manifest = try ManifestDocument(parsing: bytes)
                _ = manifest.warnings(server: [:])
                for resource in manifest.resources { _ = resource.document.text }
            } catch {
                if error.message.isEmpty { Issue.record("an error without a message: \(bytes)") }
            }
        }
    }
}
