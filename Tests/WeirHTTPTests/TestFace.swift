import CloudEvents
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypesHTTP1
import NIOPosix
import Testing

@testable import WeirHTTP

/// A face over a fake engine, asked through its front door.
struct TestFace {
    let engine = FakeEngine()
    let access = FakeAccess()
    let face: HTTPFace

    /// 2026-03-01T12:00:00Z.
    static let now: Int64 = 1_772_366_400_000

    init(limits: HTTPLimits = HTTPLimits()) throws {
        face = try HTTPFace(engine: engine, access: access, limits: limits, now: { Self.now })
    }

    var application: Application<Responder> {
        face.application(
            host: "127.0.0.1", port: 0, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
    }

    /// A connection in a time that the test makes; nobody stands above the face's own handlers.
    func testingChannel() async throws -> NIOAsyncTestingChannel {
        let channel = NIOAsyncTestingChannel()
        try await channel.testingEventLoop.executeInContext {
            // As Hummingbird has it.
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false)
            try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            for handler in face.handlers(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
        return channel
    }

    /// One request to the routes alone.
    func send(
        _ method: HTTPRequest.Method, _ uri: String, key: String? = "admin", headers: HTTPFields = HTTPFields(),
        type: String? = nil, body: String? = nil
    ) async throws -> Reply {
        var headers = headers
        if let key { headers[.authorization] = "Bearer \(key)" }
        headers[.contentType] = type ?? (body == nil ? nil : "application/json")
        let fields = headers
        return try await application.test(.router) { client in
            try await client.execute(
                uri: uri, method: method, headers: fields, body: body.map { ByteBuffer(string: $0) }
            ) { Reply($0) }
        }
    }
}

/// An answer, ready to be looked at.
struct Reply {
    let status: Int
    let headers: HTTPFields
    let text: String

    init(_ response: TestResponse) {
        status = response.status.code
        headers = response.headers
        text = String(buffer: response.body)
    }

    var json: JSONValue { (try? JSONValue(parsing: text)) ?? .null }
    var code: String? { json["code"]?.string }
    var detail: String? { json["detail"]?.string }
    /// The faults as one text, to compare with.
    var faults: String? { json["errors"]?.text }
}
