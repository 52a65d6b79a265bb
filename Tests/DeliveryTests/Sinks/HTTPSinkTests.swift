import AsyncHTTPClient
import CloudEvents
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

@testable import Delivery

/// A web server that answers the same to everybody and remembers what it was sent.
private final class Answerer: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    struct Request: Sendable {
        var headers = HTTPHeaders()
        var body: [UInt8] = []
    }

    let requests: Mutex<[Request]> = Mutex([])
    let status: HTTPResponseStatus
    let headers: HTTPHeaders
    let body: String

    init(_ status: HTTPResponseStatus, _ headers: HTTPHeaders = [:], _ body: String = "") {
        self.status = status
        self.headers = headers
        self.body = body
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): requests.withLock { $0.append(Request(headers: head.headers)) }
        case .body(let buffer): requests.withLock { $0[$0.count - 1].body += Array(buffer.readableBytesView) }
        case .end:
            var headers = headers
            headers.replaceOrAdd(name: "content-length", value: "\(body.utf8.count)")
            let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

@Suite struct HTTPSinkTests {
    private let now: Int64 = 784_111_777_000  // Sun, 06 Nov 1994 08:49:37 GMT

    private func parcel(_ id: String = "1") -> Parcel {
        Parcel(
            event: EventRecord(
                CloudEvent(id: id, source: "s", type: "t", subject: "/a", data: .json(Array("{}".utf8)))),
            partition: 0, offset: 0, attempt: 1)
    }

    private func post(
        _ answerer: Answerer, _ parcels: [Parcel], mode: HTTPSinkSpec.Mode = .binary
    ) async throws -> [SinkAnswer] {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline().flatMap { channel.pipeline.addHandler(answerer) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        var spec = try HTTPSinkSpec(url: "http://127.0.0.1:\(server.localAddress?.port ?? 0)/in", path: "")
        spec.mode = mode
        spec.headers = [.init(name: "X-Key", value: .text(try Template("k")))]
        let sink = HTTPSink(spec, client: .shared, timeout: 10_000, now: { [now] in now })
        let answers = await sink.deliver(parcels)
        try await server.close()
        return answers
    }

    @Test func anEventIsPostedInBinaryMode() async throws {
        let answerer = Answerer(.accepted)
        #expect(try await post(answerer, [parcel()]).map(\.outcome) == [.delivered])
        let request = try #require(answerer.requests.withLock { $0.first })
        #expect(request.headers.first(name: "ce-id") == "1")
        #expect(request.headers.first(name: "ce-subject") == "/a")
        #expect(request.headers.first(name: "x-key") == "k")
        #expect(request.body == Array("{}".utf8))
    }

    @Test func severalEventsGoAsOneStructuredBatch() async throws {
        let answerer = Answerer(.ok)
        let answers = try await post(answerer, [parcel("1"), parcel("2")], mode: .structured)
        #expect(answers.map(\.outcome) == [.delivered, .delivered])
        let requests = answerer.requests.withLock { $0 }
        #expect(requests.count == 1)
        #expect(try JSONEventFormat.decodeBatch(requests[0].body).map(\.event.id) == ["1", "2"])
    }

    @Test(arguments: [
        (429, "7", 7_000 as Int64?), (503, "Sun, 06 Nov 1994 08:49:47 GMT", 10_000), (500, nil, nil), (408, nil, nil),
    ])
    func whatMayPassIsTriedAgainWhenTheServerSays(code: Int, retryAfter: String?, wait: Int64?) async throws {
        var headers = HTTPHeaders()
        if let retryAfter { headers.add(name: "Retry-After", value: retryAfter) }
        let answers = try await post(Answerer(.init(statusCode: code), headers), [parcel()])
        guard case .retry(_, let after) = answers[0].outcome else {
            Issue.record("\(answers[0].outcome)")
            return
        }
        #expect(after == wait)
    }

    @Test(arguments: [400, 404, 410, 301])
    func whatWillNotPassIsRejectedAtOnce(code: Int) async throws {
        let answers = try await post(Answerer(.init(statusCode: code)), [parcel()])
        guard case .rejected = answers[0].outcome else {
            Issue.record("\(answers[0].outcome)")
            return
        }
    }

    @Test func anEventInTheAnswerIsAReply() async throws {
        let answerer = Answerer(.ok, ["ce-id": "r", "ce-source": "x", "ce-type": "y", "ce-specversion": "1.0"], "hi")
        let answers = try await post(answerer, [parcel()])
        let reply = try #require(answers[0].replies.first?.event)
        #expect(reply.id == "r")
        #expect(reply["weircause"] == .string("1"))
        #expect(reply["weirdepth"] == .integer(1))
    }

    @Test func aServerThatIsNotThereIsTriedAgain() async throws {
        let spec = try HTTPSinkSpec(url: "http://127.0.0.1:1/", path: "")
        let sink = HTTPSink(spec, client: .shared, timeout: 5_000, now: { 0 })
        let answers = await sink.deliver([parcel()])
        guard case .retry = answers[0].outcome else {
            Issue.record("\(answers[0].outcome)")
            return
        }
    }
}
