import Foundation
import Testing
import TestSupport

@testable import Egress

/// The parsers of the proxy with any bytes. `WEIR_FUZZ_ITERATIONS` says how many, `WEIR_SEED` which.
@Suite struct ProxyFuzzTests {
    private enum Fuzz {
        static let iterations =
            ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 50_000
    }

    private static let corpus = [
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nUser-Agent: curl/7.88\r\n\r\n",
        "GET http://example.org/a?b=c HTTP/1.1\r\nHost: example.org\r\nConnection: close, x\r\nX: y\r\n\r\n",
        "POST http://[2001:db8::1]:80/ HTTP/1.0\r\nContent-Length: 12\r\nProxy-Authorization: Basic eDp5\r\n\r\nhello hello!",
        "PUT http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ].map { Array($0.utf8) }

    @Test func anyBytesAreReadOrRefused() throws {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        var mutator = Mutator(seed: generator.next())
        var taken = 0
        for round in 0..<Fuzz.iterations {
            let bytes = mutator.mutate(Self.corpus[round % Self.corpus.count], corpus: Self.corpus)
            guard let length = ProxyRequest.headLength(bytes),
                let request = try? ProxyRequest(parsing: bytes[..<length])
            else {
                continue
            }
            taken += 1
            guard case .forward(let head, var body) = request.kind else { continue }
            // What goes on is one head, whole and clean, with one Host and no word of the proxy's.
            let text = String(decoding: head, as: UTF8.self)
            #expect(ProxyRequest.headLength(head) == head.count, "\(text)")
            let lines = text.dropLast(4).split(separator: "\r\n", omittingEmptySubsequences: false)
            #expect(lines.allSatisfy { !$0.isEmpty && !$0.utf8.contains(0x0A) && !$0.utf8.contains(0x0D) }, "\(text)")
            let names = lines.dropFirst().map { $0.prefix { $0 != ":" }.lowercased() }
            #expect(names.count { $0 == "host" } == 1 && names.count { $0 == "connection" } == 1, "\(text)")
            #expect(!names.contains { $0.hasPrefix("proxy-") }, "\(text)")
            #expect(names.count { $0 == "content-length" } + names.count { $0 == "transfer-encoding" } <= 1, "\(text)")
            let count = body.take(bytes[length...])
            #expect(count == nil || count ?? 0 <= bytes.count - length)
        }
        print("taken \(taken)")
        #expect(taken > 1_000)
    }

    /// However the bytes of a body are cut, the same of them belong to it.
    @Test func cutsDoNotChangeWhereABodyEnds() {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        var mutator = Mutator(seed: generator.next())
        let corpus = ["5\r\nhello\r\n0\r\n\r\nGET", "3;a\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n"].map {
            Array($0.utf8)
        }
        for round in 0..<Fuzz.iterations {
            let bytes = mutator.mutate(corpus[round % 2], corpus: corpus)
            var whole = RequestBody(.chunked)
            let expected = whole.take(bytes[...])
            var cut = RequestBody(.chunked)
            var position = 0
            var sum: Int? = 0
            while position < bytes.count, let soFar = sum, !cut.isDone {
                let next = min(bytes.count, position + Int.random(in: 1...7, using: &generator))
                sum = cut.take(bytes[position..<next]).map { soFar + $0 }
                position = next
            }
            #expect(sum == expected && cut.isDone == whole.isDone)
        }
    }
}
