internal import NIOCore

/// The connection to the server that a function asked for: what it sends goes to the function.
final class ServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let client: any Channel
    private let listener: EgressListener

    init(_ client: any Channel, _ listener: EgressListener) {
        self.client = client
        self.listener = listener
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        listener.count { $0.received += Int64(buffer.readableBytes) }
        client.writeAndFlush(buffer, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if client.isWritable { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { client.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { client.endOutput() }
    }

    func channelInactive(context: ChannelHandlerContext) { client.endOutput() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension Channel {
    /// Ends the output when what was written before has gone out. Not by closing alone: where the other side has ended
    /// already, that is a whole close at once, which drops what waits.
    func endOutput() {
        writeAndFlush(ByteBuffer()).whenComplete { _ in self.close(mode: .output, promise: nil) }
    }

    /// Closes when what was written before has gone out, or when nobody has taken it for a minute.
    func closeAfterWrites() {
        let late = eventLoop.scheduleTask(in: .seconds(60)) { self.close(promise: nil) }
        writeAndFlush(ByteBuffer()).whenComplete { _ in
            late.cancel()
            self.close(promise: nil)
        }
    }
}
