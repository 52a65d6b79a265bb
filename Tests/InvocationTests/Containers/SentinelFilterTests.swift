import TestSupport
import Testing

@testable import Invocation

@Suite struct SentinelFilterTests {
    private static let mark = String(decoding: SentinelFilter.mark, as: UTF8.self)

    /// What is left of a text that comes in pieces of a size, and how many marks were in it.
    private func filtered(_ text: String, pieces: Int, finish: Bool = true) -> (String, Int) {
        var filter = SentinelFilter()
        var out: [UInt8] = []
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            let piece = Array(bytes[position..<min(bytes.count, position + pieces)])
            piece.withUnsafeBytes { filter.filter($0) { out.append(contentsOf: $0) } }
            position += pieces
        }
        if finish { filter.finish { out.append(contentsOf: $0) } }
        return (String(decoding: out, as: UTF8.self), filter.count)
    }

    @Test(arguments: [1, 2, 3, 7, 36, 37, 38, 1000])
    func marksGoAndEverythingElseStays(_ pieces: Int) {
        let mark = Self.mark
        let cases: [(String, String, Int)] = [
            ("", "", 0), ("a\nb\n", "a\nb\n", 0), ("a\n\(mark)\n", "a\n", 1), ("\(mark)\n\(mark)\nb", "b", 2),
            ("unfinished\(mark)\nnext\n", "unfinished\nnext\n", 1), ("\(mark)\r\nb\n", "b\n", 1),
            ("\(mark) and more\n", "\(mark) and more\n", 0), ("X\(mark)\n", "X\n", 1), ("XXXX\n", "XXXX\n", 0),
            ("XX\(mark)\n", "XX\n", 1), ("XXX_THE_END\nXXX_THE_", "XXX_THE_END\nXXX_THE_", 0),
            ("a\n\(mark)", "a\n", 1), ("\(mark)\r\(mark)\n", "\(mark)\r\n", 1),
            ("\(mark)\(mark)\n", "\(mark)\n", 1), ("X\nXX\nXXX\nXXX_\n", "X\nXX\nXXX\nXXX_\n", 0),
        ]
        for (text, left, count) in cases {
            let (got, marks) = filtered(text, pieces: pieces)
            #expect(
                got == left && marks == count,
                "\(text.debugDescription) in pieces of \(pieces): \(got.debugDescription)")
        }
    }

    @Test func nothingIsLostHoweverItIsCut() {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        let words = [
            "X", "XXX", "XXX_THE", "_", "\n", "\r", "text", "XXX_THE_END_OF_A_WHISK_ACTIVATION_XX", "É",
            "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXXY",
        ]
        for _ in 0..<3_000 {
            let text = (0..<Int.random(in: 0..<12, using: &generator))
                .map { _ in words.randomElement(using: &generator) ?? "" }.joined()
            let whole = filtered(text, pieces: 10_000)
            let cut = filtered(text, pieces: Int.random(in: 1..<9, using: &generator))
            #expect(whole == cut, "\(text.debugDescription), seed \(generator.seed)")
            if whole.1 == 0 { #expect(whole.0 == text, "seed \(generator.seed)") }
        }
    }
}
