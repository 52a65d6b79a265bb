package import HTTPTypes

/// Why a request of the OpenWhisk API was not done: a status and a text that clients compare.
///
/// The texts are those of upstream (`common/scala/…/http/ErrorResponse.scala`), byte for byte, spelling included.
package struct WhiskError: Error, Sendable, Hashable {
    package var status: HTTPResponse.Status
    package var text: String
    package var headers: HTTPFields

    package init(_ status: HTTPResponse.Status, _ text: String, headers: HTTPFields = HTTPFields()) {
        self.status = status
        self.text = text
        self.headers = headers
    }

    static let notFound = WhiskError(.notFound, "The requested resource does not exist.")
    /// A path that leads nowhere, told apart from an entity that is not there.
    static let noSuchPath = WhiskError(.notFound, "The requested resource could not be found.")
    static let wrongCollection = WhiskError(
        .conflict, "Resource by this name exists but is not in this collection.")
    static let exists = WhiskError(.conflict, "resource already exists")
    static let concurrentChange = WhiskError(.conflict, "Concurrent modification to resource detected.")
    static let notAllowedOnBinding = WhiskError(.badRequest, "Operation not permitted on package binding.")
    static let parametersNotAllowed = WhiskError(
        .badRequest, "Request defines parameters that are not allowed (e.g., reserved properties).")
    static let notPublic = WhiskError(
        .forbidden, "The supplied authentication is not authorized to access this resource.")

    static func malformed(_ detail: String) -> WhiskError {
        WhiskError(.badRequest, "The request content was malformed:\n\(detail)")
    }

    static func badQuery(_ name: String, _ detail: String) -> WhiskError {
        WhiskError(.badRequest, "The query parameter '\(name)' was malformed:\n\(detail)")
    }

    static func forbidden(_ resources: [String]) -> WhiskError {
        let list = resources.map { "'\($0)'" }.joined(separator: ", ")
        return WhiskError(.forbidden, "The supplied authentication is not authorized to access \(list).")
    }

    static func tooLarge(_ field: String, _ size: Int, limit: Int) -> WhiskError {
        WhiskError(.contentTooLarge, "\(field) larger than allowed: \(size) > \(limit) bytes.")
    }

    static func unauthenticated(_ text: String) -> WhiskError {
        WhiskError(
            .unauthorized, text, headers: [.wwwAuthenticate: "Basic realm=\"OpenWhisk secure realm\", charset=UTF-8"])
    }

    static func methodNotAllowed(_ methods: [HTTPRequest.Method]) -> WhiskError {
        let list = methods.map(\.rawValue).joined(separator: ", ")
        return WhiskError(
            .methodNotAllowed, "HTTP method not allowed, supported methods: \(list)", headers: [.allow: list])
    }

    /// What the engine could not do, in this API's words.
    init(_ problem: Problem) {
        var headers = HTTPFields()
        headers[.retryAfter] = problem.headers[.retryAfter]
        headers[.connection] = problem.headers[.connection]
        switch problem.status {
        case .notFound: self = .notFound
        case .conflict, .preconditionFailed: self = .concurrentChange
        case .contentTooLarge:
            self.init(.contentTooLarge, problem.detail, headers: headers)
        case .unprocessableContent: self.init(.badRequest, problem.detail, headers: headers)
        default: self.init(problem.status, problem.detail, headers: headers)
        }
    }
}

/// Runs what the engine does and says its problems in this API's words.
func asking<Value>(_ body: () async throws(Problem) -> Value) async throws(WhiskError) -> Value {
    do throws(Problem) {
        return try await body()
    } catch {
        throw WhiskError(error)
    }
}
