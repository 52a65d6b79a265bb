import AsyncHTTPClient
import CloudEvents
import Foundation
import NIOCore
import NIOHTTP1

/// The HTTP API as the command sees it: JSON in, JSON out, problems as failures with an exit status.
struct APIClient: Sendable {
    let location: ServerLocation
    let namespace: String?
    private let client: HTTPClient

    /// Runs `body` with a client and closes the connections afterwards.
    static func with<Result: Sendable>(
        _ options: ServerOptions, _ body: @Sendable (APIClient) async throws -> Result
    ) async throws -> Result {
        let location = try ServerLocation.find(options)
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(5)
        let http = HTTPClient(configuration: configuration)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(
                try await body(APIClient(location: location, namespace: options.namespace, client: http)))
        } catch {
            outcome = .failure(error)
        }
        try? await http.shutdown()
        return try outcome.get()
    }

    /// One answer: status, body as it came, and some headers.
    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
        let contentType: String?
        let etag: String?

        func json() throws -> JSONValue {
            do {
                return body.isEmpty ? .null : try JSONValue(parsing: body)
            } catch {
                throw CommandFailure(.failure, "the server's answer is \(error)")
            }
        }
    }

    func get(_ path: String, _ query: [(String, String?)] = []) async throws -> JSONValue {
        try await call("GET", path, query).json()
    }

    /// Sends a request; an answer outside 2xx is thrown as a ``CommandFailure`` with the problem's words.
    func call(
        _ method: String, _ path: String, _ query: [(String, String?)] = [], headers: [(String, String)] = [],
        body: [UInt8]? = nil, timeout: TimeAmount = .seconds(60)
    ) async throws -> Answer {
        var request = request(method, path, query, headers: headers)
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await execute(request, timeout: timeout)
        let bytes = try await response.body.collect(upTo: 1 << 30)
        let answer = Answer(
            status: Int(response.status.code), body: Array(bytes.readableBytesView),
            contentType: response.headers.first(name: "content-type"), etag: response.headers.first(name: "etag"))
        guard (200..<300).contains(answer.status) else { throw APIClient.failure(answer, request.url) }
        return answer
    }

    /// Sends JSON.
    func send(
        _ method: String, _ path: String, _ query: [(String, String?)] = [], json: JSONValue,
        timeout: TimeAmount = .seconds(60)
    ) async throws -> JSONValue {
        try await call(
            method, path, query, headers: [("Content-Type", "application/json")], body: json.encoded(), timeout: timeout
        ).json()
    }

    /// All items of a paged list, page after page, at most `limit`.
    func list(_ path: String, _ query: [(String, String?)] = [], limit: Int = .max) async throws -> [JSONValue] {
        var items: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try await get(
                path, query + [("limit", String(min(1000, limit - items.count))), ("cursor", cursor)])
            items += page["items"]?.array ?? []
            cursor = page["next"]?.string
        } while cursor != nil && items.count < limit
        return items
    }

    /// Opens a stream of server-sent events and calls `body` with each event's name and data until the stream ends.
    func events(
        _ path: String, _ query: [(String, String?)],
        _ body: (_ event: String, _ id: String?, _ data: [UInt8]) throws -> Bool
    ) async throws {
        let request = request("GET", path, query, headers: [("Accept", "text/event-stream")])
        let response = try await execute(request, timeout: .hours(24 * 365))
        guard response.status.code == 200 else {
            let bytes = try await response.body.collect(upTo: 1 << 20)
            throw APIClient.failure(
                Answer(
                    status: Int(response.status.code), body: Array(bytes.readableBytesView), contentType: nil, etag: nil
                ),
                request.url)
        }
        var parser = EventStreamParser()
        for try await chunk in response.body {
            for event in parser.feed(chunk.readableBytesView) where try !body(event.name, event.id, event.data) {
                return
            }
        }
    }

    private func request(
        _ method: String, _ path: String, _ query: [(String, String?)], headers: [(String, String)]
    ) -> HTTPClientRequest {
        var url = location.url + path
        var separator = "?"
        for (name, value) in query + [("namespace", namespace)] {
            guard let value else { continue }
            url += separator + name + "=" + APIClient.escape(value)
            separator = "&"
        }
        var request = HTTPClientRequest(url: url)
        request.method = HTTPMethod(rawValue: method)
        if let key = location.key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        request.headers.add(name: "User-Agent", value: "weir")
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return request
    }

    private func execute(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse {
        do {
            return try await client.execute(request, timeout: timeout)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw CommandFailure(
                .unreachable, "no answer from \(location.url): \(error)",
                details: ["is the server running? `weir serve` starts one"])
        }
    }

    /// Percent-encodes for a path segment or a query value: everything but unreserved characters (RFC 3986 §2.3).
    static func escape(_ text: String) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
            default: out += [0x25, hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// A resource name in a path: function names may hold one slash.
    static func path(_ name: String) -> String {
        name.split(separator: "/", omittingEmptySubsequences: false).map { escape(String($0)) }.joined(separator: "/")
    }

    /// Turns a problem document (RFC 9457) into a failure that a person can act on.
    private static func failure(_ answer: Answer, _ url: String) -> CommandFailure {
        let status: ExitStatus =
            switch answer.status {
            case 401, 403: .denied
            case 404: .notFound
            case 409, 412: .conflict
            case 400, 413, 415, 422: .invalid
            default: .failure
            }
        guard let problem = try? JSONValue(parsing: answer.body), problem["title"] != nil || problem["detail"] != nil
        else {
            return CommandFailure(status, "the server answered \(answer.status) for \(url)")
        }
        let message = problem["detail"]?.string ?? problem["title"]?.string ?? "the server answered \(answer.status)"
        let details = (problem["errors"]?.array ?? []).compactMap { error -> String? in
            guard let text = error["message"]?.string else { return nil }
            let place =
                error["path"]?.string ?? error["attribute"]?.string ?? error["index"]?.integer.map { "event \($0)" }
            return place.map { $0.isEmpty ? text : "\($0): \(text)" } ?? text
        }
        return CommandFailure(status, message, details: details.filter { $0 != message })
    }
}
