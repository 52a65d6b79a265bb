import AsyncHTTPClient
import CloudEvents
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization

/// The real server as a process of its own, so that its processor time can be told from the load's.
final class BenchServer: Sendable {
    let pid: pid_t
    let url: String
    private let key: String
    private let hasEnded = Mutex(false)

    init(directory: String, arguments: [String] = []) async throws {
        let program =
            (CommandLine.arguments.first.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } ?? ".")
        let words =
            ["\(program)/weir", "serve", "--data", directory, "--port", "0", "--log-level", "warning"] + arguments
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, words[0], nil, nil, &pointers, environ) == 0 else {
            throw BenchError("\(words[0]) cannot be started")
        }
        self.pid = pid
        let deadline = ContinuousClock.now + .seconds(20)
        var found: String?
        while found == nil {
            guard ContinuousClock.now < deadline else { throw BenchError("the server did not start") }
            if let bytes = FileManager.default.contents(atPath: directory + "/server.json") {
                found = try? JSONValue(parsing: bytes)["url"]?.string
            }
            // Another process: there is nothing to await.
            try await Task.sleep(for: .milliseconds(20))
        }
        url = found ?? ""
        let bytes = FileManager.default.contents(atPath: directory + "/admin.key") ?? Data()
        key = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func stop() {
        guard
            hasEnded.withLock({ ended in
                defer { ended = true }; return !ended
            })
        else { return }
        kill(pid, SIGTERM)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// The port that it listens on.
    var port: Int { URL(string: url)?.port ?? 0 }
    /// The value of the Authorization header.
    var authorization: String { "Bearer \(key)" }
    /// The server, its launcher and all workers.
    var processes: [pid_t] { BenchServer.tree(pid) }

    /// Waits until stem cells wait again for every runtime that has been used.
    func stemsReady() async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            let stems = try await call("GET", "/v1/status")["workers"]?["stems"]
            if (stems?["ready"]?.integer ?? 1) > 0, (stems?["starting"]?.integer ?? 0) == 0 { return }
            // Another process: there is nothing to await.
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Puts a function of one file.
    func function(_ name: String, file: String = "f.py", _ code: String, _ more: JSONObject = [:]) async throws {
        var document = more
        if document["runtime"] == nil, file.hasSuffix(".py") { document["runtime"] = "python" }
        document["code"] = [
            "filename": .string(file), "base64": .string(Data(code.utf8).base64EncodedString()),
        ]
        _ = try await call("PUT", "/v1/functions/\(name)", body: JSONValue.object(document).encoded())
    }

    /// Processor seconds of the server, its launcher and all workers.
    var cpu: Double { BenchServer.tree(pid).reduce(0) { $0 + Program.cpu(of: $1) } }
    /// Processor seconds of the server alone.
    var ownCPU: Double { Program.cpu(of: pid) }

    func call(
        _ method: String, _ path: String, type: String = "application/json", body: [UInt8]? = nil
    ) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url + path)
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "Authorization", value: "Bearer \(key)")
        if let body {
            request.headers.add(name: "Content-Type", value: type)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(120))
        let bytes = try await response.body.collect(upTo: 1 << 28)
        guard (200..<300).contains(response.status.code) else {
            throw BenchError("\(method) \(path): \(response.status.code) \(String(buffer: bytes))")
        }
        return bytes.readableBytes == 0 ? .null : try JSONValue(parsing: Array(bytes.readableBytesView))
    }

    /// A process and everything below it.
    private static func tree(_ root: pid_t) -> [pid_t] {
        var all = [root]
        var index = 0
        while index < all.count {
            for task in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(all[index])/task")) ?? [] {
                let children =
                    FileManager.default.contents(atPath: "/proc/\(all[index])/task/\(task)/children") ?? Data()
                all += String(decoding: children, as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
            }
            index += 1
        }
        return all
    }
}
