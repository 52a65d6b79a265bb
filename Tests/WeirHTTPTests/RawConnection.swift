import NIOCore
import NIOPosix

/// A TCP connection on which a test says exactly which bytes go, and looks at what comes.
final class RawConnection {
    private let channel: any NIOCore.Channel
    private let bound: NIOLoopBound<Received>

    /// Collects what comes; a waiter is woken when its condition holds or the peer has closed.
    private final class Received: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var text = ""
        var isClosed = false
        var waiters: [(condition: (String) -> Bool, promise: EventLoopPromise<String>)] = []

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            wake()
        }

        func channelInactive(context: ChannelHandlerContext) {
            isClosed = true
            wake()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            text += "<\(error)>"
            context.close(promise: nil)
        }

        func wake() {
            waiters.removeAll { waiter in
                guard isClosed || waiter.condition(text) else { return false }
                waiter.promise.succeed(text)
                return true
            }
        }
    }

    init(port: Int) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let bound = try await loop.submit { NIOLoopBound(Received(), eventLoop: loop) }.get()
        channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        self.bound = bound
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    /// Everything that has come, once it satisfies a condition or the server has closed.
    func text(until condition: @escaping @Sendable (String) -> Bool) async throws -> String {
        let bound = bound
        let eventLoop = channel.eventLoop
        return try await channel.eventLoop.flatSubmit {
            let handler = bound.value
            let promise = eventLoop.makePromise(of: String.self)
            handler.waiters.append((condition, promise))
            handler.wake()
            return promise.futureResult
        }.get()
    }

    /// Everything until the server has closed.
    func textUntilClosed() async throws -> String { try await text { _ in false } }

    /// Ends this side; what the server still has to say comes.
    func closeOutput() async throws { try await channel.close(mode: .output) }

    func close() async throws { try await channel.close() }
}
