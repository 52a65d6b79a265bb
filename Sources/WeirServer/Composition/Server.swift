import AsyncHTTPClient
import CLinux
import Channels
import CloudEvents
import Delivery
import Egress
import EventSources
import Foundation
import Functions
import Hummingbird
import Identity
import Invocation
import Kafka
public import Logging
import struct NIOCore.IOError
import NIOPosix
import Outbound
import Persistence
import Sandboxes
import ServiceLifecycle
import Staging
import StorageEvents
import UnixSignals
import WeirHTTP

/// The composition root: configuration in, parts out, one service group. Nothing else knows all parts.
public struct Server: Sendable {
    let configuration: ServerConfiguration
    private let version: String
    let logger: Logger

    public init(_ configuration: ServerConfiguration, version: String, logger: Logger) {
        self.configuration = configuration
        self.version = version
        self.logger = logger
    }

    /// Runs until it is told to stop (SIGTERM, SIGINT), then drains and ends.
    ///
    /// - Throws: ``StartError`` when it cannot start, saying what to do.
    public func run() async throws {
        let data = try DataDirectory(configuration.data)
        let log = try logStore(data)
        let kafka = KafkaStore(configuration.kafka, options: configuration.kafkaOptions, log: logger)
        let database = try starting("the registry \(data.registry)") { try Database(path: data.registry) }
        let key = try starting("the admin key") { try AdminKeyFile.open(at: data.adminKey) }
        if key.isNew { logger.notice("An admin key was made", metadata: ["file": "\(data.adminKey)"]) }
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: HTTPSink.clientConfiguration)
        let outcome: Result<Void, any Error>
        do {
            let parts = try await build(data, log, kafka, database, client)
            try await serve(parts, data, key.key)
            await parts.pool.stop()
            await parts.pool.surroundings.proxy?.stop()
            await parts.activations.flush()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        data.withdraw()
        try? await client.shutdown()
        await kafka.close()
        await log.close()
        try? await database.close()
        try outcome.get()
    }

    private func logStore(_ data: DataDirectory) throws(StartError) -> EmbeddedLogStore {
        do {
            return try EmbeddedLogStore(directory: data.channels, log: logger)
        } catch {
            throw StartError(error.message)
        }
    }

    private func build(
        _ data: DataDirectory, _ log: EmbeddedLogStore, _ kafka: KafkaStore, _ database: Database,
        _ client: HTTPClient
    ) async throws -> Parts {
        let registry = try starting("the registry") { try Registry(database) }
        let writer = RegistryWriter(registry, now: { ServerEngine.now })
        let state = SQLiteStateStore(database)
        let code = try starting("the code store") { try CodeStore(path: data.code) }
        let watched = WatchedFolders(registry)
        let staging = try starting("the staging folder") {
            try Staging(
                MountTable(configuration.mounts, folders: { watched.folders(of: $0) }), directory: data.staging,
                notes: {
                    logger.warning("A file that was on its way cannot be removed yet", metadata: ["why": "\($0)"])
                })
        }
        let grants = Grants(staging: staging, allowsHostNetwork: configuration.allowsHostNetwork)
        let host = try await functionHost(data)
        let containers = containerEngines(data, host.launcher, registry, client)
        let functions = FunctionRepository(
            registry, writer, code, layers: host.layers,
            preparation: Preparer(
                configuration.preparation, host.settings, launcher: host.launcher, layers: host.layers,
                interpreters: host.interpreters, logger: logger), images: containers,
            review: { spec, namespace throws(FunctionError) in try grants.review(spec, namespace) })
        // With the first function in a container at the latest; now, when there are such functions already.
        if try await !FunctionRepository.imageDigests(registry).isEmpty { containers.begin() }
        // No worker runs yet, so code that no version uses can go.
        try await functions.collectGarbage()
        let records = try await log.open(
            "system/activations",
            ChannelSpec(
                retentionAge: configuration.activationAge, retentionBytes: configuration.activationBytes,
                segmentBytes: 64 << 20, duplicateWindow: 0))
        let activations = ActivationStore(channel: records, logger: logger)
        let logs = LogFeed()
        let proxy = EgressProxy(
            AddressRules(allowed: configuration.egressRanges), group: MultiThreadedEventLoopGroup.singleton,
            logger: logger)
        let pool = FunctionInvoker(
            host.settings, catalog: functions, launcher: host.launcher, logger: logger,
            surroundings: Surroundings(
                staging: staging, proxy: proxy, allowsHostNetwork: configuration.allowsHostNetwork),
            containers: containers, onLogLine: { logs.add($0) })
        let address = ServerAddress()
        let directory = ActionDirectory(registry, address: { address.url })
        let keys = KeyRing(registry)
        let invoker = RecordingInvoker(
            pool, store: activations, directory: directory,
            key: { keys.temporaryKey(of: $0).pair.reveal() })
        let channels = ChannelDirectory(log, kafka, standsOnKafka: configuration.standsOnKafka)
        let subscriptions = Subscriptions(
            channels: { channels.channel(namespace: $0, name: $1) }, store: state, invoker: invoker, client: client,
            secrets: .folder(data.secrets), drain: configuration.stopDeadline, onDrained: { await pool.stop() },
            log: logger)
        let sources = SourceSupervisor(
            logger: logger, channels: { try await channels.ends(of: $0, $1, writer) },
            make: {
                [
                    factory = SourceFactory(
                        store: state, secrets: .folder(data.secrets), lineOptions: Server.lineOptions)
                ] in
                try factory.make($0, $1, $2)
            })
        let reconciler = Reconciler(
            registry: registry, channels: channels, sources: sources, subscriptions: subscriptions, logger: logger)
        return Parts(
            registry: registry, writer: writer, channels: channels, functions: functions, pool: pool, invoker: invoker,
            activations: activations, logs: logs, sources: sources,
            webhooks: WebhookIntake(secrets: .folder(data.secrets), options: Server.lineOptions),
            subscriptions: subscriptions,
            reconciler: reconciler, grants: grants, directory: directory, keys: keys, address: address,
            containers: containers)
    }

    private func serve(_ parts: Parts, _ data: DataDirectory, _ key: Secret) async throws {
        let engine = ServerEngine(parts, version: version)
        let access = ServerAccess(
            authenticator: ServerAuthenticator(admin: AdminKeyAuthenticator(key: key), keys: parts.keys),
            authorizer: KeyAuthorizer())
        var limits = HTTPLimits()
        limits.eventBody = configuration.maximumBody
        var rates = WhiskRates()
        rates.invocationsPerMinute = configuration.invocationsPerMinute
        rates.firesPerMinute = configuration.firesPerMinute
        rates.concurrentInvocations = configuration.concurrentInvocations
        let whisk = WhiskFace(
            engine: engine, access: access, limits: limits, rates: rates, now: { ServerEngine.now })
        let face = try HTTPFace(
            engine: engine, access: access, limits: limits, whisk: whisk, now: { ServerEngine.now })
        let (host, logger) = (configuration.host, logger)
        let application = face.application(
            host: host, port: configuration.port, logger: logger, eventLoopGroup: MultiThreadedEventLoopGroup.singleton
        ) { address in
            let url = "http://\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
            parts.address.set(url)
            parts.directory.forget()
            do {
                try data.publish(url: url)
                logger.notice("Weir listens", metadata: ["url": "\(url)", "data": "\(data.path)"])
            } catch {
                logger.error("\(error)")
            }
        }
        // Before anybody is served, everything that was declared stands.
        await parts.reconciler.reconcileAll()
        let maintenance = Maintenance(parts: parts, log: logger)
        // They end in the reverse order: subscriptions first, and with them all calls of functions, also those that
        // requests wait for, so that the listener can end.
        var group = ServiceGroupConfiguration(
            services: [
                application, maintenance, ReadyKeeper(parts: parts, log: logger), parts.sources, parts.subscriptions,
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .milliseconds(configuration.stopDeadline + 5_000)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as IOError where [EADDRINUSE, EADDRNOTAVAIL, EACCES].contains(error.errnoCode) {
            let why = String(cString: strerror(error.errnoCode))
            throw StartError(
                "cannot listen on \(configuration.host), port \(configuration.port): \(why); "
                    + "name another with --host and --port")
        }
        logger.notice("Weir stops")
    }

    /// How lines on standard input are read: CloudEvents one a line, or a batch of them.
    private static var lineOptions: LineDecoder.Options {
        var options = LineDecoder.Options()
        options.readCloudEvents = { bytes in
            let isBatch = bytes.first { $0 != 0x20 && $0 != 0x09 } == 0x5B
            return try isBatch
                ? JSONEventFormat.decodeBatch(Array(bytes)) : [JSONEventFormat.decode(Array(bytes))]
        }
        return options
    }

    func starting<Value>(_ what: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw StartError("\(what): \(error)")
        }
    }

    /// A program's path: looked for in PATH when it is only a name.
    static func absolute(_ program: String) -> String {
        guard !program.contains("/") else { return program }
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":") {
            let candidate = "\(folder)/\(program)"
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return "/usr/bin/\(program)"
    }
}

extension ChannelDirectory {
    /// The channels of a source: that of its events, and that of its dead letters, made beside it when not named.
    func ends(
        of id: SourceID, _ spec: SourceSpec, _ writer: RegistryWriter
    ) async throws -> (events: any Channel, deadLetters: any Channel) {
        func found(_ name: String) throws -> any Channel {
            guard let channel = channel(namespace: id.namespace, name: name) else {
                throw SourceError(.channel, "there is no channel \"\(name)\": create it first")
            }
            return channel
        }
        let events = try found(spec.channel)
        guard let name = spec.deadLetter else {
            return (events, try await unreadable(namespace: id.namespace, channel: spec.channel, writer))
        }
        return (events, try found(name))
    }
}

/// What is done now and then: retention, and another try at channels whose brokers could not be reached.
struct Maintenance: Service {
    let parts: Parts
    let log: Logger

    func run() async throws {
        // Ends by cancellation, which is no failure: thrown on, it would cut short how the services before it end.
        try? await cancelWhenGracefulShutdown {
            // What starting needed of the program need not stay in memory. Nothing tells when all services have begun, and
            // too early only gives back less.
            try await Task.sleep(for: .seconds(1))
            weir_forget_program_pages()
            while true {
                try await Task.sleep(for: .seconds(30))
                for (name, error) in await parts.channels.maintain(now: ServerEngine.now) {
                    log.warning("Retention failed", metadata: ["channel": "\(name)", "why": "\(error)"])
                }
                for resource in parts.registry.all(.channel)
                where parts.channels.channel(namespace: resource.namespace, name: resource.name) == nil {
                    await parts.reconciler.reconcile(resource.key)
                }
            }
        }
    }
}
