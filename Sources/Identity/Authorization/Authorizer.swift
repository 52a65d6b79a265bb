import Persistence

/// The one place that is asked before anything is done or shown.
package protocol Authorizer: Sendable {
    /// Whether a principal may do this to that, and of events: below which paths.
    ///
    /// Never fails: what cannot be decided is denied. Cheap enough to ask at every delivery.
    func decide(_ principal: Principal, may action: Action, on resource: ResourceReference) -> Decision
}

package enum Decision: Sendable, Hashable {
    /// `visible` bounds the events by their subject; it means nothing for an action that shows none.
    case allowed(visible: PathScope)
    /// With a sentence for the one who asked.
    case denied(reason: String)

    package var isAllowed: Bool {
        if case .allowed = self { true } else { false }
    }
}

/// The holder of the admin key may do everything and see everything; the holder of a namespace's key may do everything
/// within it, but make no keys, not look at the server as a whole, and make no sources, which read the machine's disk and
/// other systems with the server's rights.
package struct KeyAuthorizer: Authorizer {
    package init() {}

    package func decide(_ principal: Principal, may action: Action, on resource: ResourceReference) -> Decision {
        switch principal.kind {
        case .adminKey: return .allowed(visible: .all)
        case .namespaceKey:
            guard resource.kind != .server, resource.kind != .key else {
                return .denied(reason: "this needs the server's admin key")
            }
            guard resource.namespace == principal.namespace else {
                return .denied(
                    reason: "this key is one of namespace \"\(principal.namespace)\", not of \"\(resource.namespace)\"")
            }
            guard resource.kind != .source || ![.write, .delete].contains(action) else {
                return .denied(reason: "a source reads what the server may read: this needs the server's admin key")
            }
            return .allowed(visible: .all)
        }
    }
}
