public import CloudEvents

/// One immutable version of a function: everything that a run needs to know.
public struct FunctionVersion: Sendable, Hashable {
    /// What runs the code.
    public enum Runtime: String, Sendable, Hashable, CaseIterable {
        case python
        case nodejs
        /// A program that speaks the runners' protocol, built of Swift sources or brought along.
        case swift
        /// Any program: one JSON line in, one out.
        case executable
        /// A container, whose image brings what runs the code.
        case container
        /// Other functions, one after the other, each with what the one before it returned.
        case sequence

        /// Whether its workers speak the runners' protocol (frames, a hello, a ledger).
        public var isFramed: Bool { self != .executable && self != .container && self != .sequence }
    }

    /// How a handler is called; when nobody says, it is found by looking at it.
    public enum Call: String, Sendable, Hashable, CaseIterable {
        case event, arguments, batch
        /// A program that speaks OpenWhisk's ActionLoop: a line on standard input, the answer on descriptor 3.
        case actionLoop = "action-loop"
    }

    /// What a run may take.
    public struct Limits: Sendable, Hashable {
        /// Milliseconds until the process is killed.
        public var timeout: Int64 = 60_000
        /// Bytes of memory of one worker.
        public var memory: Int64 = 256 << 20
        /// Bytes of log kept of one activation.
        public var logs: Int64 = 1 << 20
        /// How many workers may run at the same time.
        public var concurrency: Int = 4
        public var scaling = FunctionScaling()

        public init() {}
    }

    public var namespace: String
    /// `name` or `package/name`.
    public var name: String
    /// SHA-256, hexadecimal, of code, runtime, handler, parameters, environment and limits.
    public var digest: String
    public var runtime: Runtime
    /// The file inside `codeDirectory` that holds the handler or is the program, relative, `/`-separated; empty for a
    /// container without code.
    public var entry: String
    /// The handler's name; `nil`: the first of `handle_batch` (JavaScript: `handleBatch`), `handle`, `main`
    /// that the module defines.
    public var handler: String?
    /// The folder of the unpacked code, absolute, read-only, shared by all workers of the version; empty when all code
    /// is in an image.
    public var codeDirectory: String
    public var parameters: JSONObject
    /// Added to the otherwise clean environment, in this order.
    public var environment: [EnvironmentVariable]
    public var limits: Limits
    public var staging: FunctionStaging
    public var network: NetworkRequest
    public var dependencies = Dependencies()
    /// The image and how it is spoken to; only of the runtime `container`.
    public var container: Container?

    /// A container of a version.
    public struct Container: Sendable, Hashable {
        /// How calls travel.
        public enum Exchange: String, Sendable, Hashable, CaseIterable {
            /// OpenWhisk's `POST /init` and `POST /run`.
            case openWhisk = "openwhisk"
            /// CloudEvents over HTTP.
            case cloudEvents = "cloudevents"
        }

        /// Host and path of the image, without tag and digest; the whole name when there is no digest.
        public var repository: String
        /// `sha256:…`, of the image's manifest or of its list of platforms. Empty: the image is looked for when a
        /// container starts, as OpenWhisk does it.
        public var digest: String
        public var exchange: Exchange
        /// Where the container listens.
        public var port: Int

        public init(repository: String, digest: String, exchange: Exchange, port: Int) {
            self.repository = repository
            self.digest = digest
            self.exchange = exchange
            self.port = port
        }
    }
    public var call: Call?
    /// Of a sequence: the functions it runs, `/namespace/name` or `/namespace/package/name`.
    public var components: [String]

    public struct EnvironmentVariable: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(
        namespace: String, name: String, digest: String, runtime: Runtime, entry: String, handler: String? = nil,
        codeDirectory: String, parameters: JSONObject = [:], environment: [EnvironmentVariable] = [],
        limits: Limits = Limits(), staging: FunctionStaging = FunctionStaging(), network: NetworkRequest = .none,
        container: Container? = nil, call: Call? = nil, components: [String] = []
    ) {
        self.namespace = namespace
        self.name = name
        self.digest = digest
        self.runtime = runtime
        self.entry = entry
        self.handler = handler
        self.codeDirectory = codeDirectory
        self.parameters = parameters
        self.environment = environment
        self.limits = limits
        self.staging = staging
        self.network = network
        self.container = container
        self.call = call
        self.components = components
    }
}

/// Finds versions of functions by name.
public protocol FunctionCatalog: Sendable {
    /// The current version (or the one with the digest); `nil` when there is none.
    func version(namespace: String, name: String, digest: String?) -> FunctionVersion?
}
