import CloudEvents
import HTTPTypes

/// The body of a call to a web action.
enum WebBody {
    case none
    /// An object that is laid over the query.
    case members(JSONObject)
    /// Anything else: goes to `__ow_body`.
    case opaque(JSONValue)

    /// - Throws: 400 for JSON that is none.
    init(_ bytes: [UInt8], type: String?, isRaw: Bool) throws(WhiskError) {
        guard !bytes.isEmpty else {
            self = .none
            return
        }
        let essence = type.map(ContentNegotiation.essence) ?? "application/octet-stream"
        if !isRaw, MediaKind.isJSON(essence) {
            do throws(JSONError) {
                let value = try JSONValue(parsing: bytes)
                if case .object(let object) = value { self = .members(object) } else { self = .opaque(value) }
            } catch {
                throw .malformed("\(error)")
            }
        } else if !isRaw, essence == "application/x-www-form-urlencoded" {
            self = .members(try WhiskQuery(Substring(String(decoding: bytes, as: UTF8.self))).object)
        } else if essence == "application/json" || MediaKind.isBinary(type ?? essence) {
            // Upstream hands JSON to raw actions in Base64, and they know it.
            self = .opaque(.string(Base64.encode(bytes)))
        } else {
            self = .opaque(.string(String(decoding: bytes, as: UTF8.self)))
        }
    }
}

/// The arguments of a web action: what the caller gave, and what the request was.
struct WebArguments {
    static let reserved = ["__ow_method", "__ow_headers", "__ow_path", "__ow_user", "__ow_query", "__ow_body"]

    /// Query and, over it, body.
    var given = JSONObject()
    /// The request itself; nothing that the caller gives may stand in its place.
    var context: JSONObject

    init(
        head: HTTPRequest, query: WhiskQuery, rest: String, user: String?, body: WebBody, isRaw: Bool,
        keepsAuthorization: Bool
    ) {
        let own = head.headerFields[.authorization]?.lowercased().hasPrefix("basic ") ?? false
        context = [
            "__ow_method": .string(head.method.rawValue.lowercased()),
            "__ow_headers": .object(
                WhiskRequest.actionHeaders(head, keepingAuthorization: keepsAuthorization && !own)),
            "__ow_path": .string(rest),
        ]
        context["__ow_user"] = user.map { .string($0) }
        if isRaw {
            context["__ow_query"] = .string(String(query.raw))
            context["__ow_body"] = ""
        } else {
            given = query.object
        }
        switch body {
        case .none: break
        case .members(let members):
            // Raw bodies are never taken apart.
            given = given.overlaid(with: members)
        case .opaque(let value): context["__ow_body"] = value
        }
    }
}

/// What is known of media types: whether their bytes are text.
enum MediaKind {
    static func isJSON(_ essence: String) -> Bool { essence == "application/json" || essence.hasSuffix("+json") }

    /// A type that is not known and names no charset counts as binary, as in the library that upstream stands on.
    static func isBinary(_ type: String) -> Bool {
        let essence = ContentNegotiation.essence(type)
        if essence.hasPrefix("text/") || isJSON(essence) || text.contains(essence) { return false }
        return ContentNegotiation.parameter("charset", of: type) == nil
    }

    private static let text: Set<String> = [
        "application/atom+xml", "application/javascript", "application/x-javascript", "application/rss+xml",
        "application/soap+xml", "application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml",
        "application/xml-dtd", "application/graphql",
    ]

    /// Whether a text reads as a media type: `type/subtype`, each a token (RFC 9110 §8.3.1).
    static func isType(_ text: String) -> Bool {
        let halves = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
        return halves.count == 2
            && halves.allSatisfy { half in
                let token = half.filter { $0 != " " && $0 != "\t" }
                return !token.isEmpty && HTTPField.Name(String(token)) != nil
            }
    }
}
