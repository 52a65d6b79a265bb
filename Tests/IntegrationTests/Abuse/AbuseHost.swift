import CloudEvents
import Foundation
import NIOCore
import TestSupport
import Testing

/// As whom the server runs that is to be abused.
enum Account: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case root
    case ordinary

    /// A user that nobody has; the server needs no entry in the user database.
    static var ordinaryUser: uid_t { 54_321 }

    var testDescription: String { self == .root ? "as root" : "as an ordinary user" }

    /// Why it cannot be had here; `nil` when it can.
    var obstacle: String? {
        let isRoot = geteuid() == 0
        switch self {
        case .root: return isRoot ? nil : "the tests do not run as root"
        case .ordinary:
            if !isRoot { return nil }
            return FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv") ? nil : "setpriv is not there"
        }
    }
}

/// A server with canaries around it, a function that abuses, and a neighbour that must not notice.
final class AbuseHost: Sendable {
    let account: Account
    let folder: TemporaryDirectory
    let server: ServerProcess
    /// The isolation level that the server found here.
    let level: Int
    /// Stands in the server's environment and in a file beside its data; no function may ever see it.
    let canary: String
    private let traces: Traces
    private let arguments: [String]
    private let prefix: [String]
    var client: TestClient { server.client }

    /// Starts it; `nil`, said aloud, when the account cannot be had.
    static func start(_ account: Account, _ arguments: [String] = [], minimum level: Int = 1) async throws -> AbuseHost?
    {
        if let obstacle = account.obstacle {
            print("skipped: \(account.testDescription): \(obstacle)")
            return nil
        }
        let host = try await AbuseHost(account, arguments)
        if host.level < level {
            print("skipped: \(account.testDescription): this needs isolation level \(level), here is \(host.level)")
            _ = host.server.stop()
            return nil
        }
        return host
    }

    private init(_ account: Account, _ arguments: [String]) async throws {
        self.account = account
        folder = try TemporaryDirectory("weir-abuse")
        canary = "canary-\(UUID().uuidString)"
        try Data(canary.utf8).write(to: URL(fileURLWithPath: folder.file("canary.txt")))
        let data = folder.file("data")
        var prefix: [String] = []
        if account == .ordinary, geteuid() == 0 {
            // The build folder may be out of the user's sight.
            for name in ["weir", "weir-launcher"] {
                let source = URL(fileURLWithPath: ServerProcess.program).deletingLastPathComponent().path + "/" + name
                if link(source, folder.file(name)) != 0 {
                    // By a process of its own: a descriptor open for writing here would be inherited by what another
                    // test starts just now, and the program be busy.
                    _ = try await Command.run(["/bin/cp", source, folder.file(name)], data: data)
                }
            }
            chown(folder.path, Account.ordinaryUser, Account.ordinaryUser)
            let id = String(Account.ordinaryUser)
            prefix = [
                "/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--inh-caps=-all",
            ]
        }
        chmod(folder.path, 0o755)
        traces = Traces()
        self.arguments = arguments
        self.prefix = prefix
        server = try await ServerProcess(
            data: data, arguments: arguments, prefix: prefix,
            program: prefix.isEmpty ? ServerProcess.program : folder.file("weir"), environment: ["WEIR_CANARY": canary])
        level = Int(try await server.client.call("GET", "/v1/status").json["isolation"]?["level"]?.integer ?? 0)
        try await server.client.function("neighbour", "def main(args):\n    return {'fine': True}\n")
        try await expectNeighbour()
    }

    /// Deploys an attempt of the folder `attempts`, with the prelude in front.
    func deploy(_ attempt: String, as name: String? = nil, _ more: JSONObject = [:]) async throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("attempts")
        let prelude = try String(contentsOf: folder.appendingPathComponent("prelude.py"), encoding: .utf8)
        let body = try String(contentsOf: folder.appendingPathComponent("\(attempt).py"), encoding: .utf8)
        var spec: JSONObject = ["timeout": "20s", "memory": "128MB", "runtime": "python"]
        for member in more.members { spec[member.name] = member.value }
        try await client.function(name ?? attempt.replacing("_", with: "-"), prelude + body, spec)
    }

    /// Calls a function and waits for its activation.
    func invoke(_ function: String, _ arguments: JSONObject = [:]) async throws -> JSONValue {
        let answer = try await client.call(
            "POST", "/v1/functions/\(function)/invoke?blocking=true", body: JSONValue.object(arguments).encoded(),
            timeout: .seconds(120))
        try #require(answer.status == 200, "\(function): \(answer.text)")
        return answer.json
    }

    /// Deploys and calls an attempt.
    func attempt(
        _ attempt: String, _ arguments: JSONObject = [:], spec: JSONObject = [:]
    ) async throws -> JSONValue {
        try await deploy(attempt, spec)
        return try await invoke(attempt.replacing("_", with: "-"), arguments)
    }

    /// The neighbour still works, at once.
    func expectNeighbour(_ location: SourceLocation = #_sourceLocation) async throws {
        let run = try await invoke("neighbour")
        #expect(run["result"] == ["fine": true], "the neighbour: \(run.text)", sourceLocation: location)
        #expect(run["isolation"]?.integer == Int64(level), "\(run.text)", sourceLocation: location)
    }

    /// Stops the server and holds what is there now against what was there before it.
    func finish(_ location: SourceLocation = #_sourceLocation) async throws {
        try await expectNeighbour(location)
        let status = try await server.stopped(within: .seconds(30))
        #expect(status == 0, "the server did not end well: \(server.log)", sourceLocation: location)
        let left = try await left()
        #expect(left.isEmpty, "left behind: \(left)", sourceLocation: location)
    }

    /// What of the server is left, now that it has ended.
    func left() async throws -> [String] { try await traces.left(of: folder.path, server.pid) }

    /// Another server on the data of this one, which has ended.
    func again() async throws -> AbuseHost { try await AbuseHost(again: self) }

    private init(again host: AbuseHost) async throws {
        (account, folder, canary, traces) = (host.account, host.folder, host.canary, host.traces)
        (arguments, prefix, level) = (host.arguments, host.prefix, host.level)
        server = try await ServerProcess(
            data: host.server.data, arguments: arguments, prefix: prefix,
            program: prefix.isEmpty ? ServerProcess.program : folder.file("weir"), environment: ["WEIR_CANARY": canary])
    }

    /// Control groups of this server's workers that hold no process.
    var emptyGroups: [String] {
        Traces.controlGroups().filter { $0.contains("weir-\(server.pid)-") }.flatMap { tree in
            ((try? FileManager.default.contentsOfDirectory(atPath: tree)) ?? [])
                .filter { UInt64($0) != nil }.map { tree + "/" + $0 }
                .filter { FileManager.default.contents(atPath: $0 + "/cgroup.procs")?.isEmpty == true }
        }
    }
}

/// What a server might leave on the machine.
struct Traces: Sendable {
    private let mounts: Set<String>
    private let groups: Set<String>

    init() {
        mounts = Traces.mountPoints()
        groups = Traces.controlGroups()
    }

    /// What is there that was not there before: processes that name the folder, mounts, control groups of ours.
    func left(of folder: String, _ server: pid_t) async throws -> [String] {
        var found: [String] = []
        _ = try await eventually(within: .seconds(10)) {
            found = Traces.processes(naming: folder).map { "process \($0)" }
            found += Traces.mountPoints().subtracting(mounts).filter { $0.contains(folder) || $0.contains("weir") }
            // Named by the server that made them: other tests run servers of their own at the same time.
            found += Traces.controlGroups().subtracting(groups).filter { $0.contains("-\(server)-") }
            return found.isEmpty
        }
        return found
    }

    /// Processes whose command line has the text.
    static func processes(naming text: String) -> [String] {
        let own = String(getpid())
        return ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { name in
            guard name.allSatisfy(\.isNumber), name != own else { return false }
            let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data()
            return String(decoding: line, as: UTF8.self).contains(text)
        }
    }

    /// The processes that a process has started or been given.
    static func children(of pid: pid_t) -> [pid_t] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []).flatMap { thread in
            String(
                decoding: FileManager.default.contents(atPath: "/proc/\(pid)/task/\(thread)/children") ?? Data(),
                as: UTF8.self
            ).split(separator: " ").compactMap { pid_t($0) }
        }
    }

    /// All that is below a process.
    static func descendants(of pid: pid_t) -> [pid_t] {
        var found = children(of: pid)
        var index = 0
        while index < found.count {
            found += children(of: found[index])
            index += 1
        }
        return found
    }

    static func name(of pid: pid_t) -> String {
        String(decoding: FileManager.default.contents(atPath: "/proc/\(pid)/comm") ?? Data(), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    static func isRunning(_ pid: pid_t) -> Bool {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(pid)/stat") ?? Data(), as: UTF8.self)
        return !text.isEmpty && !text[(text.lastIndex(of: ")") ?? text.startIndex)...].hasPrefix(") Z")
    }

    private static func mountPoints() -> Set<String> {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/self/mounts") ?? Data(), as: UTF8.self)
        return Set(
            text.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) })
    }

    /// The groups whose name begins with `weir`, wherever below the control group file systems.
    static func controlGroups() -> Set<String> {
        var found: Set<String> = []
        func walk(_ folder: String, _ depth: Int) {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                let path = folder + "/" + name
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
                    continue
                }
                if name.hasPrefix("weir") { found.insert(path) } else if depth < 6 { walk(path, depth + 1) }
            }
        }
        walk("/sys/fs/cgroup", 0)
        return found
    }
}
