import CloudEvents
import HTTPTypes
import Hummingbird

/// A request of the OpenWhisk API whose sender is known.
struct WhiskRequest: Sendable {
    let head: HTTPRequest
    let body: RequestBody
    let query: WhiskQuery
    /// The transaction id: the caller's own `X-Request-ID`, or a new one.
    let transaction: String
    let caller: Caller
    /// The namespace of the path, `_` replaced.
    let namespace: String
    let sendContinue: @Sendable () async -> Void

    var headers: HTTPFields { head.headerFields }
    /// Whether the path is of the caller's own namespace, or the caller may act on it as on its own.
    let isOwn: Bool

    /// Reads the whole body, but no more than `limit` bytes.
    func collect(limit: Int, field: String = "Request") async throws(WhiskError) -> [UInt8] {
        if let text = headers[.contentLength], let length = Int(text), length > limit {
            throw .tooLarge(field, length, limit: limit)
        }
        if headers[.expect]?.lowercased() == "100-continue" { await sendContinue() }
        var bytes: [UInt8] = []
        do {
            for try await buffer in body {
                bytes.append(contentsOf: buffer.readableBytesView)
                guard bytes.count <= limit else { throw WhiskError.tooLarge(field, bytes.count, limit: limit) }
            }
        } catch let error as WhiskError {
            throw error
        } catch {
            throw WhiskError(
                .badRequest, "The request body ended before it was whole.", headers: [.connection: "close"])
        }
        return bytes
    }

    /// The body of a PUT: a JSON object, which must be there.
    func object(limit: Int) async throws(WhiskError) -> JSONObject {
        try checkType()
        let bytes = try await collect(limit: limit)
        guard !bytes.isEmpty else { throw .malformed("Unexpected end-of-input: the body is empty") }
        return try Self.object(bytes)
    }

    /// The payload of a call: a JSON object, or nothing.
    func payload(limit: Int) async throws(WhiskError) -> JSONObject {
        let bytes = try await collect(limit: limit)
        guard !Self.isBlank(bytes) else { return JSONObject() }
        try checkType()
        return try Self.object(bytes)
    }

    /// Whether there is nothing but white space.
    static func isBlank(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }

    /// Whether a body is read as JSON: one that says no type is.
    static func isJSON(_ headers: HTTPFields) -> Bool {
        guard let type = headers[.contentType].map(ContentNegotiation.essence), !type.isEmpty else { return true }
        return type == "application/json" || type.hasSuffix("+json")
    }

    /// A body of another type is not read.
    private func checkType() throws(WhiskError) {
        guard Self.isJSON(headers) else {
            throw WhiskError(
                .unsupportedMediaType,
                "The request's Content-Type is not supported. Expected:\napplication/json",
                headers: [.accept: "application/json"])
        }
    }

    static func object(_ bytes: [UInt8]) throws(WhiskError) -> JSONObject {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw .malformed("\(error)")
        }
        guard let object = value.object else { throw .malformed("Object expected, not \(value.kindName)") }
        return object
    }

    /// The headers as actions see them: names in lower case, and no credentials, which nobody asked for.
    func actionHeaders() -> JSONObject { Self.actionHeaders(head) }

    static func actionHeaders(_ head: HTTPRequest, keepingAuthorization: Bool = false) -> JSONObject {
        var members = JSONObject()
        members["host"] = head.authority.map { .string($0) }
        for field in head.headerFields {
            let name = field.name.canonicalName
            if secret.contains(name), !(keepingAuthorization && name == "authorization") { continue }
            // Several fields of one name are one list (RFC 9110 §5.3).
            let value = members[name]?.string.map { "\($0), \(field.value)" } ?? field.value
            members[name] = .string(value)
        }
        return members
    }

    private static let secret: Set<String> = ["authorization", "proxy-authorization", "x-require-whisk-auth"]
}
