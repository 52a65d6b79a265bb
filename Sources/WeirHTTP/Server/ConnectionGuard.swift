import CloudEvents
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Performs what a ``ConnectionState`` decides. It stands between the HTTP codec and whoever answers.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long a client may take to read the last answer before the connection is cut, where it sends nothing more; and
    /// where it does: on a busy machine it may have much to send before it looks.
    private static let lingering = TimeAmount.seconds(2)
    private static let lingeringAtMost = TimeAmount.seconds(15)
    /// How long the last answer may take to be sent.
    private static let sending = TimeAmount.seconds(60)

    private var state: ConnectionState
    private var timer: Scheduled<Void>?
    /// When the timer goes off, and when the state wants to look again: later, or (`nil`) not at all. A request sets this
    /// time some times over, and a timer that goes off for nothing once a minute costs less than setting it each time.
    private var timerDue = NIODeadline.distantFuture
    private var due: NIODeadline?
    /// Stands in front of the codec.
    var front: FrontHandler?
    private var context: ChannelHandlerContext?
    private var lastPart = NIODeadline.now()
    private var isInputClosed = false
    /// The last answer is on its way.
    private var isSending = false

    init(limits: HTTPLimits) {
        state = ConnectionState(limits: limits)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // It fails only where the channel is closed already.
        if let front { try? context.pipeline.syncOperations.addHandler(front, position: .first) }
        if context.channel.isActive { perform(state.opened(), context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        front = nil
        self.context = nil
    }

    /// Whether nothing is read, answered or closed at this moment.
    var isQuiet: Bool { state.isQuiet }

    /// A whole request came and is answered in front of the codec.
    func beganInFront() {
        _ = state.readHead()
        if let context { perform(state.readEnd(), context) }
    }

    func endedInFront() {
        _ = state.wroteHead(closing: false)
        if let context { perform(state.wroteEnd(), context) }
    }

    /// The same, where the answer says that the connection ends: it does when that is sent, or is not in a long time.
    func endsInFront(when sent: EventLoopFuture<Void>) {
        guard let context else { return }
        _ = state.wroteHead(closing: true)
        _ = state.wroteEnd()
        close(when: sent, context)
    }

    func channelActive(context: ChannelHandlerContext) {
        perform(state.opened(), context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = context.eventLoop.now
        defer { lastPart = now }
        guard !state.isOver else { return }
        let action =
            switch unwrapInboundIn(data) {
            case .head: state.readHead()
            case .body: state.readBody(after: Int((now - lastPart).nanoseconds / 1_000_000_000))
            case .end: state.readEnd()
            }
        perform(action, context)
        if !state.isOver { context.fireChannelRead(data) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // Nobody above asks for more, but what the client still sends must be taken off, or closing would reset the
        // connection and the client could lose the answer.
        if state.isOver, !isSending { context.read() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !state.isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind == .informational:
            context.write(data, promise: promise)
        case .head(let head):
            perform(state.wroteHead(closing: head.headerFields[.connection]?.lowercased() == "close"), context)
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let action = state.wroteEnd()
            // What was not read while this was answered did not keep us waiting.
            lastPart = context.eventLoop.now
            if action == .closeGently {
                closeWhenSent(data, promise, context)
            } else {
                context.write(data, promise: promise)
                perform(action, context)
            }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { isInputClosed = true }
        context.fireUserInboundEventTriggered(event)
    }

    /// Ends the connection behind an answer. To close our side while something waits to be sent, and the client's has ended
    /// or ends, would close all and lose that (NIO's `BaseStreamSocketChannel.close0`).
    private func closeWhenSent(_ end: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        let sent = promise ?? context.eventLoop.makePromise(of: Void.self)
        close(when: sent.futureResult, context)
        context.writeAndFlush(end, promise: sent)
    }

    private func close(when sent: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        timer?.cancel()
        isSending = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        sent.whenComplete { _ in
            let (handler, context) = bound.value
            handler.isSending = false
            if handler.isInputClosed { context.close(promise: nil) } else { handler.closeGently(context) }
        }
        due = nil
        timer = context.eventLoop.scheduleTask(in: Self.sending) { bound.value.1.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.headerOverflow: perform(state.failed(.headTooLarge), context)
        case is HTTPParserError, is HTTP1TypeConversionError: perform(state.failed(.malformed), context)
        default: context.fireErrorCaught(error)
        }
    }

    private func perform(_ action: ConnectionState.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .none: break
        case .disarm: due = nil
        case .wait(let seconds): arm(.seconds(Int64(seconds)), context)
        case .refuse(let refusal): refuse(refusal, context)
        case .closeGently: closeGently(context)
        case .close: context.close(promise: nil)
        }
    }

    private func arm(_ delay: TimeAmount, _ context: ChannelHandlerContext) {
        let time = context.eventLoop.now + delay
        due = time
        if timer == nil || time < timerDue { setTimer(time, context) }
    }

    private func setTimer(_ time: NIODeadline, _ context: ChannelHandlerContext) {
        timer?.cancel()
        timerDue = time
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: time) {
            let (handler, context) = bound.value
            handler.timePassed(context)
        }
    }

    private func timePassed(_ context: ChannelHandlerContext) {
        timer = nil
        guard let due else { return }
        if context.eventLoop.now < due {
            setTimer(due, context)
        } else {
            self.due = nil
            // A request whose rest does not come is the codec's from here, and has the times of one.
            if front?.giveUp() != true { perform(state.timePassed(), context) }
        }
    }

    private func refuse(_ refusal: ConnectionState.Refusal, _ context: ChannelHandlerContext) {
        let problem =
            switch refusal {
            case .bodyTooSlow: Problem(.requestTimeout, "too-slow", "the body did not come in time")
            case .headTooLarge:
                Problem(
                    .requestHeaderFieldsTooLarge, "header-too-large", "the header fields are larger than is taken here")
            case .malformed: Problem(.badRequest, "malformed-request", "this is not an HTTP/1.1 request")
            }
        let body = JSONValue.object(problem.document(instance: nil)).encoded()
        let headers: HTTPFields = [
            .contentType: "application/problem+json", .contentLength: "\(body.count)", .connection: "close",
        ]
        context.write(
            wrapOutboundOut(.head(HTTPResponse(status: problem.status, headerFields: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: body))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        closeGently(context)
    }

    private func closeGently(_ context: ChannelHandlerContext) {
        timer?.cancel()
        context.flush()
        context.close(mode: .output, promise: nil)
        context.read()
        due = nil
        lastPart = context.eventLoop.now
        linger(until: lastPart + Self.lingeringAtMost, context)
    }

    private func linger(until end: NIODeadline, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: min(lastPart + Self.lingering, end)) {
            let (handler, context) = bound.value
            let now = context.eventLoop.now
            if now < min(handler.lastPart + Self.lingering, end) {
                handler.linger(until: end, context)
            } else {
                context.close(promise: nil)
            }
        }
    }
}
