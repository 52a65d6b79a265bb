public import CloudEvents

/// One immutable version of a function: everything that a run needs to know.
public struct FunctionVersion: Sendable, Hashable {
    /// What runs the code.
    public enum Runtime: String, Sendable, Hashable, CaseIterable {
        case python
        /// Any program: one JSON line in, one out.
        case executable

        /// Whether its workers speak the runners' protocol (frames, a hello, a ledger) rather than lines.
        public var isFramed: Bool { self != .executable }
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

        public init() {}
    }

    public var namespace: String
    /// `name` or `package/name`.
    public var name: String
    /// SHA-256, hexadecimal, of code, runtime, handler, parameters, environment and limits.
    public var digest: String
    public var runtime: Runtime
    /// The file inside `codeDirectory` that holds the handler or is the program, relative, `/`-separated.
    public var entry: String
    /// The handler's name; `nil`: the first of `handle_batch`, `handle`, `main` that the module defines.
    public var handler: String?
    /// The folder of the unpacked code, absolute, read-only, shared by all workers of the version.
    public var codeDirectory: String
    public var parameters: JSONObject
    /// Added to the otherwise clean environment, in this order.
    public var environment: [EnvironmentVariable]
    public var limits: Limits
    public var staging: FunctionStaging
    public var network: NetworkRequest

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
        limits: Limits = Limits(), staging: FunctionStaging = FunctionStaging(), network: NetworkRequest = .none
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
    }
}

/// Finds versions of functions by name.
public protocol FunctionCatalog: Sendable {
    /// The current version (or the one with the digest); `nil` when there is none.
    func version(namespace: String, name: String, digest: String?) -> FunctionVersion?
}
