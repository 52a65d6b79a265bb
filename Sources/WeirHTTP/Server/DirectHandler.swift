import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTPTypes

/// Performs what a ``DirectPath`` decides: collects short requests of the hot routes on the event loop and answers them
/// through the same responder as all others, choke point included.
final class DirectHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Bytes of a body that is collected here; longer ones are streamed.
    static let limit = 1 << 20

    private let responder: Responder
    private let logger: Logger
    private let count: Counter
    private var path: DirectPath
    private var head: HTTPRequest?
    private var body = ByteBuffer()
    /// What was read while an answer was made.
    private var waiting = CircularBuffer<HTTPRequestPart>()
    private var isReadHeld = false
    private var isQuiesceHeld = false
    private var isInputClosedHeld = false
    /// Answers that are written and not sent whole yet.
    private var unsent = 0
    /// An answer has said that the connection ends: nothing that came behind its request is done.
    private var isClosing = false
    private var executor: LoopExecutor?
    private var date = HTTPDate()

    init(responder: Responder, logger: Logger, count: Counter) {
        self.responder = responder
        self.logger = logger
        self.count = count
        path = DirectPath(limit: min(Self.limit, responder.limits.eventBody, responder.limits.arguments))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let part = unwrapInboundIn(data)
        if path.isAnswering {
            waiting.append(part)
        } else {
            take(part, context)
        }
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head):
            guard path.readHead(head) == .keep else { return context.fireChannelRead(wrapInboundOut(part)) }
            self.head = head
            body.clear()
        case .body(var buffer):
            guard path.readBody() == .keep else { return context.fireChannelRead(wrapInboundOut(part)) }
            // One part is the usual case, and is kept without a copy.
            if body.readableBytes == 0 { body = buffer } else { body.writeBuffer(&buffer) }
        case .end:
            guard path.readEnd() == .answer else { return context.fireChannelRead(wrapInboundOut(part)) }
            answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let head else { return }
        count.add()
        let request = RequestBody(buffer: body)
        body = ByteBuffer()
        let face = FaceContext(source: ApplicationRequestContextSource(channel: context.channel, logger: logger))
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        let executor = executor ?? LoopExecutor(eventLoop)
        self.executor = executor
        // Not a child of the connection's task, for there is none here. It ends with the answer; a client that leaves
        // does not undo what it asked for.
        Task(executorPreference: executor) { [responder] in
            let response = await responder.respond(to: head, body: request, context: face)
            let collected = BodyCollector()
            // The hot routes answer with bytes that are there; nothing of a stream can fail here.
            try? await response.body.write(collected)
            let answer: @Sendable () -> Void = {
                let (handler, context) = bound.value
                handler.write(response.head, collected.take(), context)
            }
            if eventLoop.inEventLoop { answer() } else { eventLoop.execute(answer) }
        }
    }

    private func write(_ response: HTTPResponse, _ body: ByteBuffer, _ context: ChannelHandlerContext) {
        var response = response
        response.headerFields[.date] = date.text(milliseconds: responder.now())
        response.headerFields[.server] = HTTPFace.serverName
        if isQuiesceHeld || head?.headerFields[.connection]?.lowercased() == "close" {
            response.headerFields[.connection] = "close"
            // RFC 9112 §9.6: the client will send them again elsewhere.
            isClosing = true
            waiting.removeAll()
        }
        head = nil
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if body.readableBytes > 0 { context.write(wrapOutboundOut(.body(body)), promise: nil) }
        let sent = context.eventLoop.makePromise(of: Void.self)
        unsent += 1
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
        path.answered()
        resume(context)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        sent.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.unsent -= 1
            handler.tellOfClosedInput(context)
        }
    }

    /// Whoever hears of it closes the connection, and with it what is not sent yet.
    private func tellOfClosedInput(_ context: ChannelHandlerContext) {
        guard isInputClosedHeld, unsent == 0, !path.isAnswering else { return }
        isInputClosedHeld = false
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    /// Goes on with what came, or was asked, while an answer was made.
    private func resume(_ context: ChannelHandlerContext) {
        var isTaken = false
        while !path.isAnswering, let part = waiting.popFirst() {
            take(part, context)
            isTaken = true
        }
        if isTaken { context.fireChannelReadComplete() }
        guard !path.isAnswering else { return }
        if isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    func read(context: ChannelHandlerContext) {
        // One reading ahead, so that the usual client, which waits for its answer, is watched without a change of what is
        // waited for at each call. Who sends more than that feels it as back pressure.
        if path.isAnswering, !waiting.isEmpty { isReadHeld = true } else { context.read() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { path.answeredAbove() }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Above nobody knows that a request is on its way here, and would close the connection under it. The answer
        // closes it instead.
        if event is ChannelShouldQuiesceEvent, path.isBusy {
            isQuiesceHeld = true
        } else if event as? ChannelEvent == .inputClosed, path.isAnswering || unsent > 0 {
            // A client may end its side when it has asked, and still wants its answer.
            isInputClosedHeld = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
