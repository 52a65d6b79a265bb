import AsyncHTTPClient
import CloudEvents
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport

/// The real server as its own process, so that it can be killed.
final class ServerProcess: Sendable {
    let data: String
    let pid: pid_t
    let url: String
    let key: String
    /// How it ended, once that was waited for.
    private let ended = Mutex<Int32?>(nil)

    struct StartFailure: Error, CustomStringConvertible {
        let description: String
    }

    /// The `weir` program beside the test bundle.
    static var program: String {
        let bundle = URL(fileURLWithPath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent()
        for folder in [
            bundle, URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent(),
        ]
            + [Bundle.main.bundleURL, URL(fileURLWithPath: FileManager.default.currentDirectoryPath + "/.build/debug")]
        {
            let candidate = folder.appendingPathComponent("weir").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return ".build/debug/weir"
    }

    /// Starts a server on a free port and returns when it is ready.
    ///
    /// - Parameters:
    ///   - input: what it reads as its standard input; `/dev/null` when `nil`.
    ///   - prefix: a program that starts it, as another user for example.
    ///   - environment: variables beside those of the tests.
    init(
        data: String, arguments: [String] = [], input: Int32? = nil, prefix: [String] = [],
        program: String = ServerProcess.program, environment: [String: String] = [:]
    ) async throws {
        self.data = data
        let address = data + "/server.json"
        try? FileManager.default.removeItem(atPath: address)
        pid = try ServerProcess.spawn(
            prefix + [program, "serve", "--data", data, "--port", "0"] + arguments, log: data + ".log",
            input: input, environment: environment)
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            if let bytes = FileManager.default.contents(atPath: address), let json = try? JSONValue(parsing: bytes),
                let url = json["url"]?.string
            {
                self.url = url
                break
            }
            var status: Int32 = 0
            guard ContinuousClock.now < deadline, waitpid(pid, &status, WNOHANG) == 0 else {
                kill(pid, SIGKILL)
                let log = FileManager.default.contents(atPath: data + ".log") ?? Data()
                throw StartFailure(description: "the server did not start: " + String(decoding: log, as: UTF8.self))
            }
            // The server says that it is ready by writing its address: another process, so there is nothing to await.
            try await Task.sleep(for: .milliseconds(20))
        }
        let bytes = FileManager.default.contents(atPath: data + "/admin.key") ?? Data()
        key = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit {
        if ended.withLock({ $0 }) == nil { kill9() }
    }

    /// Ends the server without a warning, as a crash or the kernel would.
    func kill9() { end(SIGKILL) }

    /// Asks the server to end and waits for it; the exit status.
    @discardableResult
    func stop() -> Int32 { end(SIGTERM) }

    /// What it has logged.
    var log: String {
        String(decoding: FileManager.default.contents(atPath: data + ".log") ?? Data(), as: UTF8.self)
    }

    @discardableResult
    private func end(_ signal: Int32) -> Int32 {
        ended.withLock { ended in
            if let ended { return ended }
            kill(pid, signal)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
            ended = code
            return code
        }
    }

    private static func spawn(
        _ arguments: [String], log: String, input: Int32?, environment more: [String: String]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var pointers = arguments.map { strdup($0) } + [nil]
        let environment = ProcessInfo.processInfo.environment.merging(more) { $1 }
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, nil, &pointers, &variables)
        guard result == 0 else {
            throw StartFailure(description: "\(arguments[0]): \(String(cString: strerror(result)))")
        }
        return pid
    }
}

/// Requests to a server under test.
struct TestClient: Sendable {
    let url: String
    let key: String?
    /// The usual one has at most eight connections to a server: whoever floods needs another.
    var connections = HTTPClient.shared

    struct Answer: Sendable {
        let status: Int
        let headers: HTTPHeaders
        let body: [UInt8]
        var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    func call(
        _ method: String, _ path: String, type: String = "application/json", headers: [(String, String)] = [],
        body: [UInt8]? = nil, timeout: TimeAmount = .seconds(60)
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url + path)
        request.method = HTTPMethod(rawValue: method)
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            request.headers.add(name: "Content-Type", value: type)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response = try await connections.execute(request, timeout: timeout)
        let bytes = try await response.body.collect(upTo: 1 << 28)
        return Answer(
            status: Int(response.status.code), headers: response.headers, body: Array(bytes.readableBytesView))
    }

    func put(_ path: String, _ document: JSONValue) async throws -> Answer {
        try await call("PUT", path, body: document.encoded())
    }
}

extension ServerProcess {
    var client: TestClient { TestClient(url: url, key: key) }
}

/// Asks again until the condition holds; for what another process does, where there is nothing to await.
func eventually(
    within limit: Duration = .seconds(30), _ condition: () async throws -> Bool
) async throws -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(25))
    }
    return false
}

extension ServerProcess {
    /// Asks the server to end and waits without holding a thread; the exit status, `nil` when it did not end in time.
    func stopped(within limit: Duration) async throws -> Int32? {
        kill(pid, SIGTERM)
        let hasEnded = try await eventually(within: limit) {
            var info = siginfo_t()
            // Looked at and left, so that whoever waits for it still finds it.
            return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == SIGCHLD
        }
        return hasEnded ? stop() : nil
    }
}
