package import CloudEvents
package import Functions
package import Invocation

/// What the OpenWhisk API needs of the server behind it: Weir's own functions, channels, subscriptions and activations,
/// seen as actions, triggers, rules and activations.
///
/// Whoever may do what has been asked before. A change expects the `generation` that the value was read at (0: that there
/// is none) and is a conflict otherwise.
package protocol WhiskEngine: Sendable {
    // MARK: Names

    /// In which collection a name without a package is, if in any.
    func whiskCollection(of name: String, namespace: String) async throws(Problem) -> WhiskCollection?
    /// Whether a namespace is known: has a key, or holds something.
    func whiskKnows(namespace: String) async throws(Problem) -> Bool

    // MARK: Actions

    func whiskAction(_ path: WhiskPath) throws(Problem) -> WhiskAction?
    /// Last changed first; `nil` as package: of all packages and none.
    func whiskActions(
        namespace: String, package: String?, limit: Int, skip: Int
    ) async throws(Problem) -> [WhiskAction]
    func whiskActionCount(namespace: String, package: String?) async throws(Problem) -> Int
    /// The code as it came: text, or Base64.
    func whiskCode(_ path: WhiskPath) async throws(Problem) -> (text: String, isBinary: Bool)?
    func whiskPut(_ action: WhiskAction, code: UploadedCode) async throws(Problem) -> WhiskAction
    func whiskDelete(_ action: WhiskAction) async throws(Problem)
    /// What a name leads to, through a binding where there is one.
    func whiskResolve(_ path: WhiskPath) throws(Problem) -> WhiskResolution

    // MARK: Packages

    /// A package; one that has functions and was never made by itself is there, too.
    func whiskPackage(namespace: String, name: String) async throws(Problem) -> WhiskPackage?
    func whiskPackages(namespace: String) async throws(Problem) -> [WhiskPackage]
    func whiskPut(_ package: WhiskPackage) async throws(Problem) -> WhiskPackage
    func whiskDelete(_ package: WhiskPackage) async throws(Problem)

    // MARK: Triggers and rules

    func whiskTrigger(namespace: String, name: String) async throws(Problem) -> WhiskTrigger?
    func whiskTriggers(namespace: String) async throws(Problem) -> [WhiskTrigger]
    func whiskPut(_ trigger: WhiskTrigger, isNew: Bool) async throws(Problem) -> WhiskTrigger
    func whiskDelete(_ trigger: WhiskTrigger) async throws(Problem)
    /// Fires: on disk when this returns. `nil`: nobody listens, and nothing was kept.
    func whiskFire(_ trigger: WhiskTrigger, payload: JSONObject, headers: JSONObject) async throws(Problem) -> String?
    func whiskRule(namespace: String, name: String) async throws(Problem) -> WhiskRule?
    func whiskRules(namespace: String) async throws(Problem) -> [WhiskRule]
    func whiskPut(_ rule: WhiskRule, isNew: Bool) async throws(Problem) -> WhiskRule
    func whiskSwitch(_ rule: WhiskRule, isActive: Bool) async throws(Problem)
    func whiskDelete(_ rule: WhiskRule) async throws(Problem)

    // MARK: Running

    func whiskActivationID() -> String
    /// Runs an action and waits for its end.
    func whiskRun(_ call: WhiskCall) async -> Activation
    /// The same, where it can begin without waiting; `false`, and nothing has begun, where it cannot.
    func whiskBegin(_ call: WhiskCall, then: @escaping @Sendable (Activation) -> Void) -> Bool
    /// What stands in the lists of a namespace, last started first.
    func whiskActivations(_ query: WhiskActivationQuery) async throws(Problem) -> [Activation]
    func whiskActivationCount(_ query: WhiskActivationQuery) async throws(Problem) -> Int
    func whiskActivation(id: String, namespace: String) async throws(Problem) -> Activation?

    // MARK: REST APIs

    func whiskAPIs(namespace: String) async throws(Problem) -> [WhiskAPI]
    func whiskPut(_ api: WhiskAPI) async throws(Problem) -> WhiskAPI
    func whiskDelete(_ api: WhiskAPI) async throws(Problem)
    /// What stands for a namespace in the addresses of its APIs, always the same.
    func whiskTenant(of namespace: String) -> String
    /// The namespace behind that; `nil` when it has no API.
    func whiskNamespace(tenant: String) -> String?
}

/// The collections that share one space of names.
package enum WhiskCollection: String, Sendable, Hashable, CaseIterable {
    case actions, triggers, rules, packages
}

/// An action with what it inherits, as a name leads to it.
package struct WhiskTarget: Sendable {
    package var action: WhiskAction
    /// Parameters of the package and, over them, of the binding.
    package var inherited: JSONObject
    /// The binding through which it was reached: `namespace/name`.
    package var binding: String?
    /// Whether its package is for everybody.
    package var isPublic: Bool

    package init(action: WhiskAction, inherited: JSONObject = [:], binding: String? = nil, isPublic: Bool = false) {
        self.action = action
        self.inherited = inherited
        self.binding = binding
        self.isPublic = isPublic
    }

    /// All parameters that have a value before a caller gives any.
    package var arguments: JSONObject { inherited.overlaid(with: action.arguments) }
}

/// What a name leads to.
package enum WhiskResolution: Sendable {
    case found(WhiskTarget)
    case missing
    /// A binding that leads to itself.
    case circular(String)
}

/// One run that the API asks for.
package struct WhiskCall: Sendable {
    package var target: WhiskTarget
    /// All of them, inherited ones included.
    package var arguments: JSONObject
    /// Whose run it is.
    package var namespace: String
    package var activationID: String
    package var transaction: String

    package init(
        target: WhiskTarget, arguments: JSONObject, namespace: String, activationID: String, transaction: String
    ) {
        self.target = target
        self.arguments = arguments
        self.namespace = namespace
        self.activationID = activationID
        self.transaction = transaction
    }
}

/// Which activations are wanted.
package struct WhiskActivationQuery: Sendable, Hashable {
    package var namespace: String
    /// `name` or `package/name`.
    package var name: String?
    /// Both ends included, compared with the start: milliseconds since 1970.
    package var since: Int64?
    package var upto: Int64?
    package var limit: Int
    package var skip: Int

    package init(
        namespace: String, name: String? = nil, since: Int64? = nil, upto: Int64? = nil, limit: Int = 30, skip: Int = 0
    ) {
        self.namespace = namespace
        self.name = name
        self.since = since
        self.upto = upto
        self.limit = limit
        self.skip = skip
    }
}
