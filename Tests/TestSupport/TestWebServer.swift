import NIOCore
import NIOHTTP1
import NIOPosix

/// A web server of one test, on a port of its own.
public final class TestWebServer: Sendable {
    public struct Request: Sendable {
        public var method: String
        /// The path as it came, undecoded.
        public var path: String
        public var query: String
        public var headers: [(name: String, value: String)]
        public var body: [UInt8]

        public subscript(header: String) -> String? {
            headers.first { $0.name.lowercased() == header.lowercased() }?.value
        }
    }

    /// An answer that goes on.
    public final class Stream: Sendable {
        private let channel: any Channel
        init(_ channel: any Channel) { self.channel = channel }

        public func write(_ bytes: [UInt8]) {
            channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes))), promise: nil)
        }

        public func end() { channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil) }

        /// Closes the connection in the middle.
        public func cut() { channel.close(promise: nil) }

        /// Calls `body` when the connection is gone.
        public func onClose(_ body: @escaping @Sendable () -> Void) {
            channel.closeFuture.whenComplete { _ in body() }
        }
    }

    public enum Reply: Sendable {
        case whole(Int, [(name: String, value: String)] = [], [UInt8] = [])
        case stream(Int, [(name: String, value: String)], @Sendable (Stream) -> Void)
        /// The connection is closed without an answer.
        case cut
    }

    public typealias Answer = @Sendable (Request) async -> Reply

    private let channel: any Channel
    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }

    public init(port: Int = 0, _ answer: @escaping Answer) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(answer))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = channel.localAddress?.port ?? 0
    }

    public func stop() async throws { try await channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let answer: Answer
        private var request = Request(method: "", path: "", query: "", headers: [], body: [])

        init(_ answer: @escaping Answer) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
                request = Request(
                    method: head.method.rawValue, path: String(parts[0]),
                    query: parts.count > 1 ? String(parts[1]) : "", headers: head.headers.map { ($0.name, $0.value) },
                    body: [])
            case .body(let buffer): request.body += buffer.readableBytesView
            case .end:
                let (channel, request, answer) = (context.channel, request, answer)
                Task { Handler.send(await answer(request), channel) }
            }
        }

        private static func send(_ reply: Reply, _ channel: any Channel) {
            func head(_ status: Int, _ headers: [(name: String, value: String)]) -> HTTPServerResponsePart {
                .head(
                    HTTPResponseHead(
                        version: .http1_1, status: .init(statusCode: status),
                        headers: HTTPHeaders(headers.map { ($0.name, $0.value) })))
            }
            switch reply {
            case .whole(let status, var headers, let body):
                if status != 204 { headers.append(("Content-Length", String(body.count))) }
                channel.write(head(status, headers), promise: nil)
                if !body.isEmpty {
                    channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
                }
                channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            case .stream(let status, let headers, let opened):
                channel.writeAndFlush(head(status, headers), promise: nil)
                opened(Stream(channel))
            case .cut: channel.close(promise: nil)
            }
        }
    }
}
