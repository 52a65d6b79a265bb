import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct MetricsTests {
    @Test func metricsAreRenderedAsPrometheusReadsThem() {
        let registry = MetricsRegistry()
        registry.counter("a_total", "Things\\ \n counted.", [("kind", "x\"y\\\n")]).add(3)
        registry.gauge("b", "A level.").set(1.5)
        registry.gauge("c", "Read late.") { 7 }
        let histogram = registry.histogram("d_seconds", "Durations.", [("r", "1")], bounds: [0.1, 1])
        for value in [0.05, 0.1, 0.5, 3] { histogram.observe(value) }
        #expect(
            registry.render() == #"""
                # HELP a_total Things\\ \n counted.
                # TYPE a_total counter
                a_total{kind="x\"y\\\n"} 3
                # HELP b A level.
                # TYPE b gauge
                b 1.5
                # HELP c Read late.
                # TYPE c gauge
                c 7
                # HELP d_seconds Durations.
                # TYPE d_seconds histogram
                d_seconds_bucket{r="1",le="0.1"} 2
                d_seconds_bucket{r="1",le="1"} 3
                d_seconds_bucket{r="1",le="+Inf"} 4
                d_seconds_sum{r="1"} 3.65
                d_seconds_count{r="1"} 4

                """#)
    }

    @Test func theSameNameAndLabelsGiveTheSameHandle() {
        let registry = MetricsRegistry()
        registry.counter("a", "A.", [("x", "1")]).add()
        registry.counter("a", "A.", [("x", "1")]).add()
        registry.counter("a", "A.", [("x", "2")]).add()
        #expect(registry.render() == "# HELP a A.\n# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 1\n")
    }

    @Test func seriesBeyondTheLimitShareOne() {
        let registry = MetricsRegistry()
        for index in 0..<(MetricsRegistry.seriesLimit + 5) { registry.counter("a", "A.", [("x", "\(index)")]).add() }
        let lines = registry.render().split(separator: "\n")
        #expect(lines.count == 2 + MetricsRegistry.seriesLimit + 1)
        #expect(lines.last == "a{overflow=\"true\"} 5")
    }

    @Test func requestsAreCountedByRouteAndClass() async throws {
        let face = try TestFace()
        _ = try await face.send(.get, "/v1/channels/a")
        _ = try await face.send(.get, "/nowhere")
        let reply = try await face.send(.get, "/metrics")
        #expect(reply.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(
            reply.text.contains(
                "weir_http_requests_total{method=\"GET\",route=\"/v1/channels/{channel}\",status=\"4xx\"} 1\n"))
        #expect(reply.text.contains("weir_http_requests_total{method=\"other\",route=\"none\",status=\"4xx\"} 1\n"))
        #expect(
            reply.text.contains(
                "weir_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/channels/{channel}\"} 1\n"))
        #expect(reply.text.hasSuffix("weir_fake 1\n"))
    }
}
