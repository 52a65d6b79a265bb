import CloudEvents
import Outbound
import StorageEvents

/// Why the frontend did not do what was asked.
struct FrontendError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The HTTP status; 0 when there was no answer.
    let status: Int
    /// What the frontend said.
    let detail: String
    /// What was asked.
    let request: String

    var description: String {
        status == 0 ? detail : "\(request): the frontend answered \(status)\(detail.isEmpty ? "" : " (\(detail))")"
    }

    /// Whether the same may work later without anybody doing anything.
    var isPassing: Bool { status == 0 || status == 408 || status == 429 || status >= 500 }
}

/// The requests of dCache's event and namespace APIs (`EventResources`, `NamespaceResources` of dCache's frontend).
///
/// Addresses of channels and subscriptions are opaque and never written anew. They are asked for at the configured
/// host, whatever host they name, so that the credential goes nowhere else.
struct Frontend: Sendable {
    let base: String
    let client: WebClient
    let authorization: @Sendable () throws(SecretError) -> String?

    private static let timeout: Int64 = 60_000

    // MARK: Channels

    /// The longest life of an unattended channel, in seconds.
    func longestLife() async throws -> Int {
        let answer = try await ask("GET", base + "/api/v1/events")
        let limits = try json(answer)["channels"]?["lifetimeWhenDisconnected"]
        return limits?["maximum"]?.integer.flatMap { Int(exactly: $0) } ?? 300
    }

    func createChannel(client id: String) async throws -> String {
        let address = base + "/api/v1/events/channels"
        let answer = try await ask("POST", address, json: ["client-id": .string(id)], accepting: [201])
        guard let location = answer["location"], !location.isEmpty else {
            throw FrontendError(status: 201, detail: "no Location", request: "POST \(address)")
        }
        return location
    }

    func channels(client id: String) async throws -> [String] {
        let answer = try await ask(
            "GET", base + "/api/v1/events/channels?client-id=" + URIText.encoded(id), accepting: [200])
        return try json(answer).array?.compactMap(\.string) ?? []
    }

    /// How long the channel lives while nobody listens, in seconds.
    func setLife(_ seconds: Int, of channel: String) async throws {
        try await ask("PATCH", at(channel), json: ["timeout": .integer(Int64(seconds))], accepting: [200, 204])
    }

    func delete(_ address: String) async throws {
        try await ask("DELETE", at(address), accepting: [200, 204, 404])
    }

    /// Opens the stream; the head of the answer is the caller's to look at.
    func open(_ channel: String, lastEventID: String?) async throws -> WebStream {
        var request = WebRequest(
            "GET", at(channel), headers: [("Accept", "text/event-stream"), ("Cache-Control", "no-store")])
        if let lastEventID { request.headers.append(("Last-Event-ID", lastEventID)) }
        try authorize(&request)
        do {
            return try await client.open(request)
        } catch let error as OutboundError {
            throw FrontendError(status: 0, detail: error.message, request: "GET \(channel)")
        }
    }

    // MARK: Subscriptions

    /// Watches a folder or file; the subscription's address. Watching it again gives the same address.
    func watch(_ path: String, flags: [String], channel: String) async throws -> String {
        try await subscribe(
            channel, "inotify", ["path": .string(path), "flags": .array(flags.map { .string($0) })])
    }

    /// Asks for a sign of life every so many seconds; a first one at once, so that there is an event id to resume from.
    func beat(every seconds: Double, channel: String) async throws -> [String] {
        [
            try await subscribe(channel, "metronome", ["delay": 0.001, "count": 1, "message": "open"]),
            try await subscribe(channel, "metronome", ["delay": .number(seconds), "message": "alive"]),
        ]
    }

    private func subscribe(_ channel: String, _ type: String, _ selector: JSONValue) async throws -> String {
        let address = channel + "/subscriptions/" + type
        let answer = try await ask("POST", at(address), json: selector, accepting: [201, 303])
        guard let location = answer["location"], !location.isEmpty else {
            throw FrontendError(status: answer.status, detail: "no Location", request: "POST \(address)")
        }
        return location
    }

    // MARK: Name space

    /// What the name space says of a path; `nil` when nothing is there.
    func facts(_ path: String) async throws -> NamespaceFacts? {
        let address = namespace(path) + "?checksum=true&optional=true"
        let answer = try await ask("GET", address, accepting: [200, 404])
        return answer.status == 404 ? nil : NamespaceFacts(try json(answer))
    }

    /// A page of a folder; `nil` when the folder is gone.
    func list(_ path: String, offset: Int, limit: Int) async throws -> [(name: String, facts: NamespaceFacts)]? {
        let address =
            namespace(path) + "?children=true&checksum=true&optional=true&limit=\(limit)&offset=\(offset)"
        let answer = try await ask("GET", address, accepting: [200, 404])
        if answer.status == 404 { return nil }
        return try json(answer)["children"]?.array?.compactMap { child in
            child["fileName"]?.string.map { ($0, NamespaceFacts(child)) }
        } ?? []
    }

    private func namespace(_ path: String) -> String {
        base + "/api/v1/namespace" + URIText.encoded(path, keeping: "/")
    }

    // MARK: Asking

    /// The address under the configured host.
    func at(_ address: String) -> String {
        func parts(_ url: String) -> (origin: Substring, path: Substring) {
            guard let scheme = url.firstRange(of: "://") else { return ("", url[...]) }
            let slash = url[scheme.upperBound...].firstIndex(of: "/") ?? url.endIndex
            return (url[..<slash], url[slash...])
        }
        return String(parts(base).origin + parts(address).path)
    }

    private func authorize(_ request: inout WebRequest) throws(SecretError) {
        if let value = try authorization() { request.headers.append(("Authorization", value)) }
    }

    @discardableResult
    private func ask(
        _ method: String, _ address: String, json body: JSONValue? = nil, accepting: [Int] = [200]
    ) async throws -> WebResponse {
        var request = WebRequest(method, address, headers: [("Accept", "application/json")], body: body?.encoded())
        if body != nil { request.headers.append(("Content-Type", "application/json")) }
        try authorize(&request)
        let what = "\(method) \(address.prefix { $0 != "?" })"
        let answer: WebResponse
        do {
            answer = try await client.send(request, timeout: Self.timeout)
        } catch let error as OutboundError {
            throw FrontendError(status: 0, detail: error.message, request: what)
        }
        guard accepting.contains(answer.status) else {
            throw FrontendError(status: answer.status, detail: Self.detail(answer.body), request: what)
        }
        return answer
    }

    private func json(_ answer: WebResponse) throws -> JSONValue {
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw FrontendError(status: answer.status, detail: "the answer is \(error)", request: "an answer")
        }
    }

    /// What an error says: `{"errors": [{"message"}]}` before dCache 8.2, `{"title", "detail"}` since.
    static func detail(_ body: [UInt8]) -> String {
        guard let value = try? JSONValue(parsing: body) else {
            return String(String(decoding: body.prefix(200), as: UTF8.self).filter { !$0.isNewline })
        }
        return value["detail"]?.string ?? value["errors"]?.array?.first?["message"]?.string ?? value["title"]?.string
            ?? ""
    }
}

/// What the name space says of a file or folder (`JsonFileAttributes`).
struct NamespaceFacts: Sendable {
    let isDirectory: Bool
    let isFile: Bool
    /// Absent while the file is being written.
    let size: Int64?
    let pnfsid: String?
    /// Milliseconds since 1970.
    let modified: Int64?
    let created: Int64?
    let value: JSONValue

    init(_ value: JSONValue) {
        self.value = value
        isDirectory = value["fileType"]?.string == "DIR"
        isFile = value["fileType"]?.string == "REGULAR"
        size = value["size"]?.integer
        pnfsid = value["pnfsId"]?.string
        modified = value["mtime"]?.integer
        created = value["creationTime"]?.integer
    }
}
