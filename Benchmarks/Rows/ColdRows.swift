import CloudEvents
import Foundation

/// First calls: each way a worker can come, isolated, beside the bare interpreter, other sandboxes and a warm call, all in
/// alternation in one run.
enum ColdRows {
    private static let rounds = 60

    static func run(_ report: Report, directory: String) async throws {
        let room = try Room(directory + "/cold")
        try await runtime(
            report, room, name: "Python", file: "f.py", code: "def main(args):\n    return {\"ok\": True}\n",
            floors: pythonFloors(room), ways: [.stem, .zygote, .exec])
        if let node = Program.find("node") {
            try await runtime(
                report, room, name: "Node.js", file: "f.js",
                code: "exports.main = (args) => ({ ok: true });\n", floors: [.node(room.path, node)],
                ways: [.stem, .exec])
        } else {
            report.section("First call, Node.js: skipped, node is not installed")
        }
        try await runtime(
            report, room, name: "a shell program", file: "f",
            code: "#!/bin/sh\nwhile read -r line; do echo '{\"ok\":true}'; done\n", floors: [.shell(room.path)],
            ways: [.exec], more: ["runtime": "executable"])
    }

    /// The ways a worker comes, and how a server is told to have no better one.
    private enum Way: String {
        case stem, zygote, exec

        var arguments: [String] {
            switch self {
            case .stem: []
            case .zygote: ["--stems", "0"]
            case .exec: ["--stems", "0", "--no-zygote"]
            }
        }

        var text: String {
            switch self {
            case .stem: "a stem cell ready"
            case .zygote: "by zygote"
            case .exec: "nothing ready"
            }
        }

        /// DESIGN §9, of the bare Python start.
        var budget: Row.Budget {
            switch self {
            case .stem: .ratioAtMost(0.1)
            case .zygote: .ratioAtMost(0.3)
            case .exec: .ratioAtMost(1.3)
            }
        }
    }

    private static func pythonFloors(_ room: Room) -> [BareStart] {
        var floors: [BareStart] = [.python(room.path)]
        if let bubblewrap = BareStart.bubblewrap(room.path) { floors.append(bubblewrap) }
        for engine in ["crun", "runc", "runsc"] {
            if let one = try? BareStart.bundle(engine, room.path) { floors.append(one) }
        }
        if let podman = BareStart.podman(room.path) { floors.append(podman) }
        return floors
    }

    /// Until what was measured before has cleared away behind it: engines go on for a while when their program has answered.
    private static func rest() async throws { try await Task.sleep(for: .milliseconds(30)) }

    private static func runtime(
        _ report: Report, _ room: Room, name: String, file: String, code: String, floors: [BareStart], ways: [Way],
        more: JSONObject = [:]
    ) async throws {
        report.section("First call, \(name), isolated, real server (\(rounds) of each, in alternation)")
        var servers: [(way: Way, server: BenchServer, client: PlainClient)] = []
        defer { for one in servers { one.server.stop() } }
        for way in ways {
            let server = try await BenchServer(
                directory: room.path + "/\(name.prefix(2))-\(way.rawValue)", arguments: way.arguments)
            servers.append((way, server, try PlainClient(port: server.port)))
        }
        let request = Array("{\"file\":\"\(room.path)/code/\(file)\",\"args\":{}}\n".utf8)
        try room.write("code/" + file, code)
        var samples: [String: [Double]] = [:]
        var others: [String: Int] = [:]
        var isDead: Set<String> = []
        // Not counted: the first of each, which fills the page cache.
        for round in -3..<rounds {
            for floor in floors where !isDead.contains(floor.name) {
                try await rest()
                guard let took = floor.milliseconds(request: request, number: round) else {
                    isDead.insert(floor.name)
                    continue
                }
                if round >= 0 { samples[floor.name, default: []].append(took) }
            }
            for (way, server, client) in servers {
                let function = "cold-\(round + 3)"
                // Each its own version, so that each is a first call of code that no worker has.
                try await server.function(
                    function, file: file, code + (file == "f.js" ? "//" : "#") + " \(round)\n", more)
                if way == .stem { try await server.stemsReady() }
                let call = PlainClient.request(
                    "/v1/functions/\(function)/invoke?blocking=true", key: server.authorization)
                try await rest()
                let began = Measure.clock(CLOCK_MONOTONIC)
                let answer = try JSONValue(parsing: try client.call(call))
                let took = (Measure.clock(CLOCK_MONOTONIC) - began) * 1_000
                guard answer["status"] == "success" else { throw BenchError("\(way): \(answer.text)") }
                let came = answer["coldStart"]?["way"]?.string ?? "?"
                if round >= 0 {
                    if came == way.rawValue {
                        samples[way.text, default: []].append(took)
                    } else {
                        others["\(way.text): \(came)", default: 0] += 1
                    }
                }
                let warm = Measure.clock(CLOCK_MONOTONIC)
                try client.call(call)
                if round >= 0, way == ways[0] {
                    samples["a warm call", default: []].append((Measure.clock(CLOCK_MONOTONIC) - warm) * 1_000)
                }
            }
        }
        let floor = floors[0]
        let base = (samples[floor.name] ?? []).sorted()
        for row in ways.map(\.text) + ["a warm call"] + floors.map(\.name) {
            let sorted = (samples[row] ?? []).sorted()
            guard !sorted.isEmpty else {
                report.section("  \(row): no sample here")
                continue
            }
            for (text, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                let way = ways.first { $0.text == row }
                report.add(
                    Row(
                        name: "\(row), \(text)", value: Measure.percentile(sorted, share), unit: "ms",
                        floor: Measure.percentile(base, share), floorName: "\(floor.name), not isolated",
                        budget: text == "p50" && name == "Python" ? way?.budget : nil))
            }
        }
        for (text, count) in others.sorted(by: { $0.key < $1.key }) {
            report.section("  not counted, came another way: \(text) × \(count)")
        }
    }
}

/// The folder in which the compared starts find the same files.
struct Room {
    let path: String

    init(_ path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path + "/code", withIntermediateDirectories: true)
        try write("runner.py", BareStart.pythonRunner)
        try write("runner.js", BareStart.nodeRunner)
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
    }
}
