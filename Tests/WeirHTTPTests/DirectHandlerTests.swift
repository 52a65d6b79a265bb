import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import WeirHTTP

@Suite(.timeLimit(.minutes(1))) struct DirectHandlerTests {
    /// The server ends while a request comes in: that one is answered, with the word that the connection ends; what stands
    /// behind it is not done, for its client will ask again elsewhere (RFC 9112 §9.6).
    @Test func nothingIsDoneBehindAnAnswerThatSaysClose() async throws {
        let face = try TestFace()
        let count = face.face.metrics.counter("direct", "")
        let channel = NIOAsyncTestingChannel()
        try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.addHandler(
                DirectHandler(
                    responder: face.face.responder, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    count: count))
        }
        let head = HTTPRequestPart.head(
            HTTPRequest(
                method: .post, scheme: "http", authority: "x", path: "/v1/functions/checksum/invoke",
                headerFields: [.authorization: "Bearer admin"]))
        try await channel.writeInbound(head)
        try await channel.testingEventLoop.executeInContext {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        try await channel.testingEventLoop.executeInContext {
            for part in [HTTPRequestPart.end(nil), head, .end(nil)] { channel.pipeline.fireChannelRead(part) }
        }
        var parts: [HTTPResponsePart] = []
        while parts.last != .end(nil) {
            parts.append(try await channel.waitForOutboundWrite(as: HTTPResponsePart.self))
        }
        guard case .head(let answer) = parts[0] else {
            Issue.record("\(parts)")
            return
        }
        #expect(answer.status == .accepted && answer.headerFields[.connection] == "close")
        #expect(count.value == 1)
        _ = try await channel.finish()
    }
}
