package import HTTPTypes
package import Hummingbird

/// What a route asks the access control before its handler runs. There is no default: whoever adds a route says it.
package enum RouteAccess: Sendable, Hashable {
    /// Anyone may, without a key: only what says nothing about anybody's data.
    case open
    /// The handler checks a proof that came along: a webhook's secret. Its senders have no keys.
    case proven
    case needs(AccessAction, AccessTarget)
}

/// One method on one path: what it needs, what it does, and what the OpenAPI document says of it.
package struct Route: Sendable {
    package typealias Handler = @Sendable (APIRequest) async throws(Problem) -> Response

    package let method: HTTPRequest.Method
    package let pattern: RoutePattern
    package let access: RouteAccess
    package let documentation: RouteDocumentation
    package let handler: Handler

    package init(
        _ method: HTTPRequest.Method, _ pattern: String, access: RouteAccess, _ documentation: RouteDocumentation,
        handler: @escaping Handler
    ) {
        self.method = method
        self.pattern = RoutePattern(pattern)
        self.access = access
        self.documentation = documentation
        self.handler = handler
    }

    /// The query parameters that it knows; every route that asks for access knows `namespace`.
    package var query: [QueryParameter] {
        access == .open || access == .proven || documentation.query.contains(.namespace)
            ? documentation.query : documentation.query + [.namespace]
    }
}

/// What the OpenAPI document says of a route; what it accepts and produces is also enforced.
package struct RouteDocumentation: Sendable {
    /// A body that is expected.
    package struct Body: Sendable {
        /// Media types; `*/*` takes anything.
        package var types: [String]
        /// A name in ``Schemas``.
        package var schema: String
        package var isRequired: Bool

        package init(_ schema: String, types: [String] = ["application/json"], isRequired: Bool = true) {
            self.types = types
            self.schema = schema
            self.isRequired = isRequired
        }
    }

    /// One good answer.
    package struct Answer: Sendable {
        package var status: HTTPResponse.Status
        package var summary: String
        /// A name in ``Schemas``; `nil`: no body.
        package var schema: String?
        package var type: String

        package init(
            _ status: HTTPResponse.Status, _ summary: String, _ schema: String? = nil, type: String = "application/json"
        ) {
            self.status = status
            self.summary = summary
            self.schema = schema
            self.type = type
        }
    }

    package var id: String
    package var tag: String
    package var summary: String
    package var query: [QueryParameter]
    package var body: Body?
    package var answers: [Answer]
    /// The problems it answers with, beside those of every route.
    package var problems: [HTTPResponse.Status]

    package init(
        _ id: String, tag: String, _ summary: String, query: [QueryParameter] = [], body: Body? = nil,
        answers: [Answer], problems: [HTTPResponse.Status] = []
    ) {
        self.id = id
        self.tag = tag
        self.summary = summary
        self.query = query
        self.body = body
        self.answers = answers
        self.problems = problems
    }
}
