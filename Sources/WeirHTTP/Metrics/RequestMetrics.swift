import HTTPTypes

/// What the face counts of its own requests, with every handle made before the first request comes.
struct RequestMetrics: Sendable {
    private struct Handles: Sendable {
        /// By class of status: index 0 is 1xx.
        let counts: [Counter]
        let durations: Histogram
    }

    private let routes: [Handles]
    /// Requests that no route answers.
    private let others: Handles

    init(routes: [Route], registry: MetricsRegistry) {
        func handles(_ method: String, _ pattern: String) -> Handles {
            Handles(
                counts: (1...5).map {
                    registry.counter(
                        "weir_http_requests_total", "HTTP requests answered, by route and class of status.",
                        [("method", method), ("route", pattern), ("status", "\($0)xx")])
                },
                durations: registry.histogram(
                    "weir_http_request_duration_seconds", "Seconds from a request's head to its answer's head.",
                    [("method", method), ("route", pattern)]))
        }
        self.routes = routes.map { handles($0.method.rawValue, $0.pattern.description) }
        others = handles("other", "none")
    }

    func record(route index: Int?, status: Int, duration: Duration) {
        let handles = index.map { routes[$0] } ?? others
        if (1...5).contains(status / 100) { handles.counts[status / 100 - 1].add() }
        let parts = duration.components
        handles.durations.observe(Double(parts.seconds) + Double(parts.attoseconds) * 1e-18)
    }
}
