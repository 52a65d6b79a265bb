package import CloudEvents
package import HTTPTypes
import Hummingbird
import Manifest
import NIOCore

/// A request that has passed the choke point: who asks is known and may, path and query are decoded and checked.
package struct APIRequest: Sendable {
    package let id: String
    package let route: Route
    package let head: HTTPRequest
    package let query: QueryValues
    /// Who asks; on an open route nobody in particular.
    package let caller: Caller
    package let namespace: String
    /// Which events may be read.
    package let scope: ReadScope
    /// Milliseconds since 1970 when it came.
    package let now: Int64
    /// The gaps of the path, decoded.
    let parameters: [String: String]
    let rawQuery: Substring
    let body: RequestBody
    let sendContinue: @Sendable () async -> Void

    package var headers: HTTPFields { head.headerFields }
    package var path: Substring { (head.path ?? "/")[...].prefix { $0 != "?" } }

    /// A gap of the path; the table only routes here when it is filled.
    package func parameter(_ name: String) -> String { parameters[name] ?? "" }

    /// The body's media type without its parameters, in lower case; `nil` when absent.
    package var contentType: String? { headers[.contentType].map(ContentNegotiation.essence) }

    package func page() throws(Problem) -> PageRequest {
        PageRequest(limit: try query.integer("limit", in: 1...1000) ?? 100, cursor: query.text("cursor"))
    }

    /// Reads the whole body, but no more than `limit` bytes.
    package func collectBody(limit: Int) async throws(Problem) -> [UInt8] {
        if let text = headers[.contentLength], let length = Int(text), length > limit {
            throw Problem.tooLarge(limit: limit)
        }
        if headers[.expect]?.lowercased() == "100-continue" { await sendContinue() }
        var bytes: [UInt8] = []
        do {
            for try await buffer in body {
                guard bytes.count + buffer.readableBytes <= limit else { throw Problem.tooLarge(limit: limit) }
                bytes.append(contentsOf: buffer.readableBytesView)
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            // The connection broke or its framing is wrong; whoever still listens is told.
            throw Problem(
                .badRequest, "incomplete-body", "the body ended before it was whole", headers: [.connection: "close"])
        }
        return bytes
    }

    /// The body as JSON.
    package func json(limit: Int) async throws(Problem) -> JSONValue {
        try Self.parse(try await collectBody(limit: limit))
    }

    /// The body as a JSON object; an absent one is empty when `isOptional`.
    package func object(limit: Int, isOptional: Bool = false) async throws(Problem) -> JSONObject {
        let bytes = try await collectBody(limit: limit)
        if bytes.isEmpty, isOptional { return JSONObject() }
        guard case .object(let object) = try Self.parse(bytes) else {
            throw Problem(.badRequest, "invalid-document", "the body must be a JSON object")
        }
        return object
    }

    static func parse(_ bytes: [UInt8]) throws(Problem) -> JSONValue {
        guard !bytes.isEmpty else {
            throw Problem(.badRequest, "missing-body", "a JSON document is expected as the body, and it is empty")
        }
        do throws(JSONError) {
            return try JSONValue(parsing: bytes)
        } catch {
            throw Problem(error)
        }
    }
}

extension HTTPField.Name {
    // Both are tokens (RFC 9110 §5.6.2), so the initialiser cannot fail.
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
