import CloudEvents
import HTTPTypes
import Hummingbird
import NIOCore

/// Answers as the routes give them.
enum Answers {
    static func json(
        _ value: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields()
    ) -> Response {
        bytes(value.encoded(), type: "application/json", status: status, headers: headers)
    }

    static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
        bytes(Array(text.utf8), type: type, status: status)
    }

    static func bytes(
        _ bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields()
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        if headers[.cacheControl] == nil { headers[.cacheControl] = "no-store" }
        return Response(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func nothing() -> Response { Response(status: .noContent) }

    /// A page of a list: `{"items": […], "next": …}`, with the address of the next page also in `Link` (RFC 8288).
    static func page(_ page: Page<JSONValue>, of request: APIRequest) -> Response {
        var headers = HTTPFields()
        var document: JSONObject = ["items": .array(page.items)]
        if let next = page.next {
            document["next"] = .string(next)
            headers[.link] = "<\(request.address(cursor: next))>; rel=\"next\""
        }
        return json(.object(document), headers: headers)
    }
}

extension APIRequest {
    /// The address of this request with another cursor, as a reference without scheme and host.
    func address(cursor: String) -> String {
        let kept = rawQuery.split(separator: "&").filter { pair in
            PercentDecoding.query(pair.prefix { $0 != "=" }) != "cursor"
        }
        return "\(path)?" + (kept + ["cursor=\(PercentDecoding.encode(cursor))"]).joined(separator: "&")
    }
}

extension HTTPField.Name {
    static let link = HTTPField.Name("Link")!
}
