import Identity
import Persistence
import WeirHTTP

/// Translates the HTTP face's one question to the one place that answers it.
struct ServerAccess: AccessControl {
    let authenticator: any Authenticator
    let authorizer: any Authorizer

    func authenticate(_ credentials: Credentials) async throws(Problem) -> Caller {
        guard let header = credentials.authorization else {
            throw .unauthenticated("a key is needed: send Authorization: Bearer KEY")
        }
        do {
            return try caller(header)
        } catch {
            throw .unauthenticated(error.message)
        }
    }

    private func caller(_ authorization: String) throws(IdentityError) -> Caller {
        let principal = try authenticator.principal(of: Credential(authorization: authorization))
        return Caller(name: principal.id, namespace: principal.namespace, principal: principal)
    }

    func authorize(_ caller: Caller, _ request: AccessRequest) async -> AccessDecision { decide(caller, request) }

    func grant(_ credentials: Credentials, _ question: (Caller) -> AccessRequest) -> Caller? {
        guard let caller = credentials.authorization.flatMap({ try? caller($0) }),
            case .allowed = decide(caller, question(caller))
        else { return nil }
        return caller
    }

    private func decide(_ caller: Caller, _ request: AccessRequest) -> AccessDecision {
        guard let principal = caller.principal as? Principal else { return .denied("nobody is known by this key") }
        let resource = ResourceReference(kind(request.target), request.namespace, request.name)
        switch authorizer.decide(principal, may: action(request), on: resource) {
        case .denied(let reason): return .denied(reason)
        case .allowed(.all): return .allowed(.everything)
        case .allowed(.below(let prefixes)):
            return .allowed(.below(prefixes.map { "/" + $0.segments.joined(separator: "/") }))
        }
    }

    private func action(_ request: AccessRequest) -> Identity.Action {
        switch (request.action, request.target) {
        case (.view, .activation): .readActivations
        case (.view, .server): .administer
        case (.view, _): .read
        case (.change, _): .write
        case (.publish, _): .publish
        case (.readEvents, _): .readEvents
        case (.operate, _): .write
        case (.invoke, _): .invoke
        }
    }

    private func kind(_ target: AccessTarget) -> Persistence.ResourceKind {
        switch target {
        case .channel: .channel
        case .source: .source
        case .subscription, .replay: .subscription
        case .function: .function
        case .package: .package
        case .api: .api
        case .key: .key
        case .activation: .activation
        case .server: .server
        }
    }
}
