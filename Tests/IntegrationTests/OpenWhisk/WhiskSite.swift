import AsyncHTTPClient
import CloudEvents
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

/// One real server for all cases of the OpenWhisk API; each case has a namespace and a key of its own in it.
actor WhiskSite {
    static let shared = WhiskSite()

    private var starting: Task<ServerProcess, any Error>?
    private var folder: TemporaryDirectory?

    /// The server's process, for the end of the test program: nobody else ends it.
    private static let pid = Mutex<pid_t>(0)

    private static func endWithTests(_ server: pid_t) {
        pid.withLock { $0 = server }
        atexit {
            let server = WhiskSite.pid.withLock { $0 }
            if server > 0 { kill(server, SIGKILL) }
        }
    }

    func server() async throws -> ServerProcess {
        if let starting { return try await starting.value }
        let folder = try TemporaryDirectory("weir-whisk")
        self.folder = folder
        let task = Task {
            // Room for the workers of all cases at once: none of them has to go for another's.
            let server = try await ServerProcess(
                data: folder.file("data"),
                arguments: ["--idle-grace", "20s", "--workers", "200", "--memory-budget", "64GiB"])
            WhiskSite.endWithTests(server.pid)
            return server
        }
        starting = task
        return try await task.value
    }

    /// A namespace that no other test has, with a key.
    func tenant(_ prefix: String = "guest") async throws -> Tenant {
        let server = try await server()
        let namespace = "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let made = try await server.client.call("POST", "/v1/keys?namespace=\(namespace)")
        try #require(made.status == 201, "\(made.text)")
        return Tenant(
            url: server.url, namespace: namespace, auth: made.json["auth"]?.string ?? "", admin: server.client)
    }
}

/// A namespace of the server, asked as OpenWhisk's clients ask.
struct Tenant: Sendable {
    let url: String
    let namespace: String
    let auth: String
    /// The native API, with the admin key.
    let admin: TestClient

    /// The kind in which the helpers are written.
    static let kind = "python:3"

    /// - Parameters:
    ///   - path: below the caller's namespace, or absolute when it begins with a slash.
    ///   - auth: other credentials; none when empty.
    func call(
        _ method: String, _ path: String, _ body: JSONValue? = nil, auth: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> TestClient.Answer {
        try await send(method, path, body.map { $0.encoded() }, type: "application/json", auth: auth, headers: headers)
    }

    func send(
        _ method: String, _ path: String, _ body: [UInt8]?, type: String?, auth: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> TestClient.Answer {
        var request = HTTPClientRequest(url: url + (path.hasPrefix("/") ? path : "/api/v1/namespaces/_/\(path)"))
        request.method = HTTPMethod(rawValue: method)
        let auth = auth ?? self.auth
        if !auth.isEmpty {
            // As every client does it (client-go `addAuthHeader`, client-js `authHeader`).
            request.headers.add(name: "Authorization", value: "Basic \(Base64Text.encode(Array(auth.utf8)))")
        }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            if let type { request.headers.add(name: "Content-Type", value: type) }
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response = try await Self.client.execute(request, timeout: .seconds(90))
        let bytes = try await response.body.collect(upTo: 1 << 28)
        return TestClient.Answer(
            status: Int(response.status.code), headers: response.headers, body: Array(bytes.readableBytesView))
    }

    /// Hands redirects back as they are; lives as long as the test program.
    private static let client = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(90)))
        // All cases ask the one server at once, and some of them wait long.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 128
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// What a case calls `W`.
    func web(_ rest: String) -> String { "/api/v1/web/\(namespace)/\(rest)" }

    // MARK: What cases are given

    static let helpers: [String: String] = [
        "echo": "def main(args):\n    return args\n",
        "hello": """
        import sys
        def main(args):
            print("hello stdout")
            print("hello stderr", file=sys.stderr)
            return {"greeting": "hello " + args.get("name", "stranger")}
        """,
        "sleep": """
        import time
        def main(args):
            time.sleep(args["ms"] / 1000)
            return {"slept": args["ms"]}
        """,
        "fail": "def main(args):\n    return {'error': args['e']}\n",
        "crash": "def main(args):\n    raise ValueError('not caught')\n",
        "arr": "def main(args):\n    return [{'key1': 'value1'}, {'key2': 'value2'}]\n",
        "inc": "def main(args):\n    return {'n': args['n'] + 1}\n",
        "env": "import os\ndef main(args):\n    return dict(os.environ)\n",
        "text": "def main(args):\n    return 'a text'\n",
        "result": "def main(args):\n    return args['result']\n",
    ]

    static func exec(_ code: String) -> JSONValue { ["kind": .string(kind), "code": .string(code)] }

    /// Makes an action of a helper, which must succeed.
    @discardableResult
    func action(
        _ name: String, _ helper: String? = nil, _ more: JSONObject = [:], overwrite: Bool = false,
        at location: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let simple = String(name.split(separator: "/").last ?? "")
        var body: JSONObject = ["exec": Self.exec(Self.helpers[helper ?? simple] ?? "")]
        for member in more.members { body[member.name] = member.value }
        let made = try await call("PUT", "actions/\(name)?overwrite=\(overwrite)", .object(body))
        try #require(made.status == 200, "\(name): \(made.text)", sourceLocation: location)
        return made.json
    }

    func make(
        _ path: String, _ body: JSONValue, at location: SourceLocation = #_sourceLocation
    ) async throws {
        let made = try await call("PUT", path, body)
        try #require(made.status == 200, "\(path): \(made.text)", sourceLocation: location)
    }

    /// A trigger, an action and a rule that joins them.
    func wired(_ trigger: String, _ rule: String, _ action: String) async throws {
        if try await call("GET", "triggers/\(trigger)").status == 404 { try await make("triggers/\(trigger)", [:]) }
        try await make(
            "rules/\(rule)", ["trigger": .string("/_/\(trigger)"), "action": .string("/_/\(action)"), "status": ""])
    }

    /// The record of an activation, as soon as there is one.
    func record(_ id: String?, at location: SourceLocation = #_sourceLocation) async throws -> JSONValue {
        let id = try #require(id, sourceLocation: location)
        var found: JSONValue = .null
        let isThere = try await eventually {
            let answer = try await call("GET", "activations/\(id)")
            found = answer.json
            return answer.status == 200
        }
        #expect(isThere, "no record of \(id)", sourceLocation: location)
        return found
    }

    /// Runs an action and gives its result.
    func result(
        _ action: String, _ arguments: JSONValue = [:], at location: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let answer = try await call("POST", "actions/\(action)?blocking=true&result=true", arguments)
        #expect(answer.status == 200, "\(action): \(answer.text)", sourceLocation: location)
        return answer.json
    }
}

/// Holds an answer against an error body: `error` and `code`, both texts.
func expectError(
    _ answer: TestClient.Answer, _ status: Int, _ text: String? = nil, containing part: String? = nil,
    at location: SourceLocation = #_sourceLocation
) {
    #expect(answer.status == status, "\(answer.text)", sourceLocation: location)
    let error = answer.json["error"]?.string
    #expect(error != nil && answer.json["code"]?.string != nil, "\(answer.text)", sourceLocation: location)
    if let text { #expect(error == text, sourceLocation: location) }
    if let part { #expect(error?.contains(part) ?? false, "\(error ?? "")", sourceLocation: location) }
}

extension JSONValue {
    /// The value of a key in a list of `{key, value}`.
    func annotation(_ key: String) -> JSONValue? {
        array?.first { $0["key"]?.string == key }?["value"]
    }

    var names: [String] { (array ?? []).compactMap { $0["name"]?.string } }
}
