import Foundation
import HTTPTypes
import Invocation
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOEmbedded
import NIOPosix
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import WeirHTTP

/// What happens on the wire, seen by a client that says exactly which bytes it sends.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    /// Runs `body` on a connection to a server that listens.
    static func onWire(
        _ face: TestFace, _ body: @escaping @Sendable (RawConnection) async throws -> Void
    ) async throws {
        try await face.application.test(.live) { client in
            let connection = try await RawConnection(port: try #require(client.port))
            try await body(connection)
            try? await connection.close()
        }
    }

    static let key = "authorization: Bearer admin\r\n"

    @Test func requestsShareAConnection() async throws {
        try await Self.onWire(try TestFace()) { connection in
            for _ in 0..<2 { try await connection.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n") }
            let text = try await connection.text { $0.components(of: #"{"status":"ok"}"#) == 2 }
            #expect(text.components(of: "HTTP/1.1 200 OK") == 2)
            #expect(text.lowercased().contains("server: weir"))
        }
    }

    /// A client that is refused may have much to send before it looks for the answer, which it loses if the connection is
    /// cut meanwhile. It is read on while it sends, but not for ever.
    @Test(arguments: [(sends: 3, isEndedBehind: 2.1), (sends: 10, isEndedBehind: 1.1)])
    func whoIsRefusedMaySendOnForAWhile(_ sends: Int, _ isEndedBehind: Double) async throws {
        var limits = HTTPLimits()
        limits.bodyPauseSeconds = 1
        let channel = try await TestFace(limits: limits).testingChannel()
        try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandler(OpenEnd(), position: .first)
        }
        try await channel.writeInbound(
            ByteBuffer(string: "PUT /v1/channels/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n123"))
        await channel.testingEventLoop.advanceTime(by: .seconds(1))
        guard case .byteBuffer(let head) = try await channel.waitForOutboundWrite(as: IOData.self) else { return }
        #expect(String(buffer: head).hasPrefix("HTTP/1.1 408 "))
        for _ in 0..<sends {
            await channel.testingEventLoop.advanceTime(by: .milliseconds(1_400))
            #expect(channel.isActive)
            try await channel.writeInbound(ByteBuffer(string: "45678"))
        }
        await channel.testingEventLoop.advanceTime(by: .milliseconds(900))
        #expect(channel.isActive)
        await channel.testingEventLoop.advanceTime(by: .milliseconds(Int64(isEndedBehind * 1_000) - 900))
        #expect(!channel.isActive)
        _ = try? await channel.finish()
    }

    /// A testing channel cannot be closed on one side; here nothing comes of it.
    private final class OpenEnd: ChannelOutboundHandler {
        typealias OutboundIn = IOData
        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
        }
    }

    @Test func whatIsNotHTTPIsAnsweredAndClosed() async throws {
        try await Self.onWire(try TestFace()) { connection in
            try await connection.send("HELLO\r\n\r\n")
            let text = try await connection.textUntilClosed()
            #expect(text.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
            #expect(text.contains(#""code":"malformed-request""#))
        }
    }

    @Test func aHeadThatIsTooLargeIsAnsweredAndClosed() async throws {
        try await Self.onWire(try TestFace()) { connection in
            try await connection.send("GET /healthz HTTP/1.1\r\nhost: x\r\n")
            for index in 0..<100 {
                try? await connection.send("x-\(index): \(String(repeating: "y", count: 1000))\r\n")
            }
            let text = try await connection.textUntilClosed()
            #expect(text.hasPrefix("HTTP/1.1 431 Request Header Fields Too Large\r\n"))
            #expect(text.contains(#""code":"header-too-large""#))
        }
    }

    @Test func aBodyThatIsTooLargeIsAnsweredBeforeItHasCome() async throws {
        let face = try TestFace()
        for length in ["content-length: 900000000\r\n", "transfer-encoding: chunked\r\n"] {
            try await Self.onWire(face) { connection in
                try await connection.send(
                    "PUT /v1/channels/a HTTP/1.1\r\nhost: x\r\n\(Self.key)content-type: application/json\r\n\(length)\r\n"
                )
                if length.contains("chunked") {
                    let chunk = "10000\r\n" + String(repeating: " ", count: 65536) + "\r\n"
                    for _ in 0..<24 { try? await connection.send(chunk) }
                }
                let text = try await connection.textUntilClosed()
                #expect(text.hasPrefix("HTTP/1.1 413 "))
                #expect(text.contains("the body is larger than 1MiB"))
            }
        }
    }

    @Test func aClientThatAsksFirstIsToldToGoOn() async throws {
        try await Self.onWire(try TestFace()) { connection in
            try await connection.send(
                "PUT /v1/channels/a HTTP/1.1\r\nhost: x\r\n\(Self.key)content-type: application/json\r\n"
                    + "content-length: 2\r\nexpect: 100-continue\r\n\r\n")
            let first = try await connection.text { $0.contains("\r\n\r\n") }
            #expect(first.hasPrefix("HTTP/1.1 100 Continue\r\n"))
            try await connection.send("{}")
            let text = try await connection.text { $0.contains("generation") || $0.contains("created") }
            #expect(text.contains("HTTP/1.1 201 Created"))
        }
    }

    @Test func aSlowHeadAndASlowBodyAreCutOff() async throws {
        var slowHead = HTTPLimits()
        slowHead.headSeconds = 1
        try await Self.onWire(try TestFace(limits: slowHead)) { connection in
            try await connection.send("GET /healthz HTTP/1.1\r\nhost:")
            #expect(try await connection.textUntilClosed().isEmpty)
        }
        var slowBody = HTTPLimits()
        slowBody.bodyPauseSeconds = 1
        try await Self.onWire(try TestFace(limits: slowBody)) { connection in
            try await connection.send(
                "PUT /v1/channels/a HTTP/1.1\r\nhost: x\r\n\(Self.key)content-type: application/json\r\n"
                    + "content-length: 9\r\n\r\n{")
            let text = try await connection.textUntilClosed()
            #expect(text.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
        }
    }

    private static func publish(_ id: String, headers: String = "") -> String {
        let body = EventRouteTests.event(id, "/a/\(id)")
        return "POST /v1/channels/storage/events HTTP/1.1\r\nhost: x\r\n\(key)\(headers)"
            + "content-type: \(EventRouteTests.structured)\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func direct(_ face: TestFace) -> UInt64 {
        face.face.metrics.counter("weir_http_requests_direct_total", "").value
    }

    @Test func pipelinedRequestsAreAnsweredInTheirOrderWhicheverWayTheyGo() async throws {
        let face = try TestFace()
        try await Self.onWire(face) { connection in
            let get = "GET /v1/version HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n"
            let call = "POST /v1/functions/checksum/invoke HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n"
            let all = Self.publish("1") + get + Self.publish("2") + Self.publish("1") + call + get
            // In pieces, so that requests end and begin within what is read at once.
            var rest = all[...]
            while !rest.isEmpty {
                try await connection.send(String(rest.prefix(173)))
                rest = rest.dropFirst(173)
            }
            let text = try await connection.text { $0.components(of: #"{"version""#) == 2 }
            let bodies = text.split(separator: "\r\n").filter { $0.hasPrefix("{") }.map { line in
                String(line[...(line.firstIndex(of: "}") ?? line.startIndex)])
            }
            #expect(
                bodies == [
                    #"{"accepted":1,"duplicates":0,"events":[{"partition":0,"offset":0}"#, #"{"version":"1.2.3"}"#,
                    #"{"accepted":1,"duplicates":0,"events":[{"partition":0,"offset":1}"#,
                    #"{"accepted":0,"duplicates":1,"events":[null]}"#, #"{"activationId":"0123"}"#,
                    #"{"version":"1.2.3"}"#,
                ])
            #expect(text.components(of: "HTTP/1.1 2") == 6)
            #expect(Self.direct(face) > 0)
        }
    }

    @Test func aPublishIsAnsweredDirectlyAndWithTheSameChecks() async throws {
        let face = try TestFace()
        try await Self.onWire(face) { connection in
            try await connection.send(Self.publish("1"))
            let first = try await connection.text { $0.contains("]}") }
            #expect(first.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(first.lowercased().contains("\r\ndate: sun, 01 mar 2026 12:00:00 gmt\r\n"))
            #expect(first.lowercased().contains("\r\nserver: weir\r\n"))
            #expect(Self.direct(face) == 1)
            try await connection.send(
                Self.publish("2", headers: "connection: close\r\n").replacing("Bearer admin", with: "Bearer wrong"))
            let text = try await connection.textUntilClosed()
            #expect(text.contains("HTTP/1.1 401 Unauthorized"))
            #expect(Self.direct(face) == 2)
        }
    }

    @Test func whoEndsItsSideAfterAskingIsStillAnswered() async throws {
        let face = try TestFace()
        for requests in 1...3 {
            try await Self.onWire(face) { connection in
                let all = (1...requests).map { Self.publish("\(requests)-\($0)") }.joined()
                try await connection.send(all)
                try await connection.closeOutput()
                let text = try await connection.textUntilClosed()
                #expect(text.components(of: #""accepted":1"#) == requests)
            }
        }
        #expect(Self.direct(face) == 6)
    }

    /// More than what a socket takes at once, by a client that reads slowly: none of it may be cut off.
    @Test(arguments: ["", "connection: close\r\n"]) func aLongAnswerReachesWhoHasEndedItsSide(_ more: String)
        async throws
    {
        let face = try TestFace()
        let size = 8 << 20
        let result = Array("\"".utf8) + [UInt8](repeating: 0x78, count: size) + Array("\"".utf8)
        face.engine.state.withLock { $0.result = result }
        try await face.application.test(.live) { client in
            let port = try #require(client.port)
            let script = """
                import socket, sys, time
                s = socket.create_connection(("127.0.0.1", \(port)))
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                s.sendall(sys.argv[1].encode())
                s.shutdown(socket.SHUT_WR)
                time.sleep(0.3)  # the answer has filled all buffers by then, or this tries less
                total = 0
                while True:
                    data = s.recv(1 << 20)
                    if not data: break
                    total += len(data)
                print(total)
                """
            let request =
                "POST /v1/functions/checksum/invoke?blocking=true HTTP/1.1\r\nhost: x\r\n\(Self.key)\(more)\r\n"
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script, request]
            let output = Pipe()
            process.standardOutput = output
            try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                process.terminationHandler = { _ in done.resume() }
                do { try process.run() } catch { done.resume(throwing: error) }
            }
            let total = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            #expect((Int(total.filter(\.isNumber)) ?? 0) > size, "\(total)")
        }
    }

    @Test func aChunkedPublishGoesTheLongWay() async throws {
        let face = try TestFace()
        try await Self.onWire(face) { connection in
            let body = EventRouteTests.event("1", "/a")
            try await connection.send(
                "POST /v1/channels/storage/events HTTP/1.1\r\nhost: x\r\n\(Self.key)"
                    + "content-type: \(EventRouteTests.structured)\r\ntransfer-encoding: chunked\r\n\r\n"
                    + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            let text = try await connection.text { $0.contains("]}") }
            #expect(text.contains(#"{"accepted":1,"#))
            #expect(Self.direct(face) == 0)
        }
    }

    @Test func aTailBringsWhatIsPublishedLater() async throws {
        let face = try TestFace()
        try await face.application.test(.live) { client in
            let port = try #require(client.port)
            let tail = try await RawConnection(port: port)
            try await tail.send(
                "GET /v1/channels/storage/tail?sql=subject+LIKE+'/a%25' HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n")
            _ = try await tail.text { $0.contains(": listening") }
            for subject in ["/b/1", "/a/1"] {
                let body = EventRouteTests.event(subject, subject)
                let reply = try await client.execute(
                    uri: "/v1/channels/storage/events", method: .post,
                    headers: [.authorization: "Bearer admin", .contentType: EventRouteTests.structured],
                    body: ByteBuffer(string: body))
                #expect(reply.status == .ok)
            }
            let text = try await tail.text { $0.contains("/a/1") }
            #expect(!text.contains("/b/1"))
            #expect(text.lowercased().contains("transfer-encoding: chunked"))
            try await tail.close()
        }
    }

    @Test func aStreamWithNothingToSayShowsLifeAndHowFarItIs() async throws {
        var limits = HTTPLimits()
        limits.keepAliveSeconds = 1
        let face = try TestFace(limits: limits)
        try await Self.onWire(face) { connection in
            try await connection.send(Self.publish("1"))
            _ = try await connection.text { $0.contains("]}") }
            try await connection.send("GET /v1/channels/storage/tail HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n")
            let text = try await connection.text { $0.components(of: ": listening") == 3 }
            #expect(text.components(of: ": listening\nid: 0:0\n\n") == 3)
        }
    }

    @Test func logsAreFollowed() async throws {
        let face = try TestFace()
        @Sendable func say(_ text: String) {
            let waiters = face.engine.state.withLock { state in
                state.logs.append(
                    LogEntry(
                        activation: "a", function: "f", line: .init(time: 1_000, stream: .stdout, text: text)))
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
        say("before")
        try await Self.onWire(face) { connection in
            try await connection.send("GET /v1/logs?follow=true HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n")
            _ = try await connection.text { $0.contains(": listening") }
            await waitUntil { face.engine.state.withLock { !$0.waiters.isEmpty } }
            say("after")
            let text = try await connection.text { $0.contains("after") }
            #expect(!text.contains("before"))
            #expect(text.contains("event: log\nid: 2\ndata: {"))
        }
    }

    @Test func aReaderWhoLeavesIsNoticed() async throws {
        let face = try TestFace()
        try await Self.onWire(face) { connection in
            try await connection.send("GET /v1/channels/storage/tail HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n")
            _ = try await connection.text { $0.contains(": listening") }
            await waitUntil { face.engine.state.withLock { !$0.waiters.isEmpty } }
            try await connection.close()
            // The wait for events is cancelled, and with it the stream.
            await waitUntil { face.engine.state.withLock { $0.waiters.isEmpty } }
        }
    }

    @Test func aServerThatStopsEndsItsStreams() async throws {
        let face = try TestFace()
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let application = face.face.application(
            host: "127.0.0.1", port: 0, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            onListening: { address in continuation.yield(address.port ?? 0) })
        let group = ServiceGroup(
            services: [application], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var iterator = ports.makeAsyncIterator()
            let connection = try await RawConnection(port: try #require(await iterator.next()))
            try await connection.send("GET /v1/channels/storage/tail HTTP/1.1\r\nhost: x\r\n\(Self.key)\r\n")
            _ = try await connection.text { $0.contains(": listening") }
            await group.triggerGracefulShutdown()
            let text = try await connection.textUntilClosed()
            #expect(text.hasSuffix("0\r\n\r\n"))
            try await tasks.waitForAll()
        }
    }
}

extension String {
    /// How often a text stands in this one.
    func components(of text: String) -> Int { ranges(of: text).count }
}
