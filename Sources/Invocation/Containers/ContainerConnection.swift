internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// One connection to what listens in a container: HTTP/1.1, one request at a time.
final class ContainerConnection: Sendable {
    private let channel: any Channel
    private let descriptor: Int32

    /// Takes over a connected socket.
    init(_ descriptor: Int32) async throws {
        self.descriptor = descriptor
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(ExchangeHandler())
                    }
                }
                .withConnectedSocket(descriptor).get()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Sends a request and waits for the whole answer; of a longer body than `limit` the beginning is kept.
    func send(_ request: ContainerRequest, limit: Int) async throws(ContainerExchangeError) -> ContainerResponse {
        let promise = channel.eventLoop.makePromise(of: ContainerResponse.self)
        channel.writeAndFlush(Exchange(request: request, limit: limit, promise: promise), promise: nil)
        do {
            return try await promise.futureResult.get()
        } catch let error as ContainerExchangeError {
            throw error
        } catch {
            throw .lost(began: false, "\(error)")
        }
    }

    /// Whether another request can be sent: the other end has neither closed nor said anything unasked.
    var isFresh: Bool { channel.isActive }

    func close() { channel.close(promise: nil) }

    struct Exchange: Sendable {
        let request: ContainerRequest
        let limit: Int
        let promise: EventLoopPromise<ContainerResponse>
    }
}

/// Turns exchanges into requests and answers into the values that their promises wait for.
private final class ExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = ContainerConnection.Exchange
    typealias OutboundOut = HTTPClientRequestPart

    private var exchange: ContainerConnection.Exchange?
    private var response: ContainerResponse?
    private var isKept = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        guard context.channel.isActive, self.exchange == nil else {
            exchange.promise.fail(ContainerExchangeError.lost(began: false, "the connection is closed"))
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        self.exchange = exchange
        response = nil
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: exchange.request.path)
        head.headers.add(name: "Host", value: "localhost")
        head.headers.add(name: "Content-Length", value: String(exchange.request.body.count))
        for (name, value) in exchange.request.headers { head.headers.add(name: name, value: value) }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !exchange.request.body.isEmpty {
            let body = context.channel.allocator.buffer(bytes: exchange.request.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            isKept = head.isKeepAlive
            response = ContainerResponse(
                status: Int(head.status.code), headers: head.headers.map { ($0.name, $0.value) }, body: [], length: 0)
        case .body(let buffer): take(buffer, context)
        case .end: finish(context)
        }
    }

    private func take(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let exchange, response != nil else { return }
        let room = exchange.limit - (response?.body.count ?? 0)
        response?.length += buffer.readableBytes
        response?.body.append(contentsOf: buffer.readableBytesView.prefix(max(0, room)))
        guard buffer.readableBytes > room else { return }
        // The rest is not wanted: how long it would have been stands in the head, or is not known.
        if let whole = response?.header("content-length").flatMap({ Int($0) }) { response?.length = whole }
        isKept = false
        finish(context)
    }

    private func finish(_ context: ChannelHandlerContext) {
        if let exchange, let response { exchange.promise.succeed(response) }
        exchange = nil
        response = nil
        if !isKept { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("\(error)")
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the connection was closed")
        context.fireChannelInactive()
    }

    private func fail(_ reason: String) {
        exchange?.promise.fail(ContainerExchangeError.lost(began: response != nil, reason))
        exchange = nil
        response = nil
    }
}
