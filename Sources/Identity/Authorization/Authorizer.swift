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

/// The holder of the admin key may do everything and see everything.
package struct AdminKeyAuthorizer: Authorizer {
    package init() {}

    package func decide(_ principal: Principal, may action: Action, on resource: ResourceReference) -> Decision {
        switch principal.kind {
        case .adminKey: .allowed(visible: .all)
        }
    }
}
