import Channels
import CloudEvents
import Delivery
import EventSources
import Functions
import HTTPTypes
import Identity
import Invocation
import Manifest
import Persistence
import Sandboxes
import WeirHTTP

/// All parts of a running server, as the engine sees them.
struct Parts: Sendable {
    let registry: Registry
    let writer: RegistryWriter
    let channels: ChannelDirectory
    let functions: FunctionRepository
    let pool: FunctionInvoker
    let invoker: RecordingInvoker
    let activations: ActivationStore
    let logs: LogFeed
    let sources: SourceSupervisor
    let webhooks: WebhookIntake
    let subscriptions: Subscriptions
    let reconciler: Reconciler
    let grants: Grants
    let directory: ActionDirectory
    let keys: KeyRing
    let address: ServerAddress
    let containers: ContainerEngines

    /// What a resource's running part says of itself.
    func status(of resource: ResourceDocument) async -> JSONValue? {
        switch resource.kind {
        case .channel:
            return channelStatus(resource)
        case .source:
            return await sources.status(of: SourceID(namespace: resource.namespace, name: resource.name))?.document
        case .subscription:
            let key = SubscriptionKey(namespace: resource.namespace, name: resource.name)
            return await subscriptions.status(key)?.document
        case .function: return functionStatus(resource)
        case .api:
            let base = resource.name == "/" ? "" : resource.name
            return ["path": .string("/api/\(WhiskAPI.tenant(of: resource.namespace))\(base)")]
        default: return nil
        }
    }

    private func channelStatus(_ resource: ResourceDocument) -> JSONValue? {
        guard let channel = channels.channel(namespace: resource.namespace, name: resource.name) else { return nil }
        var events: UInt64 = 0
        var bytes: UInt64 = 0
        var next: UInt64 = 0
        var partitions: [JSONValue] = []
        for partition in 0..<channel.partitionCount {
            let bounds = channel.bounds(ofPartition: partition)
            events += bounds.next - bounds.first
            bytes += bounds.bytes
            next += bounds.next
            partitions.append([
                "partition": .integer(Int64(partition)), "first": .integer(Int64(bounds.first)),
                "next": .integer(Int64(bounds.next)), "bytes": .integer(Int64(bounds.bytes)),
            ])
        }
        return [
            "partitionCount": .integer(Int64(channel.partitionCount)), "events": .integer(Int64(events)),
            "bytes": .integer(Int64(bytes)), "nextOffset": .integer(Int64(next)), "partitions": .array(partitions),
        ]
    }

    private func functionStatus(_ resource: ResourceDocument) -> JSONValue? {
        let version = functions.version(namespace: resource.namespace, name: resource.name, digest: nil)
        var status: JSONObject = ["isolation": .integer(Int64(pool.isolationLevel))]
        status["isolationMissing"] = pool.isolation?.missing
        status["version"] = resource.version.map { .string($0) }
        status["runtime"] = version.map { .string($0.runtime.rawValue) }
        status["entry"] = version.map { .string($0.entry) }
        if version?.network == .host {
            status["unsafe"] = [
                "network: host: it reaches everything that this machine reaches, the machine itself included"
            ]
        }
        return .object(status)
    }

    /// Refuses what is well-formed and yet cannot be.
    func check(
        _ kind: WeirHTTP.ResourceKind, _ document: JSONValue, name: String, current: ResourceDocument?
    ) throws(Problem) {
        guard kind == .channels, let current, let before = current.document["partitions"]?.integer,
            let after = document["partitions"]?.integer, after < before
        else { return }
        let message =
            "channel \"\(name)\" has \(before) partitions and cannot go down to \(after): order and offsets "
            + "of what it holds would be lost; make a new channel"
        throw Problem(.conflict, "conflict", message, errors: [.init(.path("partitions"), message)])
    }

    /// Refuses to delete what others still use.
    func checkUnused(_ kind: WeirHTTP.ResourceKind, namespace: String, name: String) throws(Problem) {
        guard kind == .channels else { return }
        for user in registry.all(.subscription) + registry.all(.source)
        where user.namespace == namespace && user.document["channel"]?.string == name {
            throw .conflict(
                "channel \"\(name)\" is in use by \(user.kind.rawValue) \"\(user.name)\": delete that first")
        }
    }
}

extension SourceStatus {
    /// As the API shows it.
    var document: JSONValue {
        var status: JSONObject = ["state": .string(state.name)]
        if case .failing(let why, let since) = state {
            status["reason"] = .string(why)
            status["since"] = .time(since)
        }
        status["events"] = .integer(counts.events)
        status["duplicates"] = .integer(counts.duplicates)
        status["failures"] = .integer(counts.unreadable)
        status["gaps"] = .integer(counts.gaps)
        status["lagBytes"] = .integer(lag.bytes)
        status["lagEvents"] = .integer(lag.events)
        status["lastEvent"] = lastAppend.map { .time($0) }
        status["lastEventTime"] = lastEventTime.map { .time($0) }
        status["position"] = position.map { .string($0) }
        if !notes.isEmpty { status["notes"] = .array(notes.map { .string($0) }) }
        return .object(status)
    }
}

extension SubscriptionStatus {
    /// As the API shows it.
    var document: JSONValue {
        var status = JSONObject()
        switch state {
        case .running: status["state"] = "running"
        case .paused: status["state"] = "paused"
        case .failing(let why):
            status["state"] = "failing"
            status["reason"] = .string(why)
        }
        status["lag"] = .integer(Int64(partitions.reduce(0) { $0 + $1.lag }))
        status["lagMilliseconds"] = .integer(partitions.map(\.age).max() ?? 0)
        status["inFlight"] = .integer(Int64(inFlight))
        status["pending"] = .integer(Int64(pending))
        status["waiting"] = .integer(Int64(waiting))
        status["delivered"] = .integer(Int64(counts.delivered))
        status["retried"] = .integer(Int64(counts.retried))
        status["deadLettered"] = .integer(Int64(counts.deadLettered))
        status["lastError"] = counts.lastError.map { .string($0) }
        if let gathering {
            status["gathering"] = [
                "open": .integer(Int64(gathering.open)), "late": .integer(Int64(gathering.late)),
                "strangers": .integer(Int64(gathering.strangers)),
            ]
        }
        status["partitions"] = .array(
            partitions.map { partition in
                [
                    "partition": .integer(Int64(partition.partition)), "floor": .integer(Int64(partition.floor)),
                    "end": .integer(Int64(partition.end)), "lag": .integer(Int64(partition.lag)),
                    "age": .integer(partition.age),
                ]
            })
        return .object(status)
    }
}
