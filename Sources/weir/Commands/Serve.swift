import ArgumentParser
import Egress
import Channels
import Foundation
import Invocation
import Kafka
import Logging
import Manifest
import Sandboxes
import Staging
import WeirServer

/// `weir serve`: the server. Nothing has to be configured.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start the server.",
        discussion: """
            Needs no configuration: everything is embedded, it listens on loopback only, and makes an admin key on \
            the first start in a file that only its owner can read. SIGTERM and SIGINT stop it, drained.
            """)
    @Option(help: ArgumentHelp("The folder that holds everything.", valueName: "folder")) var data: String?
    @Option(help: ArgumentHelp("The address to listen on.", valueName: "address")) var host = "127.0.0.1"
    @Option(help: ArgumentHelp("The port; 0 takes a free one.", valueName: "port")) var port = 8642
    @Option(help: ArgumentHelp("The Python that runs Python functions.", valueName: "program")) var python = "python3"
    @Option(help: ArgumentHelp("The Node.js that runs JavaScript functions.", valueName: "program")) var node = "node"
    @Option(
        help: ArgumentHelp(
            "What may be installed for functions that declare requirements: none, wheels, all.",
            discussion: "none: only packages that lie in the archive. wheels: built packages from the package index. "
                + "all: source packages too, whose code runs when they are installed.",
            valueName: "what"))
    var allowInstalls = "none"
    @Option(
        help: ArgumentHelp(
            "Where Python packages come from.", discussion: "Default: as pip is configured.", valueName: "url"))
    var packageIndex: String?
    @Option(
        help: ArgumentHelp(
            "Where packages of Node.js come from.", discussion: "Default: as npm is configured.", valueName: "url"))
    var npmRegistry: String?
    @Option(
        help: ArgumentHelp(
            "The launcher of workers.", discussion: "Default: beside this program.", valueName: "program"))
    var launcher: String?
    @Option(
        help: ArgumentHelp(
            "The isolation below which no function runs: 3 full, 2 without control groups, 1 Landlock and seccomp, 0 none.",
            valueName: "level"))
    var minimumIsolation = 1
    @Option(help: ArgumentHelp("The highest isolation that is used.", valueName: "level")) var maximumIsolation = 3
    @Option(help: "How many function workers may live at the same time.") var workers = 32
    @Option(help: ArgumentHelp("How long an idle worker is kept.", valueName: "time")) var idleGrace = "60s"
    @Option(help: "How many isolated, unspecialised workers wait for functions of each runtime; 0: none.") var stems = 1
    @Flag(name: .customLong("no-zygote"), help: "Never fork workers from a preloaded interpreter.") var noZygote = false
    @Option(
        help: ArgumentHelp(
            "What the memory limits of all workers together may be.",
            discussion: "Default: four fifths of the machine's memory.", valueName: "size"))
    var memoryBudget: String?
    @Option(
        help: ArgumentHelp(
            "How many runs a namespace may have at the same time.", discussion: "Default: no limit but the workers.",
            valueName: "count"))
    var namespaceRuns: Int?
    @Option(help: ArgumentHelp("How long activations are kept.", valueName: "time")) var keepActivations = "7d"
    @Option(help: ArgumentHelp("The largest body that is taken.", valueName: "size")) var maximumBody = "16MiB"
    @Option(
        name: .customLong("mount"),
        help: ArgumentHelp(
            "A folder that functions may use, read-only unless it ends in :rw; again for each.",
            discussion: """
                Options behind it, each after a comma: subject=/prefix (how the paths of events begin that lie on it), \
                namespace=NAME (which may use it; again for each; all of them without it), owner=UID:GID (of files \
                that are made on it).
                """, valueName: "name=/path[:rw]"))
    var mounts: [String] = []
    @Option(
        name: .customLong("allow-egress"),
        help: ArgumentHelp(
            "Addresses beside the public internet that functions may ask to reach; again for each.",
            valueName: "address/length"))
    var egress: [String] = []
    @Flag(
        name: .customLong("allow-host-network"),
        help:
            "Let functions ask for this machine's own network. Unsafe: they reach everything that the machine reaches.")
    var allowHostNetwork = false
    @Option(help: "How many calls a namespace may ask of the OpenWhisk API a minute.")
    var openwhiskInvocations = 1_000_000
    @Option(help: "How many firings a namespace may ask of the OpenWhisk API a minute.") var openwhiskFires = 1_000_000
    @Option(help: "How many calls of the OpenWhisk API a namespace may have running.") var openwhiskConcurrent = 1_000
    @Option(
        help: ArgumentHelp(
            "Keep channels in Kafka: its brokers, host:port, several with commas.",
            discussion: "Channels say kafka: false to stay in the embedded log.", valueName: "brokers"))
    var kafka: String?
    @Option(
        help: ArgumentHelp(
            "A file with Kafka clusters: librdkafka's properties, TLS and credentials among them.",
            discussion: "Properties before the first [name] are those of --kafka.", valueName: "file"))
    var kafkaProperties: String?
    @Option(help: ArgumentHelp("The group of servers that share channels in Kafka.", valueName: "name"))
    var kafkaGroup = "weir"
    @Option(help: ArgumentHelp("How the names of topics begin that are made.", valueName: "text"))
    var kafkaPrefix = "weir."
    @Option(
        help: ArgumentHelp(
            "Who runs containers: auto, runc, crun, runsc, docker[=socket], podman[=socket], none.",
            discussion: "auto takes the first that works when a function needs one.", valueName: "engine"))
    var containerEngine = "auto"
    @Option(
        help: ArgumentHelp(
            "A file with registries of images and their credentials, readable by its owner alone.", valueName: "file"))
    var registries: String?
    @Option(
        help: ArgumentHelp("What of the network the steps of a Dockerfile reach: none, host.", valueName: "network"))
    var buildNetwork = "none"
    @Option(help: "What is logged: trace, debug, info, notice, warning, error.") var logLevel = "info"

    private func clusters() throws -> KafkaClusters {
        do {
            guard let file = kafkaProperties else { return try KafkaClusters(bootstrap: kafka) }
            return try KafkaClusters(bootstrap: kafka, file: file)
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError("\"\(logLevel)\" is no log level")
        }
        guard let grace = Quantity.milliseconds(idleGrace) else {
            throw ValidationError("\"\(idleGrace)\" is no length of time")
        }
        guard let age = Quantity.milliseconds(keepActivations) else {
            throw ValidationError("\"\(keepActivations)\" is no length of time")
        }
        guard let body = Quantity.bytes(maximumBody), body > 0, body <= 1 << 30 else {
            throw ValidationError("\"\(maximumBody)\" is no size up to 1GiB")
        }
        let budget = memoryBudget.map { Quantity.bytes($0) ?? 0 }
        guard budget ?? .max >= 64 << 20 else {
            throw ValidationError("--memory-budget is a size of at least 64MiB")
        }
        guard (0...256).contains(stems) else { throw ValidationError("--stems is 0 to 256") }
        guard namespaceRuns ?? 1 > 0 else { throw ValidationError("--namespace-runs is at least 1") }
        for isolation in [minimumIsolation, maximumIsolation] where !(0...3).contains(isolation) {
            throw ValidationError("\(isolation) is no isolation level: they are 0 to 3")
        }
        let storage: [StorageMount]
        let ranges: [AddressRange]
        do {
            storage = try mounts.map { try StorageMount(parsing: $0) }
            ranges = try egress.map { try AddressRange($0) }
        } catch {
            throw ValidationError("\(error)")
        }
        for (index, mount) in storage.enumerated() where storage[..<index].contains(where: { $0.name == mount.name }) {
            throw ValidationError("the mount \"\(mount.name)\" is declared twice")
        }
        guard let installs = PreparationConfiguration.Installs(rawValue: allowInstalls) else {
            throw ValidationError("--allow-installs is none, wheels or all, not \"\(allowInstalls)\"")
        }
        let containers = try containerSettings()
        LoggingSystem.bootstrap { LogHandler(label: $0) }
        var logger = Logger(label: "weir")
        logger.logLevel = level
        var configuration = ServerConfiguration(data: data ?? DataFolder.standard, host: host, port: port)
        configuration.python = python
        configuration.node = node
        configuration.preparation.installs = installs
        configuration.preparation.pythonIndex = packageIndex
        configuration.preparation.nodeRegistry = npmRegistry
        configuration.launcher = launcher
        configuration.minimumIsolation = minimumIsolation
        configuration.maximumIsolation = maximumIsolation
        configuration.workers = workers
        configuration.idleGrace = grace
        configuration.stems = stems
        configuration.hasZygotes = !noZygote
        configuration.memoryBudget = budget
        configuration.namespaceRuns = namespaceRuns
        configuration.activationAge = age
        configuration.maximumBody = Int(body)
        configuration.mounts = storage
        configuration.kafka = try clusters()
        configuration.standsOnKafka = kafka != nil
        configuration.kafkaOptions.group = kafkaGroup
        configuration.kafkaOptions.prefix = kafkaPrefix
        configuration.egressRanges = ranges
        configuration.allowsHostNetwork = allowHostNetwork
        configuration.invocationsPerMinute = max(0, openwhiskInvocations)
        configuration.firesPerMinute = max(0, openwhiskFires)
        configuration.concurrentInvocations = max(0, openwhiskConcurrent)
        configuration.containers = containers
        do {
            try await Server(configuration, version: WeirVersion.text, logger: logger).run()
        } catch let error as StartError {
            throw CommandFailure(.failure, error.description)
        }
    }
}
