package import AsyncHTTPClient
package import Channels
import CloudEvents
import Foundation
package import Invocation
package import Logging
package import Outbound
import Synchronization

/// Makes the sinks that subscriptions name.
package struct SinkFactory: Sendable {
    package typealias ChannelLookup = @Sendable (_ namespace: String, _ name: String) -> (any Channel)?

    private let channels: ChannelLookup
    private let invoker: any Invoker
    private let client: HTTPClient
    private let secrets: SecretStore
    private let hostName: String
    private let now: @Sendable () -> Int64
    private let log: Logger

    /// - Parameters:
    ///   - client: made with ``HTTPSink/clientConfiguration``; for sinks that trust what the system trusts.
    ///   - hostName: this machine's, for mail servers.
    package init(
        channels: @escaping ChannelLookup, invoker: any Invoker, client: HTTPClient, secrets: SecretStore = .none,
        hostName: String = ProcessInfo.processInfo.hostName, now: @escaping @Sendable () -> Int64, log: Logger
    ) {
        self.channels = channels
        self.invoker = invoker
        self.client = client
        self.secrets = secrets
        self.hostName = hostName
        self.now = now
        self.log = log
    }

    /// The sink of a subscription.
    ///
    /// - Parameter isReplay: whether it is for a replay, which delivers again what was delivered.
    package func sink(_ key: SubscriptionKey, _ spec: SubscriptionSpec, isReplay: Bool = false) -> any Sink {
        let sink = plain(key, spec, isReplay)
        guard let transform = spec.transform else { return sink }
        return TransformSink(transform, before: sink)
    }

    private func plain(_ key: SubscriptionKey, _ spec: SubscriptionSpec, _ isReplay: Bool) -> any Sink {
        switch spec.sink {
        case .function(let name):
            return FunctionSink(
                invoker: invoker, function: FunctionReference(namespace: key.namespace, name: name),
                subscription: key.description, channel: spec.channel, policy: spec.policy)
        case .channel(let name):
            return ChannelSink(name: name) { [channels] in channels(key.namespace, name) }
        case .http(let http):
            let (secrets, now, timeout) = (secrets, now, spec.policy.timeout)
            guard !http.tls.isDefault else {
                return HTTPSink(
                    http, client: client, secrets: secrets, namespace: key.namespace, timeout: timeout, now: now)
            }
            return LateSink {
                var configuration = HTTPSink.clientConfiguration
                configuration.tlsConfiguration = try http.tls.configuration()
                return HTTPSink(
                    http, client: HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration),
                    ownsClient: true, secrets: secrets, namespace: key.namespace, timeout: timeout, now: now)
            }
        case .search(let search):
            let (client, secrets, now, timeout) = (client, secrets, now, spec.policy.timeout)
            return LateSink {
                var own: WebClient?
                if !search.tls.isDefault { own = try WebClient(tls: search.tls) }
                return SearchSink(
                    search, client: own ?? WebClient(sharing: client), ownsClient: own != nil, secrets: secrets,
                    namespace: key.namespace, timeout: timeout, now: now)
            }
        case .files(let files):
            // What a replay writes is not what the subscription remembers to have written.
            let replay = isReplay ? ".replay-" + String(UInt64.random(in: 0 ... .max), radix: 36) : ""
            return FileSink(files, owner: Self.fileName(key) + replay)
        case .mail(let mail):
            return MailSink(mail, secrets: secrets, namespace: key.namespace, hostName: hostName, now: now)
        case .kafka(let kafka):
            return KafkaSink(
                kafka, secrets: secrets, namespace: key.namespace, timeout: spec.policy.timeout, log: log)
        }
    }

    /// The subscription's name as a part of a file's.
    private static func fileName(_ key: SubscriptionKey) -> String {
        "\(PercentEncoding.encoded(key.namespace)).\(PercentEncoding.encoded(key.name))"
    }
}

/// A sink that is made when something is first delivered, and until that works answers why it does not: a file with a
/// certificate may come later.
actor LateSink: Sink {
    private let make: @Sendable () throws -> any Sink
    private var sink: (any Sink)?
    private var isClosed = false

    init(_ make: @escaping @Sendable () throws -> any Sink) { self.make = make }

    func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        guard !isClosed else { return parcels.map { _ in SinkAnswer(.retry("the sink is closed")) } }
        if sink == nil {
            do {
                sink = try make()
            } catch {
                return parcels.map { _ in SinkAnswer(.retry("\(error)")) }
            }
        }
        guard let sink else { return [] }
        return await sink.deliver(parcels)
    }

    func close() async {
        isClosed = true
        await sink?.close()
        sink = nil
    }

    func removed() async { await sink?.removed() }
}
