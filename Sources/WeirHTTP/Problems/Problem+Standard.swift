package import CloudEvents
import HTTPTypes
package import Manifest

extension Problem {
    package static func notFound(_ what: String, _ name: String) -> Problem {
        Problem(.notFound, "not-found", "there is no \(what) \"\(name)\"")
    }

    package static func unauthenticated(_ detail: String) -> Problem {
        Problem(.unauthorized, "unauthenticated", detail, headers: [.wwwAuthenticate: "Bearer realm=\"weir\""])
    }

    package static func forbidden(_ detail: String) -> Problem {
        Problem(.forbidden, "forbidden", detail)
    }

    package static func conflict(_ detail: String) -> Problem {
        Problem(.conflict, "conflict", detail)
    }

    /// The server cannot do it now; whoever asks may come again after so many seconds.
    package static func unavailable(_ detail: String, retryAfter seconds: Int = 1) -> Problem {
        Problem(.serviceUnavailable, "unavailable", detail, headers: [.retryAfter: "\(seconds)"])
    }

    package static func internalError(_ detail: String) -> Problem {
        Problem(.internalServerError, "internal-error", detail)
    }

    /// A document that says something it may not.
    package init(_ error: DocumentError) {
        self.init(
            .unprocessableContent, "invalid-document", error.description,
            errors: [Fault(.path(error.path), error.message)])
    }

    /// A text that is not JSON.
    package init(_ error: JSONError) {
        self.init(
            .badRequest, "invalid-json", "the body is \(error.description)",
            errors: [Fault(.position(line: error.line, column: error.column), error.reason)])
    }

    static func tooLarge(limit: Int, closing: Bool = true) -> Problem {
        var headers = HTTPFields()
        // The rest of the body is not read, so the connection cannot go on.
        if closing { headers[.connection] = "close" }
        return Problem(
            .contentTooLarge, "too-large", "the body is larger than \(Quantity.text(bytes: Int64(limit)))",
            headers: headers)
    }

    static func badParameter(_ name: String, _ message: String) -> Problem {
        Problem(
            .badRequest, "invalid-parameter", "the query parameter \"\(name)\": \(message)",
            errors: [Fault(.parameter(name), message)])
    }

    static func badHeader(_ name: String, _ message: String) -> Problem {
        Problem(
            .badRequest, "invalid-header", "the header \(name): \(message)", errors: [Fault(.header(name), message)])
    }
}
