import CloudEvents
import HTTPTypes
import Hummingbird

/// How the result of a web action becomes an answer; the suffix of its name says which.
enum WebProjection: String, CaseIterable {
    case http, json, html, svg, text

    /// The action's name without the suffix; one that is none of these is part of the name.
    static func split(_ name: String) -> (name: String, projection: WebProjection) {
        for projection in allCases where name.hasSuffix("." + projection.rawValue) {
            return (String(name.dropLast(projection.rawValue.count + 1)), projection)
        }
        return (name, .http)
    }

    func response(to record: WhiskRecord, accept: String?) throws(WhiskError) -> Response {
        let value: JSONValue
        switch record.outcome {
        case .success: value = record.value
        case .applicationError:
            guard let error = record.value["error"] else { throw Self.propertyNotFound }
            value = error
        case .developerError, .internalError:
            throw WhiskError(.badRequest, "There was an error processing your request.")
        }
        switch self {
        case .http: return try WebMessage(value).response(accept: accept)
        case .json:
            guard value.object != nil || value.array != nil else { throw Self.invalid("application/json") }
            return try Self.answer(Array(value.prettyText().utf8), "application/json", accept: accept)
        case .html:
            guard let text = Self.member(value, "html") else { throw Self.invalid("text/html") }
            return try Self.answer(Array(text.utf8), "text/html; charset=UTF-8", accept: accept)
        case .svg:
            guard let text = Self.member(value, "svg") else { throw Self.invalid("image/svg+xml") }
            return try Self.answer(Array(text.utf8), "image/svg+xml", accept: accept)
        case .text:
            return try Self.answer(
                Array(try Self.plain(value).utf8), "text/plain; charset=UTF-8", accept: accept)
        }
    }

    static let propertyNotFound = WhiskError(.notFound, "Response does not include requested property.")

    static func invalid(_ type: String) -> WhiskError {
        WhiskError(.badRequest, "Response is not valid '\(type)'.")
    }

    /// An answer that the client's `Accept` does not exclude.
    static func answer(
        _ bytes: [UInt8], _ type: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(),
        accept: String?
    ) throws(WhiskError) -> Response {
        if let accept, !ContentNegotiation.accepts(accept, anyOf: [ContentNegotiation.essence(type)]) {
            throw WhiskError(
                .notAcceptable, "Resource representation is only available with these types:\n\(type)")
        }
        return WhiskAnswer.bytes(bytes, type: type, status: status, headers: headers)
    }

    /// `body`, or the member of the projection's name, or a plain text.
    private static func member(_ value: JSONValue, _ name: String) -> String? {
        guard let object = value.object else { return value.string }
        return (object["body"] ?? object[name])?.string
    }

    private static func plain(_ value: JSONValue) throws(WhiskError) -> String {
        let found: JSONValue
        if let object = value.object {
            guard let member = object["body"] ?? object["text"] else { throw propertyNotFound }
            found = member
        } else {
            found = value
        }
        switch found {
        case .string(let text): return text
        case .object, .array: return found.prettyText()
        default: return found.text
        }
    }
}

/// A result that describes a whole HTTP answer: `headers`, `statusCode`, `body`.
struct WebMessage {
    private var status: HTTPResponse.Status?
    private var headers = HTTPFields()
    private var contentType: String?
    private var body: JSONValue?

    private static let invalid = WebProjection.invalid("message/http")
    private static let mismatch = WhiskError(
        .badRequest, "Response type in header did not match generated content type.")
    /// Fields that belong to the connection or to the server.
    private static let kept: Set<String> = [
        "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "trailer", "te", "date", "server",
    ]

    init(_ value: JSONValue) throws(WhiskError) {
        guard let object = value.object else { throw Self.invalid }
        if let fields = object["headers"] {
            guard let fields = fields.object else { throw Self.invalid }
            for field in fields.members { try add(field.name, field.value) }
        }
        if let code = object["statusCode"] {
            guard let number = code.integer ?? code.string.flatMap({ Int64($0) }), (200...599).contains(number) else {
                throw Self.invalid
            }
            status = HTTPResponse.Status(code: Int(number))
        }
        if let body = object["body"], body != .null, body != .string("") { self.body = body }
    }

    private mutating func add(_ name: String, _ value: JSONValue) throws(WhiskError) {
        let text: String
        switch value {
        case .string(let string): text = string
        case .bool, .integer, .number: text = value.text
        case .array(let values):
            for value in values { try add(name, value) }
            return
        default: throw Self.invalid
        }
        guard let field = HTTPField.Name(name), HTTPField.isValidValue(text) else { throw Self.invalid }
        if field == .contentType {
            contentType = contentType ?? text
        } else if !Self.kept.contains(field.canonicalName) {
            headers.append(HTTPField(name: field, value: text))
        }
    }

    func response(accept: String?) throws(WhiskError) -> Response {
        guard let body else { return WhiskAnswer.empty(status ?? .noContent, headers: headers) }
        if let contentType, !MediaKind.isType(contentType) {
            throw WhiskError(.badRequest, "Response did not specify a known content-type.")
        }
        guard let text = body.string else {
            let type = contentType ?? "application/json"
            let essence = ContentNegotiation.essence(type)
            guard MediaKind.isJSON(essence) else { throw Self.mismatch }
            return try answer(
                Array(body.prettyText().utf8), essence == "application/json" ? essence : "\(essence); charset=UTF-8",
                accept)
        }
        let type = contentType ?? "text/html"
        let essence = ContentNegotiation.essence(type)
        if MediaKind.isBinary(type) {
            guard let bytes = Base64.decode(text.utf8) else { throw Self.mismatch }
            return try answer(bytes, type, accept)
        }
        // A text that reads as Base64 was once how JSON was handed back, and still is.
        let bytes = MediaKind.isJSON(essence) ? Base64.decode(text.utf8) ?? Array(text.utf8) : Array(text.utf8)
        let hasCharset = essence == "application/json" || ContentNegotiation.parameter("charset", of: type) != nil
        return try answer(bytes, hasCharset ? type : "\(type); charset=UTF-8", accept)
    }

    private func answer(_ bytes: [UInt8], _ type: String, _ accept: String?) throws(WhiskError) -> Response {
        try WebProjection.answer(bytes, type, status: status ?? .ok, headers: headers, accept: accept)
    }
}
