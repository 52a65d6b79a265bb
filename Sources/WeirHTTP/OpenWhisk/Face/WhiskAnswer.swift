import CloudEvents
import HTTPTypes
import Hummingbird
import NIOCore

/// Answers in the form of the OpenWhisk API.
enum WhiskAnswer {
    static func json(
        _ value: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), pretty: Bool = false
    ) -> Response {
        bytes(
            pretty ? Array(value.prettyText().utf8) : value.encoded(), type: "application/json", status: status,
            headers: headers)
    }

    static func bytes(
        _ bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields()
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func empty(_ status: HTTPResponse.Status, headers: HTTPFields = HTTPFields()) -> Response {
        Response(status: status, headers: headers)
    }

    /// `{"error": text, "code": transaction}`: both must be there, or the command line takes it for a broken line.
    static func error(_ error: WhiskError, transaction: String, pretty: Bool = false) -> Response {
        json(
            ["error": .string(error.text), "code": .string(transaction)], status: error.status, headers: error.headers,
            pretty: pretty)
    }
}

/// Cross-origin headers (Fetch standard §3.2).
enum WhiskCORS {
    static let headers = "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"

    /// On everything of the API itself.
    static func add(to fields: inout HTTPFields) {
        fields[.accessControlAllowOrigin] = "*"
        fields[.accessControlAllowHeaders] = headers
        fields[.accessControlAllowMethods] = "GET, DELETE, POST, PUT, HEAD"
    }

    /// On what web actions answer, unless they do it themselves.
    static func addWeb(to fields: inout HTTPFields, asked: HTTPFields) {
        fields[.accessControlAllowOrigin] = "*"
        fields[.accessControlAllowMethods] = "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"
        fields[.accessControlAllowHeaders] = asked[.accessControlRequestHeaders] ?? headers
    }
}

extension HTTPField.Name {
    // Tokens (RFC 9110 §5.6.2), so that the initialiser cannot fail.
    static let whiskActivation = HTTPField.Name("x-openwhisk-activation-id")!
    static let requireWhiskAuth = HTTPField.Name("X-Require-Whisk-Auth")!
}
