package import Channels
package import Egress
package import Invocation
package import Kafka
package import Sandboxes
package import Staging

/// What an operator may choose; every value has a default, so that a server needs no configuration.
public struct ServerConfiguration: Sendable {
    /// The folder that holds everything: log, registry, code, key.
    public var data: String
    /// The address to listen on; loopback unless the operator says otherwise.
    public var host: String
    /// The port; 0 takes a free one, which `server.json` in the data folder names.
    public var port: Int
    /// Where `weir-launcher` is; beside this program when `nil`.
    public var launcher: String?
    /// The Python that runs Python functions.
    public var python: String
    /// The Node.js that runs JavaScript functions.
    public var node: String
    /// What may be installed for functions.
    package var preparation = PreparationConfiguration()
    /// The isolation level below which no function runs: 3 full, 2 without control groups, 1 Landlock and a system call
    /// filter, 0 none.
    public var minimumIsolation: Int
    /// The highest isolation level that is used.
    public var maximumIsolation: Int
    /// How many function workers may live at the same time.
    public var workers: Int
    /// How long an idle worker is kept, in milliseconds.
    public var idleGrace: Int64
    /// How many unspecialised workers wait for functions of each runtime; 0: none.
    public var stems = 1
    /// Whether workers of interpreters that can fork are forked.
    public var hasZygotes = true
    /// What the memory limits of all workers together may be, in bytes; four fifths of the machine's when `nil`.
    public var memoryBudget: Int64?
    /// How many runs a namespace may have at the same time; as many as there are workers when `nil`.
    public var namespaceRuns: Int?
    /// How long activations are kept, in milliseconds.
    public var activationAge: Int64
    /// How many bytes of activations are kept.
    public var activationBytes: Int64
    /// The largest body that an event intake takes, in bytes.
    public var maximumBody: Int
    /// How long a graceful stop may take, in milliseconds.
    public var stopDeadline: Int64
    /// The Kafka clusters that channels may be on.
    package var kafka = KafkaClusters()
    package var kafkaOptions = KafkaStore.Options()
    /// Whether channels that do not say where they are kept are topics of the standard Kafka cluster.
    public var standsOnKafka = false
    /// Folders of the machine that functions may use.
    package var mounts: [StorageMount] = []
    /// Addresses beyond the public internet that functions may be let out to.
    package var egressRanges: [AddressRange] = []
    /// Whether functions may ask for the machine's own network.
    public var allowsHostNetwork = false
    /// How many calls and firings a namespace may ask of the OpenWhisk API a minute, and how many calls at once.
    public var invocationsPerMinute = 1_000_000
    public var firesPerMinute = 1_000_000
    public var concurrentInvocations = 1_000
    /// Who runs containers, and with which registries.
    package var containers = ContainerSettings()

    public init(
        data: String, host: String = "127.0.0.1", port: Int = 8642, launcher: String? = nil, python: String = "python3",
        node: String = "node", minimumIsolation: Int = 1, maximumIsolation: Int = 3, workers: Int = 32,
        idleGrace: Int64 = 60_000,
        activationAge: Int64 = 7 * 86_400_000,
        activationBytes: Int64 = 4 << 30, maximumBody: Int = 16 << 20, stopDeadline: Int64 = 10_000
    ) {
        self.data = data
        self.host = host
        self.port = port
        self.launcher = launcher
        self.python = python
        self.node = node
        self.minimumIsolation = minimumIsolation
        self.maximumIsolation = maximumIsolation
        self.workers = workers
        self.idleGrace = idleGrace
        self.activationAge = activationAge
        self.activationBytes = activationBytes
        self.maximumBody = maximumBody
        self.stopDeadline = stopDeadline
    }
}

/// What an operator may choose about containers.
package struct ContainerSettings: Sendable {
    /// The engines in question, the best first.
    package var engine = EngineChoice.auto
    package var registries = RegistrySettings()
    /// What of the network the steps of a build reach.
    package var buildNetwork = BuildNetwork.none

    package init() {}
}

/// Why a server cannot start, as a sentence for the operator.
public struct StartError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
