public import CloudEvents

/// Runs functions. Delivery and the HTTP face know no more of invocation than this.
public protocol Invoker: Sendable {
    /// Runs one call and waits for its activation.
    func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation

    /// Runs calls of one function, in their order on one worker, and waits for all.
    ///
    /// Handlers that take one event are called once an event, and each call is an activation of its own; a handler
    /// that takes a batch (`handle_batch`) is called once, and the calls share one activation's outcome.
    ///
    /// - Returns: one activation a call, in the order given. A worker's death fails the call that was running; those
    ///   behind it in the batch are run on a new worker.
    func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation]
}

/// A function by name, or one version of it by digest.
public struct FunctionReference: Sendable, Hashable, CustomStringConvertible {
    public var namespace: String
    /// `name` or `package/name`.
    public var name: String
    /// The digest of a version; the current one when `nil`.
    public var version: String?

    public init(namespace: String, name: String, version: String? = nil) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    public var description: String { "\(namespace)/\(name)" + (version.map { "@\($0)" } ?? "") }
}

/// One wish to run a function.
public struct FunctionCall: Sendable {
    /// What the function is given.
    public enum Input: Sendable {
        /// An event; `def handle(event, context)`.
        case event(EventRecord)
        /// A JSON object, laid over the function's parameters; `def main(args)`.
        case arguments(JSONObject)
        /// A JSON list, as it is, without the function's parameters: what came before in a sequence has returned it.
        case list([JSONValue])
    }

    /// Why it runs.
    public struct Cause: Sendable, Hashable {
        /// The subscription that delivered, `nil` when a person or a program called.
        public var subscription: String?
        public var channel: String?
        public var partition: Int?
        public var offset: UInt64?
        public var eventID: String?
        /// Which attempt of the delivery this is, from 1.
        public var attempt: Int
        /// Whose run it is, when that is not the namespace of the function.
        public var namespace: String?
        /// The activation that caused it: that of the sequence of which it is a part.
        public var parent: String?
        /// A JSON object that the one who asked wants to find again with the record.
        public var notes: [UInt8]?

        public init(
            subscription: String? = nil, channel: String? = nil, partition: Int? = nil, offset: UInt64? = nil,
            eventID: String? = nil, attempt: Int = 1, namespace: String? = nil, parent: String? = nil,
            notes: [UInt8]? = nil
        ) {
            self.subscription = subscription
            self.channel = channel
            self.partition = partition
            self.offset = offset
            self.eventID = eventID
            self.attempt = attempt
            self.namespace = namespace
            self.parent = parent
            self.notes = notes
        }
    }

    public var input: Input
    public var cause: Cause
    /// The same for every attempt at the same work, so that a function can make its outside effects idempotent.
    public var idempotencyKey: String?
    /// The id that the activation is to have; one is made when `nil`. For who must name it before the run has ended.
    public var activationID: String?
    /// The files that were brought in for it, and where it may leave some; set by the invoker.
    var files: CallFiles?
    /// Variables for the environment of this one call, a JSON object of texts, for handlers of arguments;
    /// `__OW_ACTIVATION_ID` and `__OW_DEADLINE` are added. `nil`: none, and the environment stays as it is.
    public var environment: [UInt8]?

    public init(
        input: Input, cause: Cause = Cause(), idempotencyKey: String? = nil, activationID: String? = nil,
        environment: [UInt8]? = nil
    ) {
        self.input = input
        self.cause = cause
        self.idempotencyKey = idempotencyKey
        self.activationID = activationID
        self.environment = environment
    }
}
