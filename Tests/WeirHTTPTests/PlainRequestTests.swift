import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import TestSupport
import Testing

@testable import WeirHTTP

@Suite(.timeLimit(.minutes(1))) struct PlainRequestTests {
    private func read(_ text: String) -> PlainRequest? {
        Array(text.utf8).withUnsafeBytes { PlainRequest.read($0) }
    }

    private static let head = "POST /v1/functions/a/invoke?blocking=true HTTP/1.1\r\nHost: x:1\r\n"

    @Test func aPlainHeadIsReadWithItsBounds() throws {
        let text = Self.head + "Content-Type:  application/json \r\ncontent-length: 12\r\nX-A:\r\n\r\n"
        let request = try #require(read(text + "{\"a\":1}"))
        #expect(request.headLength == text.utf8.count && request.bodyLength == 12)
        #expect(request.head.method == .post && request.head.authority == "x:1")
        #expect(request.head.path == "/v1/functions/a/invoke?blocking=true")
        #expect(request.head.headerFields[.contentType] == "application/json")
        #expect(request.head.headerFields[HTTPField.Name("x-a")!] == "")
    }

    /// Each of these is left to the parser that knows all of HTTP.
    @Test(arguments: [
        "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "Content-Length: +1\r\n\r\n", "Content-Length: 1, 1\r\n\r\n", "Content-Length: \r\n\r\n",
        "Content-Length : 1\r\n\r\n", "Content-Length: 1\n\r\n", "Content-Length: 1\r\n\n", "A: b\r\n folded\r\n\r\n",
        "A: b\u{0}\r\n\r\n", "A: ü\r\n\r\n", "Expect: 100-continue\r\n\r\n", "Upgrade: websocket\r\n\r\n",
        "Connection: close\r\n\r\n", "Connection: Content-Length\r\n\r\n", "Host: y\r\n\r\n", ": a\r\n\r\n",
        "A\r\n\r\n",
        "A: b\r\n", "A: b\r\n\r", "A: b\rB: c\r\n\r\n", "Content-Length: 9999999999\r\n\r\n", "TE: trailers\r\n\r\n",
    ])
    func whatIsNotPlainIsNotRead(rest: String) { #expect(read(Self.head + rest) == nil) }

    @Test(arguments: [
        "", "POST", "POST / HTTP/1.1", "POST / HTTP/1.0\r\nHost: x\r\n\r\n", "post / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST  / HTTP/1.1\r\nHost: x\r\n\r\n", "POST http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\nHost: x\n\n",
    ])
    func aRequestLineThatIsNotPlainIsNotRead(text: String) { #expect(read(text) == nil) }

    /// Whatever this reads, the codec reads as well, as the same request of the same length: the two can never disagree about
    /// where a request ends.
    @Test func theCodecReadsTheSame() throws {
        var generator = SeededGenerator()
        let seed = generator.seed
        let pieces = [
            "POST", "GET", " ", "/a", "?b=c", "%41", " HTTP/1.1", "\r\n", "\r", "\n", "Host: x", "Host:y",
            "Content-Length: ",
            "3", "0", "12", "+", ",", ":", "Content-Type: a/b", "Transfer-Encoding: chunked", "Connection: keep-alive",
            "Accept: */*", "\t", "\u{0}", "é", "X-Y: z", "abc", "{}", "3\r\nabc\r\n0\r\n\r\n",
        ]
        let whole =
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\nabc"
        var taken = 0
        for _ in 0..<20_000 {
            var bytes: [UInt8]
            if Bool.random(using: &generator) {
                bytes = (0..<Int.random(in: 1...16, using: &generator)).flatMap { _ in
                    Array(pieces.randomElement(using: &generator)!.utf8)
                }
            } else {
                bytes = Array(whole.utf8)
                for _ in 0..<Int.random(in: 0...2, using: &generator) {
                    let place = Int.random(in: 0..<bytes.count, using: &generator)
                    switch Int.random(in: 0...3, using: &generator) {
                    case 0: bytes.remove(at: place)
                    case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                    case 2: bytes.insert(contentsOf: Array(pieces.randomElement(using: &generator)!.utf8), at: place)
                    default: bytes.swapAt(place, bytes.count - 1)
                    }
                }
            }
            guard let plain = bytes.withUnsafeBytes({ PlainRequest.read($0) }) else { continue }
            taken += 1
            // Exactly the request's bytes: its body made up where it is short.
            let length = plain.headLength + plain.bodyLength
            bytes = Array(bytes.prefix(length)) + [UInt8](repeating: 0x78, count: max(0, length - bytes.count))
            let parts = try codecParts(bytes)
            let context = "seed \(seed): \(String(decoding: bytes, as: UTF8.self).debugDescription)"
            guard case .head(let head)? = parts.first, parts.last == .end(nil) else {
                Issue.record("\(context): \(parts)")
                return
            }
            let body = parts.reduce(0) { if case .body(let part) = $1 { $0 + part.readableBytes } else { $0 } }
            var fields = head.headerFields
            fields[.connection] = nil
            #expect(
                head.method == plain.head.method && head.path == plain.head.path
                    && head.authority == plain.head.authority && fields == plain.head.headerFields
                    && body == plain.bodyLength, Comment(rawValue: context))
        }
        #expect(taken > 1_000, "seed \(seed)")
    }

    private func codecParts(_ bytes: [UInt8]) throws -> [HTTPRequestPart] {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try channel.writeInbound(ByteBuffer(bytes: bytes))
        var parts: [HTTPRequestPart] = []
        while let part = try channel.readInbound(as: HTTPRequestPart.self) { parts.append(part) }
        _ = try? channel.finish()
        return parts
    }
}
