package import CloudEvents
package import HTTPTypes

/// Why a request was not done: the problem details of RFC 9457.
package struct Problem: Error, Sendable, Hashable {
    /// One thing that is wrong with what was sent, and where.
    package struct Fault: Sendable, Hashable {
        package enum Place: Sendable, Hashable {
            /// A place in a document: `delivery.retry.attempts`.
            case path(String)
            /// An attribute of the one event that was sent.
            case attribute(String)
            /// An event of a batch, from 0, and, when it is one attribute's fault, which.
            case event(index: Int, attribute: String?)
            /// A query parameter or a header.
            case parameter(String)
            case header(String)
            /// Line and column of a text, from 1.
            case position(line: Int, column: Int)
        }

        package var place: Place
        package var message: String

        package init(_ place: Place, _ message: String) {
            self.place = place
            self.message = message
        }
    }

    package var status: HTTPResponse.Status
    /// For programs: `not-found`, `unknown-parameter` …; also the end of the `type`.
    package var code: String
    /// A sentence for the person who must act.
    package var detail: String
    package var errors: [Fault]
    /// Header fields that belong to the answer: `Allow`, `Retry-After`, `WWW-Authenticate`.
    package var headers: HTTPFields

    package init(
        _ status: HTTPResponse.Status, _ code: String, _ detail: String, errors: [Fault] = [],
        headers: HTTPFields = HTTPFields()
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers
    }

    /// The JSON document; `instance` is the request's id, so that it can be found in the log.
    package func document(instance: String?) -> JSONObject {
        var document: JSONObject = [
            "type": .string("urn:weir:problem:\(code)"),
            "title": .string(status.reasonPhrase),
            "status": .integer(Int64(status.code)),
            "code": .string(code),
            "detail": .string(detail),
        ]
        document["instance"] = instance.map { .string("urn:request:\($0)") }
        if !errors.isEmpty { document["errors"] = .array(errors.map { .object($0.document) }) }
        return document
    }
}

extension Problem.Fault {
    var document: JSONObject {
        var document = JSONObject()
        switch place {
        case .path(let path): document["path"] = .string(path)
        case .attribute(let name): document["attribute"] = .string(name)
        case .event(let index, let attribute):
            document["index"] = .integer(Int64(index))
            document["attribute"] = attribute.map { .string($0) }
        case .parameter(let name): document["parameter"] = .string(name)
        case .header(let name): document["header"] = .string(name)
        case .position(let line, let column):
            document["line"] = .integer(Int64(line))
            document["column"] = .integer(Int64(column))
        }
        document["message"] = .string(message)
        return document
    }
}
