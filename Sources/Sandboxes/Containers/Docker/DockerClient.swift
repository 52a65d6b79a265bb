internal import AsyncHTTPClient
internal import CloudEvents
internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// The HTTP API of a container daemon on its unix socket: Docker's, and Podman's service, which speaks it too.
struct DockerClient: Sendable {
    let http: HTTPClient
    /// The path of the socket.
    let socket: String

    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
        var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
        /// The daemon's own words about a failure.
        var message: String {
            json["message"]?.string ?? String(decoding: body.prefix(500), as: UTF8.self)
        }
    }

    /// The largest answer that is collected; lists of containers are the largest.
    private static let largestAnswer = 16 << 20

    static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        // Each running container holds a connection for its log.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 8_192
        return configuration
    }

    /// One request with its whole answer.
    func call(
        _ method: HTTPMethod, _ path: String, _ query: [(String, String)] = [], json: JSONValue? = nil,
        headers: [(String, String)] = [], timeout: TimeAmount = .seconds(60)
    ) async throws(ContainerError) -> Answer {
        var request = request(method, path, query, headers)
        if let json {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: json.encoded()))
        }
        do {
            let response = try await http.execute(request, timeout: timeout)
            let body = try await response.body.collect(upTo: Self.largestAnswer)
            return Answer(status: Int(response.status.code), body: Array(body.readableBytesView))
        } catch {
            throw unreachable(error)
        }
    }

    /// A request whose answer goes on for as long as it takes.
    func open(
        _ method: HTTPMethod, _ path: String, _ query: [(String, String)] = [], headers: [(String, String)] = [],
        body: HTTPClientRequest.Body? = nil, deadline: NIODeadline = .distantFuture
    ) async throws(ContainerError) -> HTTPClientResponse {
        var request = request(method, path, query, headers)
        request.body = body
        do {
            return try await http.execute(request, deadline: deadline)
        } catch {
            throw unreachable(error)
        }
    }

    /// Why a stream was refused, in the daemon's words.
    func message(_ response: HTTPClientResponse) async -> String {
        let body = try? await response.body.collect(upTo: 1 << 16)
        let answer = Answer(status: Int(response.status.code), body: body.map { Array($0.readableBytesView) } ?? [])
        return answer.message.isEmpty ? "\(response.status)" : answer.message
    }

    /// Reads a stream of JSON lines, as pulls and builds write it, to its end.
    ///
    /// - Parameter line: is given each; what it throws ends the reading.
    func readLines(
        _ response: HTTPClientResponse, _ line: (JSONValue) throws(ContainerError) -> Void
    ) async throws(ContainerError) {
        var rest = ByteBuffer()
        do {
            for try await chunk in response.body {
                rest.writeImmutableBuffer(chunk)
                guard rest.readableBytes <= Self.largestAnswer else {
                    throw ContainerError(.unavailable, "the container daemon writes a line without end")
                }
                while let end = rest.readableBytesView.firstIndex(of: 0x0A) {
                    let bytes = Array(rest.readableBytesView[..<end])
                    rest.moveReaderIndex(to: end + 1)
                    if let value = try? JSONValue(parsing: bytes) { try line(value) }
                }
                rest.discardReadBytes()
            }
        } catch let error as ContainerError {
            throw error
        } catch {
            throw unreachable(error)
        }
        if let value = try? JSONValue(parsing: Array(rest.readableBytesView)) { try line(value) }
    }

    private func request(
        _ method: HTTPMethod, _ path: String, _ query: [(String, String)], _ headers: [(String, String)]
    ) -> HTTPClientRequest {
        var address = URLComponents()
        address.path = path
        if !query.isEmpty { address.queryItems = query.map { URLQueryItem(name: $0.0, value: $0.1) } }
        // In a query a plus sign would be read as a blank.
        let target = (address.string ?? path).replacingOccurrences(of: "+", with: "%2B")
        let host = socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? socket
        var request = HTTPClientRequest(url: "http+unix://\(host)\(target)")
        request.method = method
        // A socket has no name, and the daemon insists on one.
        request.headers.add(name: "Host", value: "localhost")
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return request
    }

    private func unreachable(_ error: any Error) -> ContainerError {
        ContainerError(.unavailable, "the container daemon at \(socket) does not answer: \(error)")
    }
}
