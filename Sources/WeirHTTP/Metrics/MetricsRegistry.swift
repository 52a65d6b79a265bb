import Synchronization

/// The metrics of one server, and their rendering as Prometheus text (exposition format 0.0.4).
///
/// Asking twice for the same name and labels gives the same handle. Labels never carry an event's id, a path or a
/// token's subject: the number of series is bounded, and what goes beyond shares one series labelled `overflow`.
package final class MetricsRegistry: Sendable {
    package typealias Labels = [(name: String, value: String)]

    /// How many series one metric may have.
    package static let seriesLimit = 1000

    private enum Handle: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case reading(@Sendable () -> Double)
        case histogram(Histogram)

        var kind: String {
            switch self {
            case .counter: "counter"
            case .gauge, .reading: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    private struct Family: Sendable {
        var help: String
        var kind: String
        var order: [String] = []
        var series: [String: Handle] = [:]
    }

    private struct State: Sendable {
        var order: [String] = []
        var families: [String: Family] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func counter(_ name: String, _ help: String, _ labels: Labels = []) -> Counter {
        if case .counter(let handle) = handle(name, help, labels, make: { .counter(Counter()) }) { return handle }
        return Counter()
    }

    package func gauge(_ name: String, _ help: String, _ labels: Labels = []) -> Gauge {
        if case .gauge(let handle) = handle(name, help, labels, make: { .gauge(Gauge()) }) { return handle }
        return Gauge()
    }

    /// A gauge that is read when somebody asks for the metrics.
    package func gauge(
        _ name: String, _ help: String, _ labels: Labels = [], read: @escaping @Sendable () -> Double
    ) {
        _ = handle(name, help, labels, make: { .reading(read) })
    }

    package func histogram(
        _ name: String, _ help: String, _ labels: Labels = [], bounds: [Double] = Histogram.requestBounds
    ) -> Histogram {
        let made = handle(name, help, labels, make: { .histogram(Histogram(bounds: bounds)) })
        if case .histogram(let handle) = made { return handle }
        return Histogram(bounds: bounds)
    }

    private func handle(_ name: String, _ help: String, _ labels: Labels, make: () -> Handle) -> Handle {
        state.withLock { state in
            if state.families[name] == nil {
                state.order.append(name)
                state.families[name] = Family(help: help, kind: make().kind)
            }
            var key = Self.text(labels)
            guard var family = state.families[name] else { return make() }
            if let known = family.series[key] { return known }
            if family.series.count >= Self.seriesLimit { key = "overflow=\"true\"" }
            if let known = family.series[key] { return known }
            let handle = make()
            guard handle.kind == family.kind else { return handle }
            family.series[key] = handle
            family.order.append(key)
            state.families[name] = family
            return handle
        }
    }

    /// All metrics as Prometheus text.
    package func render() -> String {
        let snapshot = state.withLock { state in state.order.map { ($0, state.families[$0]) } }
        var out = ""
        for case (let name, let family?) in snapshot {
            out += "# HELP \(name) \(Self.escaped(family.help, quotes: false))\n# TYPE \(name) \(family.kind)\n"
            for key in family.order {
                let labels = key.isEmpty ? "" : "{\(key)}"
                switch family.series[key] {
                case .counter(let counter): out += "\(name)\(labels) \(counter.value)\n"
                case .gauge(let gauge): out += "\(name)\(labels) \(Self.number(gauge.value))\n"
                case .reading(let read): out += "\(name)\(labels) \(Self.number(read()))\n"
                case .histogram(let histogram): out += Self.text(histogram, name, key)
                case nil: break
                }
            }
        }
        return out
    }

    private static func text(_ histogram: Histogram, _ name: String, _ key: String) -> String {
        let (counts, sum) = histogram.snapshot
        let labels = key.isEmpty ? "" : "{\(key)}"
        var out = ""
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
            out += "\(name)_bucket{\(key.isEmpty ? "" : key + ",")le=\"\(bound)\"} \(total)\n"
        }
        return out + "\(name)_sum\(labels) \(number(sum))\n\(name)_count\(labels) \(total)\n"
    }

    private static func text(_ labels: Labels) -> String {
        labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }
}
