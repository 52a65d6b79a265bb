internal import CloudEvents
internal import Functions
internal import NIOCore
internal import NIOPosix

/// One connection of a function to the proxy: reads its request, has it checked, connects, and passes bytes both ways.
///
/// Everything runs on the connection's event loop. Each side is read only when the other can take what comes, so that
/// no side's speed fills the server's memory.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case head, connecting
        /// A tunnel, or a request whose body is on its way.
        case open(any Channel, RequestBody?)
        case closed
    }

    private let listener: EgressListener
    private var phase = Phase.head
    /// What came and is not passed on yet.
    private var received: [UInt8] = []
    private var patience: Scheduled<Void>?
    /// The client has said all that it will, before there was a connection to pass that on.
    private var hasEnded = false

    init(_ listener: EgressListener) {
        self.listener = listener
    }

    // MARK: The client's side

    func channelActive(context: ChannelHandlerContext) {
        guard listener.admit(context.channel) else {
            refuse(context, 503, "more than \(listener.proxy.limits.connections) connections at the same time")
            return
        }
        patience = context.eventLoop.assumeIsolated().scheduleTask(
            in: .milliseconds(listener.proxy.limits.patience)
        ) {
            if case .open = self.phase { return }
            self.refuse(context, 408, "the request, or the connection for it, took too long")
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch phase {
        case .head:
            received.append(contentsOf: buffer.readableBytesView)
            readHead(context)
        case .connecting: received.append(contentsOf: buffer.readableBytesView)
        case .open: pass(context, buffer)
        case .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch phase {
        case .head: context.read()
        case .open(let peer, _) where peer.isWritable: context.read()
        // What a refused client still sends is read and dropped: closing over it would take the refusal away from it.
        case .closed: context.read()
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .open(let peer, _) = phase, context.channel.isWritable { peer.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            switch phase {
            case .open(let peer, _): peer.endOutput()
            case .connecting: hasEnded = true
            case .head, .closed: context.close(promise: nil)
            }
        } else if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        patience?.cancel()
        listener.left(context.channel)
        if case .open(let peer, _) = phase { peer.closeAfterWrites() }
        phase = .closed
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: The request

    private func readHead(_ context: ChannelHandlerContext) {
        guard let length = ProxyRequest.headLength(received), length <= ProxyRequest.longestHead else {
            if received.count >= ProxyRequest.longestHead {
                refuse(context, 431, "the head of the request is longer than \(ProxyRequest.longestHead) bytes")
            }
            return
        }
        let request: ProxyRequest
        do throws(ProxyRequest.Fault) {
            request = try ProxyRequest(parsing: received[..<length])
        } catch {
            refuse(context, error.status, error.message)
            return
        }
        received.removeFirst(length)
        if let token = listener.token, !Self.shows(request.authorization, token) {
            refuse(context, 407, "the proxy's password is missing or wrong")
            return
        }
        let shown = (request.host.contains(":") ? "[\(request.host)]" : request.host) + ":\(request.port)"
        guard listener.rules.contains(where: { $0.allows(host: request.host, port: request.port) }) else {
            refuse(context, 403, "\(shown) is not in the function's list (network.allow)", told: true)
            return
        }
        phase = .connecting
        listener.proxy.resolve(request.host, on: context.eventLoop).assumeIsolated().whenComplete { result in
            guard case .connecting = self.phase else { return }
            guard let found = try? result.get() else {
                self.refuse(context, 502, "\(shown): the name cannot be resolved", told: true)
                return
            }
            let rules = self.listener.proxy.addresses
            var objections: [String] = []
            let good = found.filter { address in
                guard let objection = rules.objection(to: address) else { return true }
                objections.append(objection)
                return false
            }
            guard !good.isEmpty else {
                self.refuse(context, 403, "\(shown): \(objections.joined(separator: "; "))", told: true)
                return
            }
            self.connect(context, request, shown, good[...])
        }
    }

    /// Connects to the first address that answers; only to those that were checked.
    private func connect(
        _ context: ChannelHandlerContext, _ request: ProxyRequest, _ shown: String, _ addresses: ArraySlice<IPAddress>
    ) {
        guard let address = addresses.first,
            let target = try? SocketAddress(ipAddress: address.description, port: Int(request.port))
        else {
            refuse(context, 502, "\(shown) does not answer")
            return
        }
        let client = NIOLoopBound(context, eventLoop: context.eventLoop)
        let listener = listener
        ClientBootstrap(group: context.eventLoop)
            .connectTimeout(.milliseconds(listener.proxy.limits.patience / 2))
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ServerHandler(client.value.channel, listener))
                }
            }
            .connect(to: target)
            .assumeIsolated().whenComplete { result in
                guard case .connecting = self.phase else {
                    if case .success(let peer) = result { peer.close(promise: nil) }
                    return
                }
                switch result {
                case .success(let peer): self.connected(context, request, peer)
                case .failure: self.connect(context, request, shown, addresses.dropFirst())
                }
            }
    }

    private func connected(_ context: ChannelHandlerContext, _ request: ProxyRequest, _ peer: any Channel) {
        patience?.cancel()
        listener.count { $0.connections += 1 }
        switch request.kind {
        case .tunnel:
            phase = .open(peer, nil)
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n")), promise: nil)
        case .forward(let head, let body):
            phase = .open(peer, body)
            send(ByteBuffer(bytes: head), to: peer)
        }
        if !received.isEmpty { pass(context, ByteBuffer(bytes: received)) }
        received = []
        if hasEnded { peer.endOutput() }
        peer.read()
        context.read()
    }

    /// Passes on what belongs to the tunnel or to the one request.
    private func pass(_ context: ChannelHandlerContext, _ buffer: ByteBuffer) {
        guard case .open(let peer, var body) = phase else { return }
        guard body != nil else {
            send(buffer, to: peer)
            return
        }
        let bytes = Array(buffer.readableBytesView)
        guard let count = body?.take(bytes[...]) else {
            // The server has seen a part of it: nothing can be said any more but the end.
            listener.count { $0.refuse("a request whose body is not what its coding allows") }
            context.close(promise: nil)
            return
        }
        phase = .open(peer, body)
        if count > 0 { send(ByteBuffer(bytes: bytes[..<count]), to: peer) }
    }

    private func send(_ buffer: ByteBuffer, to peer: any Channel) {
        listener.count { $0.sent += Int64(buffer.readableBytes) }
        peer.writeAndFlush(buffer, promise: nil)
    }

    // MARK: Refusing

    private func refuse(_ context: ChannelHandlerContext, _ status: Int, _ why: String, told: Bool = false) {
        if case .closed = phase { return }
        phase = .closed
        patience?.cancel()
        listener.count { $0.refuse(why) }
        let text = "weir: " + why + "\n"
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\nContent-Type: text/plain; charset=utf-8\r\n"
        if status == 407 { head += "Proxy-Authenticate: Basic realm=\"weir\"\r\n" }
        head += "Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head + text)), promise: nil)
        context.channel.endOutput()
        patience = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(5)) { context.close(promise: nil) }
        context.read()
    }

    /// What stands behind the status, and often is all that a client's library shows.
    private static func reason(_ status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 403: "Not allowed for this function"
        case 407: "Proxy Authentication Required"
        case 408: "Request Timeout"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Too many connections"
        default: "HTTP Version Not Supported"
        }
    }

    /// `Basic`, user `weir` and the token (RFC 7617), compared without telling where they differ.
    private static func shows(_ authorization: String?, _ token: String) -> Bool {
        let wanted = Array(("basic " + Base64.encode(Array(("weir:" + token).utf8))).utf8)
        guard let authorization else { return false }
        let parts = authorization.split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return false }
        let given = Array((parts[0].lowercased() + " " + parts[1]).utf8)
        guard given.count == wanted.count else { return false }
        return zip(given, wanted).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
