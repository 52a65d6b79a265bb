import Channels
import CloudEvents
import Delivery
import EventSources
import Foundation
import Invocation
import Persistence
import Sandboxes
import WeirHTTP

extension ServerEngine {
    func status() async -> JSONObject {
        let channels = parts.channels.all.map(\.channel)
        let bounds = channels.flatMap { channel in (0..<channel.partitionCount).map { channel.bounds(ofPartition: $0) }
        }
        let sources = await parts.sources.statuses()
        let pool = parts.pool.snapshot()
        return [
            "version": .string(versionText),
            "started": .string(EventTime(nanoseconds: Int64(started.timeIntervalSince1970 * 1000) * 1_000_000).text),
            "uptimeSeconds": .integer(Int64(Date().timeIntervalSince(started))),
            "isolation": parts.pool.isolation?.document ?? ["level": 0],
            "grants": .object(parts.grants.document),
            "containers": parts.containers.document,
            "channels": [
                "count": .integer(Int64(channels.count)),
                "events": .integer(Int64(bounds.reduce(0) { $0 + $1.next - $1.first })),
                "bytes": .integer(Int64(bounds.reduce(0) { $0 + $1.bytes })),
            ],
            "sources": [
                "count": .integer(Int64(sources.count)),
                "failing": .array(
                    sources.filter { $0.status.state.name == "failing" }.map { .string($0.id.name) }),
            ],
            "subscriptions": ["count": .integer(Int64(parts.registry.all(.subscription).count))],
            "workers": [
                "alive": .integer(Int64(parts.pool.workerCount)), "running": .integer(Int64(parts.pool.runningCount)),
                "queued": .integer(Int64(parts.pool.queuedCount)),
                "stems": [
                    "ready": .integer(Int64(pool.stems.reduce(0) { $0 + $1.ready })),
                    "starting": .integer(Int64(pool.stems.reduce(0) { $0 + $1.starting })),
                ],
            ],
            "activations": [
                "dropped": .integer(Int64(parts.activations.droppedCount)),
                "failure": parts.activations.failure.map { .string($0.message) } ?? .null,
            ],
        ]
    }

    func workers() async -> JSONObject { parts.pool.snapshot().document() }

    func version() -> JSONObject { ["name": "weir", "version": .string(versionText), "api": "v1"] }

    func health() async -> JSONObject {
        guard let isolation = parts.pool.isolation else { return [:] }
        var document: JSONObject = ["level": .integer(Int64(isolation.level))]
        document["missing"] = isolation.missing
        return ["isolation": .object(document)]
    }

    func obstacles() async -> [String] {
        [
            parts.activations.failure.map { "activations cannot be kept: \($0.message)" },
            parts.pool.isolation?.obstacle,
        ].compactMap(\.self)
    }

    func metrics() async -> String {
        var text = PrometheusText()
        for (key, channel) in parts.channels.all {
            for partition in 0..<channel.partitionCount {
                let bounds = channel.bounds(ofPartition: partition)
                let labels = [("namespace", key.namespace), ("channel", key.name), ("partition", String(partition))]
                text.add("weir_channel_next_offset", .counter, "Offset of the next event.", labels, Double(bounds.next))
                text.add("weir_channel_bytes", .gauge, "Bytes on disk.", labels, Double(bounds.bytes))
            }
        }
        for source in await parts.sources.statuses() {
            let labels = [("namespace", source.id.namespace), ("source", source.id.name)]
            let counts = source.status.counts
            text.add("weir_source_events_total", .counter, "Events taken.", labels, Double(counts.events))
            text.add(
                "weir_source_unreadable_total", .counter, "Records that could not be read.", labels,
                Double(counts.unreadable))
            text.add(
                "weir_source_running", .gauge, "1 when the source runs.", labels,
                source.status.state.name == "running" ? 1 : 0)
            text.add("weir_source_lag_bytes", .gauge, "Bytes not yet read.", labels, Double(source.status.lag.bytes))
        }
        for resource in parts.registry.all(.subscription) {
            let key = SubscriptionKey(namespace: resource.namespace, name: resource.name)
            guard let status = await parts.subscriptions.status(key) else { continue }
            let labels = [("namespace", key.namespace), ("subscription", key.name)]
            let lag = status.partitions.reduce(0) { $0 + $1.lag }
            text.add("weir_subscription_lag_events", .gauge, "Events behind the end.", labels, Double(lag))
            text.add(
                "weir_subscription_delivered_total", .counter, "Events delivered.", labels,
                Double(status.counts.delivered))
            text.add(
                "weir_subscription_retried_total", .counter, "Attempts repeated.", labels, Double(status.counts.retried)
            )
            text.add(
                "weir_subscription_dead_lettered_total", .counter, "Events given up.", labels,
                Double(status.counts.deadLettered))
        }
        addPools(parts.pool.snapshot(), to: &text)
        text.add("weir_workers", .gauge, "Live function workers.", [], Double(parts.pool.workerCount))
        text.add("weir_workers_running", .gauge, "Workers with a call.", [], Double(parts.pool.runningCount))
        text.add("weir_calls_queued", .gauge, "Calls that wait for a worker.", [], Double(parts.pool.queuedCount))
        text.add(
            "weir_activations_dropped_total", .counter, "Records of runs that were given up.", [],
            Double(parts.activations.droppedCount))
        return text.rendered
    }
}

/// Prometheus text (exposition format 0.0.4): each metric's help and type once, its samples together.
struct PrometheusText {
    enum Kind: String { case counter, gauge }

    private var order: [String] = []
    private var metrics: [String: (help: String, kind: Kind, samples: [String])] = [:]

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ labels: [(String, String)], _ value: Double) {
        if metrics[name] == nil {
            order.append(name)
            metrics[name] = (help, kind, [])
        }
        let pairs = labels.map { "\($0.0)=\"\(PrometheusText.escaped($0.1))\"" }.joined(separator: ",")
        let number = value == value.rounded() && abs(value) < 9e15 ? String(Int64(value)) : String(value)
        metrics[name]?.samples.append("\(name)\(pairs.isEmpty ? "" : "{\(pairs)}") \(number)")
    }

    var rendered: String {
        var out = ""
        for name in order {
            guard let metric = metrics[name] else { continue }
            out += "# HELP \(name) \(metric.help)\n# TYPE \(name) \(metric.kind.rawValue)\n"
            for sample in metric.samples { out += sample + "\n" }
        }
        return out
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { out, character in
            switch character {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "\n": out += "\\n"
            default: out.append(character)
            }
        }
    }
}
