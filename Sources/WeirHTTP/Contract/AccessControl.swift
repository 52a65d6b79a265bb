/// The one authorisation point: who is asking, may they, and which events may they see.
///
/// The face asks it exactly once for every request, before the route's handler runs. A route cannot be registered
/// without saying what it needs (``RouteAccess``), so none can forget to ask.
package protocol AccessControl: Sendable {
    /// Finds out who is asking.
    ///
    /// - Throws: ``Problem/unauthenticated(_:)`` when there are no credentials or they are not valid.
    func authenticate(_ credentials: Credentials) async throws(Problem) -> Caller

    /// Decides whether a caller may do this, and which events they then see.
    func authorize(_ caller: Caller, _ request: AccessRequest) async -> AccessDecision

    /// Both at once for who is known without waiting: the caller, when what it asks for is allowed. `nil` says nothing, not
    /// even no: the two above decide, and say why.
    ///
    /// - Parameter question: what the caller, once known, asks for.
    func grant(_ credentials: Credentials, _ question: (Caller) -> AccessRequest) -> Caller?
}

/// What a request brought along to say who is asking.
package struct Credentials: Sendable, Hashable {
    /// The `Authorization` header, whole; `nil` when absent.
    package var authorization: String?

    package init(authorization: String?) {
        self.authorization = authorization
    }
}

/// Who is asking, once known.
package struct Caller: Sendable {
    /// For logs and for the record of who changed what; never a secret.
    package var name: String
    /// Where things are looked for when the request names no namespace.
    package var namespace: String
    /// What the access control wants back when it is asked what the caller may do.
    package var principal: (any Sendable)?

    package init(name: String, namespace: String = "default", principal: (any Sendable)? = nil) {
        self.name = name
        self.namespace = namespace
        self.principal = principal
    }
}

/// What somebody wants to do.
package enum AccessAction: String, Sendable, Hashable, CaseIterable {
    /// See that a thing exists and what it is.
    case view
    /// Create, change or delete it.
    case change
    /// Put events into a channel.
    case publish
    /// Read events: page, tail, dead letters.
    case readEvents
    /// Pause, resume, replay.
    case operate
    /// Run a function.
    case invoke
}

/// What it is done to.
package enum AccessTarget: String, Sendable, Hashable, CaseIterable {
    case channel, source, subscription, function, package, api, activation, replay, key
    /// The server itself: its status, version and metrics.
    case server
}

/// One question to the access control.
package struct AccessRequest: Sendable, Hashable {
    package var action: AccessAction
    package var target: AccessTarget
    package var namespace: String
    /// The thing's name; `nil` when the question is about all of the kind.
    package var name: String?

    package init(action: AccessAction, target: AccessTarget, namespace: String, name: String?) {
        self.action = action
        self.target = target
        self.namespace = namespace
        self.name = name
    }
}

/// The answer of the access control.
package enum AccessDecision: Sendable, Hashable {
    /// Yes; whatever events the request reads are seen through this scope.
    case allowed(ReadScope)
    /// No, and why, as a sentence for the one who asked.
    case denied(String)
}
