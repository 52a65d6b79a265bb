import CloudEvents
import HTTPTypes
import HummingbirdTesting
import Invocation
import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import TestSupport
import Testing

@testable import WeirHTTP

/// Calls that are answered in front of the HTTP codec, on the wire.
@Suite(.timeLimit(.minutes(1))) struct FrontTests {
    private static func call(
        _ body: String = #"{"a":1}"#, function: String = "checksum", query: String = "?blocking=true",
        key: String = "admin", fields: String = "Content-Type: application/json\r\n"
    ) -> String { head(body, function: function, query: query, key: key, fields: fields) + body }

    private static func head(
        _ body: String, function: String = "checksum", query: String = "?blocking=true", key: String = "admin",
        fields: String = "Content-Type: application/json\r\n"
    ) -> String {
        "POST /v1/functions/\(function)/invoke\(query) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(key)\r\n\(fields)"
            + "Content-Length: \(body.utf8.count)\r\n\r\n"
    }

    private static let ok = "HTTP/1.1 200 OK"
    private func aCallRuns(_ face: TestFace) async {
        await waitUntil { face.engine.state.withLock { $0.held.count } == 1 }
    }
    private func begun(_ face: TestFace) -> Int { face.engine.state.withLock { $0.begun } }

    @Test func callsOfOneConnectionAreAnsweredInFront() async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            for index in 1...3 {
                try await connection.send(Self.call("{\"a\":\(index)}"))
                _ = try await connection.text { $0.components(of: "logsTruncated") == index }
            }
            try await connection.send(Self.call("", function: "pkg/sum", fields: "X-Request-Id: mine\r\n"))
            let text = try await connection.text { $0.components(of: "logsTruncated") == 4 }
            #expect(text.components(of: Self.ok) == 4)
            #expect(text.components(of: "Content-Type: application/json\r\nCache-Control: no-store\r\n") == 4)
            #expect(text.components(of: "X-Request-Id: mine\r\n") == 1)
            #expect(text.contains("Date: Sun, 01 Mar 2026 12:00:00 GMT\r\nServer: weir\r\n"))
        }
        #expect(begun(face) == 4)
        guard case .arguments(let arguments)? = face.engine.state.withLock({ $0.lastCall })?.input else {
            Issue.record("no arguments")
            return
        }
        #expect(arguments == JSONObject())
        // It is asked anew each time whether it may be done.
        #expect(face.access.questions.all.withLock { $0.count } == 4)
        #expect(face.face.metrics.render().contains(#"route="/v1/functions/{function}/invoke",status="2xx"} 4"#))
    }

    /// The answer is the one that the long way gives, but for the names of requests.
    @Test func theAnswerIsThatOfTheLongWay() async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call(fields: "Content-Type: application/json\r\nTE: trailers\r\n"))
            let long = try await connection.text { $0.contains("logsTruncated") && $0.hasSuffix("}") }
            try await ConnectionTests.onWire(face) { other in
                try await other.send(Self.call())
                let short = try await other.text { $0.contains("logsTruncated") && $0.hasSuffix("}") }
                #expect(Self.fields(long) == Self.fields(short) && Self.body(long) == Self.body(short))
            }
        }
        #expect(begun(face) == 1)
    }

    private static func fields(_ text: String) -> Set<String> {
        Set(
            text.prefix { $0 != "{" }.split(whereSeparator: \.isNewline).map { $0.lowercased() }
                .filter { !$0.hasPrefix("x-request-id") })
    }
    private static func body(_ text: String) -> Substring { text.drop { $0 != "{" } }

    @Test func aBodyThatComesBehindItsHeadIsWaitedFor() async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            let body = #"{"a":"b"}"#
            try await connection.send(Self.head(body))
            for byte in body { try await connection.send(String(byte)) }
            #expect(try await connection.text { $0.contains("logsTruncated") }.hasPrefix(Self.ok))
        }
        #expect(begun(face) == 1)
    }

    /// Requests that do not stand alone keep their order, whichever way they go.
    @Test func whatComesTogetherIsAnsweredInItsOrder() async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            let healthz = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            try await connection.send(healthz)
            _ = try await connection.text { $0.contains(#"{"status":"ok"}"#) }
            try await connection.send(Self.call())
            _ = try await connection.text { $0.contains("logsTruncated") }
            try await connection.send(Self.call() + healthz + Self.call())
            let text = try await connection.text { $0.components(of: "logsTruncated") == 3 }
            let order = text.ranges(of: /logsTruncated|"status":"ok"/).map { text[$0] == "logsTruncated" }
            #expect(order == [false, true, true, false, true])
        }
        #expect(begun(face) == 1)
    }

    @Test func whatComesWhileACallRunsIsAnsweredBehindIt() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.holdsCalls = true }
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call())
            await aCallRuns(face)
            try await connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try await connection.send(Self.call())
            #expect(face.engine.release())
            let text = try await connection.text { $0.components(of: "logsTruncated") == 2 }
            let order = text.ranges(of: /logsTruncated|"status":"ok"/).map { text[$0] == "logsTruncated" }
            #expect(order == [true, false, true])
        }
    }

    /// What came alone is the codec's all the same while something before it is not answered: its answer would come first.
    @Test func whatComesBehindARequestOfTheLongWayKeepsItsPlace() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.holdsInvocations = true }
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call("", query: "", fields: "X-Request-Id: first\r\n"))
            await aCallRuns(face)
            try await connection.send(Self.call("", fields: "X-Request-Id: second\r\n"))
            // Nothing tells that a request was read and not answered: others are, meanwhile. Were it never read before
            // the first is answered, the test would see less, but never fail for it.
            try await ConnectionTests.onWire(face) { other in
                for count in 1...20 {
                    try await other.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    _ = try await other.text { $0.components(of: #"{"status":"ok"}"#) == count }
                }
            }
            #expect(face.engine.release())
            let text = try await connection.text { $0.contains("logsTruncated") }
            let order = text.lowercased().matches(of: /x-request-id: (first|second)/).map { String($0.1) }
            #expect(order == ["first", "second"])
        }
    }

    /// Heads of one length that differ in a byte are not taken for each other.
    @Test func aHeadIsKnownByAllOfItsBytes() async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call())
            _ = try await connection.text { $0.contains("logsTruncated") }
            try await connection.send(Self.call(key: "other"))
            _ = try await connection.text { $0.contains("HTTP/1.1 401 ") }
            try await connection.send(Self.call())
            _ = try await connection.text { $0.components(of: "logsTruncated") == 2 }
        }
        #expect(begun(face) == 2)
    }

    @Test(arguments: [
        ("401", call(key: "other")), ("403", call(key: "nobody")), ("404", call(function: "other")),
        ("400", call("{")), ("400", call("[1]")), ("415", call(fields: "Content-Type: text/plain\r\n")),
        ("406", call(fields: "Content-Type: application/json\r\nAccept: text/html\r\n")), ("202", call(query: "")),
        ("400", call(query: "?blocking=yes")), ("400", call(query: "?blocking=true&other=1")),
        (
            "200",
            call(
                fields:
                    "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-type: a\r\nce-source: b\r\n"
            )
        ),
    ])
    func whatIsNotTheUsualCallGoesTheLongWay(status: String, request: String) async throws {
        let face = try TestFace()
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(request)
            #expect(try await connection.text { $0.contains("\r\n\r\n") }.hasPrefix("HTTP/1.1 \(status) "))
        }
        #expect(begun(face) == 0)
    }

    @Test func aClientThatEndsItsSideGetsItsAnswer() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.holdsCalls = true }
        // Longer than what the system's buffers take at once.
        face.engine.state.withLock { $0.result = Array(("\"" + String(repeating: "x", count: 8 << 20) + "\"").utf8) }
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call())
            try await connection.closeOutput()
            await aCallRuns(face)
            #expect(face.engine.release())
            let text = try await connection.textUntilClosed()
            #expect(text.hasPrefix(Self.ok) && text.hasSuffix(#""logsTruncated":false}"#))
        }
    }

    @Test func aClientMayLeaveWhileItsCallRuns() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.holdsCalls = true }
        let channel = try await face.testingChannel()
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        _ = try? await channel.finish()
        #expect(face.engine.release())
        // What it asked for was done, and counts.
        await waitUntil {
            face.face.metrics.render().contains(#"route="/v1/functions/{function}/invoke",status="2xx"} 1"#)
        }
        try await ConnectionTests.onWire(face) { other in
            try await other.send(Self.call())
            #expect(try await other.text { $0.contains("logsTruncated") }.hasPrefix(Self.ok))
        }
    }

    /// Who asks and never reads is not read any more once what it does not take fills the buffers.
    @Test func aClientThatReadsNothingIsNotServedForEver() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.result = Array(("\"" + String(repeating: "x", count: 1 << 20) + "\"").utf8) }
        let channel = try await face.testingChannel()
        channel.isWritable = false
        let (reads, read) = AsyncStream<Int>.makeStream()
        try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandler(ReadCounter(read), position: .first)
        }
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        _ = try await channel.waitForOutboundWrite(as: IOData.self)
        try await channel.testingEventLoop.executeInContext {
            channel.pipeline.read()
            read.yield(-1)
        }
        channel.isWritable = true
        try await channel.testingEventLoop.executeInContext { channel.pipeline.fireChannelWritabilityChanged() }
        var seen: [Int] = []
        for await one in reads {
            seen.append(one)
            if one == 1 { break }
        }
        #expect(seen == [-1, 1])
        _ = try? await channel.finish()
    }

    private final class ReadCounter: ChannelOutboundHandler {
        typealias OutboundIn = IOData
        private let told: AsyncStream<Int>.Continuation
        init(_ told: AsyncStream<Int>.Continuation) { self.told = told }
        func read(context: ChannelHandlerContext) {
            told.yield(1)
            context.read()
        }
    }

    /// The times of a connection are those of the long way.
    @Test func aConnectionThatRestsOrStandsStillIsEnded() async throws {
        var limits = HTTPLimits()
        (limits.headSeconds, limits.bodyPauseSeconds) = (1, 1)
        let face = try TestFace(limits: limits)
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call())
            #expect(try await connection.textUntilClosed().components(of: "HTTP/1.1 ") == 1)
        }
        try await ConnectionTests.onWire(face) { connection in
            try await connection.send(Self.call() + "")
            _ = try await connection.text { $0.contains("logsTruncated") }
            try await connection.send(Self.head("12345") + "123")
            let text = try await connection.textUntilClosed()
            #expect(text.contains("HTTP/1.1 408 ") && text.contains("too-slow"))
        }
        #expect(begun(face) == 2)
    }

    /// Each call puts off the end of a connection that rests, though the timer is not set anew for each.
    @Test func aConnectionIsEndedOnlyAMinuteAfterItsLastCall() async throws {
        let face = try TestFace()
        let channel = try await face.testingChannel()
        for number in 1...3 {
            try await channel.writeInbound(ByteBuffer(string: Self.call()))
            _ = try await channel.waitForOutboundWrite(as: IOData.self)
            await channel.testingEventLoop.advanceTime(by: .seconds(40))
            #expect(channel.isActive && begun(face) == number)
        }
        await channel.testingEventLoop.advanceTime(by: .seconds(21))
        #expect(!channel.isActive)
        _ = try? await channel.finish()
    }

    /// The server ends while a call runs: it is answered, with the word that the connection ends, and what stands behind it
    /// is not done (RFC 9112 §9.6).
    @Test func aCallIsAnsweredWhenTheServerEnds() async throws {
        let face = try TestFace()
        face.engine.state.withLock { $0.holdsCalls = true }
        let channel = try await face.testingChannel()
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        try await quiesce(channel)
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        #expect(face.engine.release() && begun(face) == 1)
        let answer = try await channel.waitForOutboundWrite(as: IOData.self)
        guard case .byteBuffer(let bytes) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(String(buffer: bytes).contains("\r\nConnection: close\r\n"))
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        #expect(begun(face) == 1)
        await channel.testingEventLoop.advanceTime(by: .seconds(3))
        #expect(!channel.isActive)
        _ = try? await channel.finish()
    }

    /// The last answer may take longer to send than a connection may rest, but not for ever.
    @Test func theLastAnswerHasItsTimeToBeSent() async throws {
        var limits = HTTPLimits()
        limits.headSeconds = 1
        let face = try TestFace(limits: limits)
        face.engine.state.withLock { $0.holdsCalls = true }
        let channel = try await face.testingChannel()
        try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandler(SlowWire(), position: .first)
        }
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        try await quiesce(channel)
        #expect(face.engine.release())
        await channel.testingEventLoop.advanceTime(by: .seconds(50))
        #expect(channel.isActive)
        await channel.testingEventLoop.advanceTime(by: .seconds(11))
        #expect(!channel.isActive)
        _ = try? await channel.finish()
    }

    /// Takes what is written, and never says that it is sent.
    private final class SlowWire: ChannelOutboundHandler {
        typealias OutboundIn = IOData
        private var pending: [EventLoopPromise<Void>] = []
        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if let promise { pending.append(promise) }
        }
        func handlerRemoved(context: ChannelHandlerContext) {
            for promise in pending { promise.fail(ChannelError.ioOnClosedChannel) }
        }
    }

    /// Between two calls the connection is closed by who always does it; nothing begins in front of that any more.
    @Test func nothingBeginsInFrontOnceTheServerEnds() async throws {
        let face = try TestFace()
        let channel = try await face.testingChannel()
        try await channel.writeInbound(ByteBuffer(string: Self.call()))
        _ = try await channel.waitForOutboundWrite(as: IOData.self)
        try await quiesce(channel)
        _ = try? await channel.writeInbound(ByteBuffer(string: Self.call()))
        #expect(begun(face) == 1)
        _ = try? await channel.finish()
    }

    private func quiesce(_ channel: NIOAsyncTestingChannel) async throws {
        try await channel.testingEventLoop.executeInContext {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }
}
