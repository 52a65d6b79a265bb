import CKafka
import CloudEvents
import Foundation
import Glibc

/// Kafka → Weir → a no-op Python function, beside a plain consumer loop of librdkafka over the same topic.
enum KafkaRows {
    private static let count = 100_000
    private static let topic = "weir.default.in"

    static func run(_ report: Report, directory: String) async throws {
        report.section("Kafka → Weir → Python no-op, batches of 256, 4 partitions")
        guard let program = ProcessInfo.processInfo.environment["WEIR_KAFKA_BROKER"], access(program, X_OK) == 0 else {
            report.section("  left out: no broker (script/setup-tests kafka; WEIR_KAFKA_BROKER names its program)")
            return
        }
        let port = 20_000 + Int(getpid() % 20_000)
        let bootstrap = "127.0.0.1:\(port)"
        let broker = try spawn([
            program, "broker", "--cluster-id", "bench", "--listener-url", "tcp://\(bootstrap)",
            "--advertised-listener-url", "tcp://\(bootstrap)", "--storage-engine", "memory://tansu/",
        ])
        defer {
            kill(broker, SIGKILL)
            var status: Int32 = 0
            waitpid(broker, &status, 0)
        }
        let properties = directory + "/kafka.properties"
        try "session.timeout.ms = 6000\n".write(toFile: properties, atomically: true, encoding: .utf8)
        let server = try await BenchServer(
            directory: directory + "/kafka", arguments: ["--kafka", bootstrap, "--kafka-properties", properties])
        defer { server.stop() }
        _ = try await server.call("PUT", "/v1/channels/in", body: Array(#"{"partitions": 4}"#.utf8))
        try await server.function("noop", "def handle(event, context):\n    return {}\n")
        try await FunctionRows.publish(server, 0..<count)
        // In alternation, the plain loop before and after.
        let before = try plainLoop(bootstrap, group: "plain-1")
        let rate = try await weir(server, "noop")
        let after = try plainLoop(bootstrap, group: "plain-2")
        try await server.function("batch", "def handle_batch(events, context):\n    return {}\n")
        let batches = try await weir(server, "batch")
        for (name, rate) in [("handle(event)", rate), ("handle_batch(events)", batches)] {
            report.add(
                Row(
                    name: "events, wall clock, \(name)", value: rate, unit: "events/s", floor: max(before, after),
                    floorName: "librdkafka consumer loop", budget: .ratioAtLeast(1.0 / 3)))
        }
    }

    /// Events a second from the first that is delivered to the last: what the group takes to gather does not count.
    private static func weir(_ server: BenchServer, _ function: String) async throws -> Double {
        let subscription: JSONValue = [
            "channel": "in", "sink": .string("function:\(function)"),
            "delivery": ["start": "earliest", "batch": ["size": 256, "linger": "0ms"], "concurrency": 2],
        ]
        _ = try await server.call("POST", "/v1/functions/\(function)/invoke?blocking=true", body: Array("{}".utf8))
        _ = try await server.call("PUT", "/v1/subscriptions/\(function)", body: subscription.encoded())
        let deadline = ContinuousClock.now + .seconds(180)
        var start: (time: Double, delivered: Int64)?
        while ContinuousClock.now < deadline {
            let status = try await server.call("GET", "/v1/subscriptions/\(function)")["status"]
            let delivered = status?["delivered"]?.integer ?? 0
            let now = Measure.clock(CLOCK_MONOTONIC)
            if start == nil, delivered > 0 { start = (now, delivered) }
            if let start, delivered >= Int64(count) {
                return Double(delivered - start.delivered) / max(now - start.time, 1e-6)
            }
            // Another process: there is nothing to await.
            try await Task.sleep(for: .milliseconds(10))
        }
        throw BenchError("the events of the topic were not delivered")
    }

    /// Events a second of a loop that polls message after message and does nothing with them.
    private static func plainLoop(_ bootstrap: String, group: String) throws -> Double {
        var text = [CChar](repeating: 0, count: 512)
        let configuration = rd_kafka_conf_new()
        for (name, value) in [
            ("bootstrap.servers", bootstrap), ("group.id", group), ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "6000"), ("enable.auto.commit", "false"),
        ] {
            guard rd_kafka_conf_set(configuration, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
                throw BenchError("\(name) is refused by librdkafka")
            }
        }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, &text, text.count) else {
            throw BenchError("no client of librdkafka can be made")
        }
        defer { rd_kafka_destroy(client) }
        rd_kafka_poll_set_consumer(client)
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, -1)
        guard rd_kafka_subscribe(client, list) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw BenchError("\(topic) cannot be subscribed to")
        }
        var seen = 0
        var start = 0.0
        let deadline = ContinuousClock.now + .seconds(60)
        while seen < count {
            guard let message = rd_kafka_consumer_poll(client, 100) else {
                guard ContinuousClock.now < deadline else { throw BenchError("the plain loop saw \(seen) events") }
                continue
            }
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                if seen == 0 { start = Measure.clock(CLOCK_MONOTONIC) }
                seen += 1
            }
            rd_kafka_message_destroy(message)
        }
        let rate = Double(seen - 1) / max(Measure.clock(CLOCK_MONOTONIC) - start, 1e-6)
        rd_kafka_consumer_close(client)
        return rate
    }

    private static func spawn(_ arguments: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, arguments[0], &actions, nil, &pointers, environ) == 0 else {
            throw BenchError("\(arguments[0]) cannot be started")
        }
        return pid
    }
}
