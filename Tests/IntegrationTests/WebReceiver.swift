import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A web server in the test that keeps what is posted to it and answers as it is told.
final class WebReceiver: Sendable {
    struct Message: Sendable {
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    private let kept: Kept
    private let channel: any Channel
    let url: String

    /// - Parameter status: of the n-th message, from 0.
    init(status: @escaping @Sendable (Int) -> Int = { _ in 204 }) async throws {
        let kept = Kept()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(kept, status))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.channel = channel
        self.kept = kept
        url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/"
    }

    var received: [Message] { kept.messages.withLock { $0 } }

    func stop() async throws { try await channel.close() }

    private final class Kept: Sendable {
        let messages = Mutex<[Message]>([])
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let kept: Kept
        private let status: @Sendable (Int) -> Int
        private var message = Message(headers: [:], body: [])

        init(_ kept: Kept, _ status: @escaping @Sendable (Int) -> Int) {
            self.kept = kept
            self.status = status
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): message = Message(headers: head.headers, body: [])
            case .body(let buffer): message.body += buffer.readableBytesView
            case .end:
                let number = kept.messages.withLock { messages in
                    messages.append(message)
                    return messages.count - 1
                }
                let code = status(number)
                var headers: HTTPHeaders = [:]
                if code != 204 { headers.add(name: "Content-Length", value: "0") }
                let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: code), headers: headers)
                context.write(wrapOutboundOut(.head(head)), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
