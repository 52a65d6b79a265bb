/// Makes broken inputs of good ones, the same ones for the same seed.
///
/// A mutated input is one of the corpus with a few small wounds: flipped bits, lost or doubled ranges, swapped digits,
/// numbers at the edge of their type, broken UTF-8, and pieces of other inputs. Reaches further into a parser than noise.
public struct Mutator: Sendable {
    private var generator: SeededGenerator

    /// Words on which parsers trip: edges of integers, structure of JSON, broken and odd UTF-8, quoting.
    private static let words: [[UInt8]] =
        [
            "0", "-1", "-0", "1e999", "2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807",
            "9223372036854775808", "18446744073709551616", "4294967296", "00", "1.", ".5", "NaN", "null", "true",
            "{", "}", "[", "]", "[[[[[[[[", "{\"a\":", "\"", "'", "\\", "\\u0000", "\\ud800", "\\udfff\\ud800", "%",
            "%00",
            "%zz", "%C3%28", ",", ":", ";", "=", "(", ")", "((((((((", "..", "/", "//", "../", "\n", "\r\n", "\r", "\t",
            " ", "#", "##", "$", "${", "<", ">", "&", "|", "*", "-", "--", "+", "é", "漢", "\u{10FFFF}", "\u{FEFF}",
            "\u{202E}", "T24:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:60+99:99",
        ].map { Array($0.utf8) }
        + [
            [0x00], [0x7F], [0x80], [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xE2, 0x82], [0xEF, 0xBF, 0xBF], [0x00, 0x00, 0x00, 0x80], [0xFF, 0xFF, 0xFF, 0xFF],
        ]

    public init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    /// A wounded copy of `bytes`; at most a few hundred bytes longer, or as long as the longest of the corpus more.
    public mutating func mutate(_ bytes: [UInt8], corpus: [[UInt8]]) -> [UInt8] {
        var out = bytes
        let wounds = [1, 1, 1, 2, 2, 3, 5, 8].randomElement(using: &generator) ?? 1
        for _ in 0..<wounds { wound(&out, corpus: corpus) }
        return out
    }

    private mutating func wound(_ out: inout [UInt8], corpus: [[UInt8]]) {
        switch Int.random(in: 0..<11, using: &generator) {
        case 0 where !out.isEmpty:
            out[position(in: out)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1 where !out.isEmpty:
            out[position(in: out)] = UInt8.random(in: 0...255, using: &generator)
        case 2 where !out.isEmpty:
            out.removeSubrange(range(in: out, atMost: 16))
        case 3 where !out.isEmpty:
            let piece = Array(out[range(in: out, atMost: 64)])
            out.insert(contentsOf: piece, at: boundary(of: out))
        case 4 where !out.isEmpty:
            out.removeSubrange(position(in: out)...)
        case 5 where out.count > 1:
            out.swapAt(position(in: out), position(in: out))
        case 6 where !out.isEmpty:
            // A digit for a digit: keeps the syntax, moves lengths, dates and numbers.
            let digits = out.indices.filter { (0x30...0x39).contains(out[$0]) }
            guard let index = digits.randomElement(using: &generator) else { return }
            out[index] = UInt8.random(in: 0x30...0x39, using: &generator)
        case 7 where !out.isEmpty && !corpus.isEmpty:
            let other = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
            guard !other.isEmpty else { return }
            out.replaceSubrange(range(in: out, atMost: 64), with: other[range(in: other, atMost: 256)])
        case 8 where !corpus.isEmpty:
            let other = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
            out = Array(out[..<boundary(of: out)]) + other[boundary(of: other)...]
        case 9 where !out.isEmpty:
            let word = Self.words[Int.random(in: 0..<Self.words.count, using: &generator)]
            out.replaceSubrange(range(in: out, atMost: 8), with: word)
        default:
            let word = Self.words[Int.random(in: 0..<Self.words.count, using: &generator)]
            out.insert(contentsOf: word, at: boundary(of: out))
        }
    }

    private mutating func position(in bytes: [UInt8]) -> Int { Int.random(in: 0..<bytes.count, using: &generator) }

    private mutating func boundary(of bytes: [UInt8]) -> Int { Int.random(in: 0...bytes.count, using: &generator) }

    /// A range of at least one byte; `bytes` must not be empty.
    private mutating func range(in bytes: [UInt8], atMost: Int) -> Range<Int> {
        let start = position(in: bytes)
        let length = Int.random(in: 1...min(atMost, bytes.count - start), using: &generator)
        return start..<(start + length)
    }
}
