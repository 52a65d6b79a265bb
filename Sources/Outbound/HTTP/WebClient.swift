package import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL

/// Why something outside could not be reached, or did not answer as it must.
package struct OutboundError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable { case configuration, unreachable, refused, badAnswer }
    package let code: Code
    /// A sentence that names the other side and says what to do.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// One request.
package struct WebRequest: Sendable {
    package var method: String
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]?

    package init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// One answer.
package struct WebResponse: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package subscript(header: String) -> String? {
        headers.first { $0.name.lowercased() == header.lowercased() }?.value
    }
}

/// An answer whose body is read as it comes.
package struct WebStream: Sendable {
    package var head: WebResponse
    let body: HTTPClientResponse.Body

    /// Calls `take` with each piece until the body ends, or `take` says that it is enough.
    package func forEach(_ take: ([UInt8]) async throws -> Bool) async throws {
        for try await piece in body where !(try await take(Array(piece.readableBytesView))) { return }
    }

    /// The rest of the body, at most so many bytes.
    package func rest(_ limit: Int) async -> [UInt8] {
        guard let buffer = try? await body.collect(upTo: limit) else { return [] }
        return Array(buffer.readableBytesView)
    }
}

/// Sends requests; ``shutdown()`` must be called at the end.
package struct WebClient: Sendable {
    private let client: HTTPClient
    private let isOwn: Bool

    /// Uses another's connections, and leaves them to it.
    package init(sharing client: HTTPClient) {
        self.client = client
        isOwn = false
    }

    /// - Parameters:
    ///   - idle: how long an answer may say nothing before the connection counts as dead; milliseconds.
    package init(tls: TLSSpec = TLSSpec(), connect: Int64 = 10_000, idle: Int64 = 60_000) throws(OutboundError) {
        var configuration = HTTPClient.Configuration()
        if !tls.isDefault { configuration.tlsConfiguration = try tls.configuration() }
        configuration.timeout = .init(connect: .milliseconds(connect), read: .milliseconds(idle))
        // A redirect could lead anywhere, and a credential with it; whoever asks looks at the answer itself.
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        isOwn = true
    }

    package func shutdown() async { if isOwn { try? await client.shutdown() } }

    /// Sends a request and reads the whole answer.
    ///
    /// - Throws: ``OutboundError`` (`unreachable`) when there was no answer; a status of any kind is an answer.
    package func send(
        _ request: WebRequest, timeout: Int64 = 60_000, limit: Int = 64 << 20
    ) async throws -> WebResponse {
        do {
            let response = try await client.execute(made(request), timeout: .milliseconds(timeout))
            let body = try await response.body.collect(upTo: limit)
            return WebResponse(
                status: Int(response.status.code), headers: response.headers.map { ($0.name, $0.value) },
                body: Array(body.readableBytesView))
        } catch {
            throw failure(error, request)
        }
    }

    /// Sends a request whose answer goes on for as long as it likes.
    package func open(_ request: WebRequest) async throws -> WebStream {
        do {
            let response = try await client.execute(made(request), deadline: .distantFuture)
            let head = WebResponse(
                status: Int(response.status.code), headers: response.headers.map { ($0.name, $0.value) }, body: [])
            return WebStream(head: head, body: response.body)
        } catch {
            throw failure(error, request)
        }
    }

    private func made(_ request: WebRequest) -> HTTPClientRequest {
        var made = HTTPClientRequest(url: request.url)
        made.method = HTTPMethod(rawValue: request.method)
        for header in request.headers { made.headers.add(name: header.name, value: header.value) }
        if let body = request.body { made.body = .bytes(ByteBuffer(bytes: body)) }
        return made
    }

    private func failure(_ error: any Error, _ request: WebRequest) -> any Error {
        if error is CancellationError || Task.isCancelled { return CancellationError() }
        // A token in the query must not end up in logs.
        let place = request.url.prefix { $0 != "?" }
        return OutboundError(.unreachable, "\(request.method) \(place): \(error)")
    }
}
