import CloudEvents
import Glibc
import Hummingbird
import Invocation
import Logging
import NIOCore

/// Performs what a ``FrontPath`` decides: answers the usual call of a function in front of the HTTP codec.
///
/// A warm call costs little more than its way through a general server, so this one way is made short: a head that came
/// before is known by its bytes, the call goes to the engine without a task of its own, and the answer is written whole.
/// What it may do is asked anew each time. Everything else goes on, untouched, to the codec and the handlers above.
final class FrontHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// A head that was read, and what it is.
    private struct Known {
        var bytes: [UInt8]
        var bodyLength: Int
        var call: (any FrontCall)?
    }

    /// The call that runs.
    private struct Running {
        var call: any FrontCall
        var run: any FrontRun
        var began: ContinuousClock.Instant
    }

    private let responder: Responder
    private let engine: any Engine
    private let logger: Logger
    private let count: Counter
    /// Stands above the codec, and watches the times of the connection. It owns this.
    private weak var above: ConnectionGuard?
    private var path: FrontPath
    private var known: Known?
    private var running: Running?
    private var held: ByteBuffer?
    /// What was read while a call ran.
    private var waiting = CircularBuffer<ByteBuffer>()
    private var isReadHeld = false
    /// The client has ended its side while a call ran.
    private var isInputClosedHeld = false
    /// The server ends, and the answer to the call that runs says so.
    private var isQuiescing = false
    private var hasAnswered = false
    private var date = HTTPDate()
    private var context: ChannelHandlerContext?

    init(responder: Responder, engine: any Engine, logger: Logger, count: Counter, above: ConnectionGuard) {
        self.responder = responder
        self.engine = engine
        self.logger = logger
        self.count = count
        self.above = above
        path = FrontPath(limit: min(DirectHandler.limit, responder.limits.arguments), holdLimit: 64 << 10)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { take(unwrapInboundIn(data), context) }

    private func take(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
        var part = part
        var bytes = part
        if var all = held {
            // Its only owner now, so that it grows in its place.
            held = nil
            all.writeBuffer(&part)
            bytes = all
        }
        switch path.read(bytes.readableBytes, isQuiet: above?.isQuiet ?? false, { look(at: bytes) }) {
        case .pass: context.fireChannelRead(wrapInboundOut(bytes))
        case .hold: held = bytes
        case .wait: waiting.append(bytes)
        case .answer:
            guard !begin(bytes, context) else { return }
            path.answered()
            context.fireChannelRead(wrapInboundOut(bytes))
        }
    }

    /// The request with which the bytes begin.
    private func look(at buffer: ByteBuffer) -> FrontPath.Framing? {
        buffer.withUnsafeReadableBytes { bytes in
            if known.map({ Self.begins(bytes, with: $0.bytes) }) != true {
                guard let plain = PlainRequest.read(bytes) else { return nil }
                known = Known(
                    bytes: Array(bytes[..<plain.headLength]), bodyLength: plain.bodyLength,
                    call: responder.frontCall(plain.head, engine))
            }
            return known.map { .init(length: $0.bytes.count + $0.bodyLength, isCall: $0.call != nil) }
        }
    }

    private static func begins(_ bytes: UnsafeRawBufferPointer, with head: [UInt8]) -> Bool {
        bytes.count >= head.count && bytes.baseAddress.map { memcmp($0, head, head.count) == 0 } ?? head.isEmpty
    }

    /// Begins the call; `false` when only the long way can say what becomes of it.
    private func begin(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) -> Bool {
        guard let known, let call = known.call else { return false }
        let began = ContinuousClock.now
        let eventLoop = context.eventLoop
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let run = bytes.withUnsafeReadableBytes { all in
            call.begin(UnsafeRawBufferPointer(rebasing: all[known.bytes.count...])) { activation in
                eventLoop.execute { bound.value.finish(activation) }
            }
        }
        guard let run else { return false }
        running = Running(call: call, run: run, began: began)
        above?.beganInFront()
        count.add()
        return true
    }

    private func finish(_ activation: Activation?) {
        guard let running else { return }
        self.running = nil
        let answer = running.run.answer(activation)
        if let context { write(bytes(of: answer, context), context) }
        // A client that has left is told nothing; what it asked for was done, and counts.
        let duration = ContinuousClock.now - running.began
        responder.metrics.record(route: running.call.route, status: answer.status.code, duration: duration)
        logger.debug(
            "request",
            metadata: [
                "id": "\(running.run.id)", "method": "POST", "path": "\(running.call.path)",
                "status": "\(answer.status.code)",
                "duration": "\(duration)",
            ])
        path.answered()
        guard let context, !isQuiescing else { return }
        above?.endedInFront()
        resume(context)
    }

    private func write(_ answer: ByteBuffer, _ context: ChannelHandlerContext) {
        hasAnswered = true
        guard isQuiescing else {
            context.write(wrapOutboundOut(.byteBuffer(answer)), promise: nil)
            context.flush()
            return
        }
        // Nothing that came behind its request is done: what waits is not looked at again, the guard drops the rest.
        let sent = context.eventLoop.makePromise(of: Void.self)
        above?.endsInFront(when: sent.futureResult)
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(answer)), promise: sent)
    }

    private func bytes(of answer: FrontAnswer, _ context: ChannelHandlerContext) -> ByteBuffer {
        var out = context.channel.allocator.buffer(capacity: 128 + answer.fields.count + answer.body.count)
        out.writeStaticString("HTTP/1.1 ")
        out.writeString(String(answer.status.code))
        out.writeStaticString(" ")
        out.writeString(answer.status.reasonPhrase)
        out.writeStaticString("\r\n")
        out.writeBytes(answer.fields)
        out.writeStaticString("Date: ")
        out.writeString(date.text(milliseconds: responder.now()))
        out.writeStaticString("\r\nServer: ")
        out.writeString(HTTPFace.serverName)
        // RFC 9112 §9.6: the server ends, and does nothing that comes behind this.
        if isQuiescing { out.writeStaticString("\r\nConnection: close") }
        out.writeStaticString("\r\nContent-Length: ")
        out.writeString(String(answer.body.count))
        out.writeStaticString("\r\n\r\n")
        out.writeBytes(answer.body)
        return out
    }

    /// Goes on with what came, or was asked, while the call ran.
    private func resume(_ context: ChannelHandlerContext) {
        var isTaken = false
        while !path.isAnswering, let bytes = waiting.popFirst() {
            take(bytes, context)
            isTaken = true
        }
        if isTaken { context.fireChannelReadComplete() }
        guard !path.isAnswering else { return }
        if isInputClosedHeld {
            isInputClosedHeld = false
            tell(ChannelEvent.inputClosed, context)
        }
        readOn(context)
    }

    func read(context: ChannelHandlerContext) {
        if mustHold(context) { isReadHeld = true } else { context.read() }
    }

    /// One reading ahead, as in `DirectHandler`; more is back pressure, as it is when a client does not take its answers.
    private func mustHold(_ context: ChannelHandlerContext) -> Bool {
        path.isAnswering ? !waiting.isEmpty : !path.isAbove && !context.channel.isWritable
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard isReadHeld, !mustHold(context) else { return }
        isReadHeld = false
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        readOn(context)
        context.fireChannelWritabilityChanged()
    }

    /// Lets go of the beginning of a call whose rest does not come; `false` when there is none.
    func giveUp() -> Bool {
        guard let context, let bytes = held else { return false }
        held = nil
        path.gaveUp(bytes.readableBytes)
        context.fireChannelRead(wrapInboundOut(bytes))
        context.fireChannelReadComplete()
        return true
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        _ = giveUp()
        switch event {
        case is ChannelShouldQuiesceEvent where path.isAnswering: isQuiescing = true
        case ChannelEvent.inputClosed where path.isAnswering: isInputClosedHeld = true
        case is ChannelShouldQuiesceEvent:
            path.leave()
            tell(event, context)
        default: tell(event, context)
        }
    }

    /// Tells of an event when all answers from here are sent: whoever hears of it may close the connection, and with it
    /// what is not.
    private func tell(_ event: Any, _ context: ChannelHandlerContext) {
        guard hasAnswered else { return context.fireUserInboundEventTriggered(event) }
        let sent = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((context, event), eventLoop: context.eventLoop)
        sent.futureResult.whenComplete { _ in bound.value.0.fireUserInboundEventTriggered(bound.value.1) }
        // Nothing, behind all that was written before.
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: sent)
    }
}
