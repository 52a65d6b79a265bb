import CloudEvents
import Synchronization
import TestSupport

/// A dCache frontend in the test: the event and namespace APIs over a name space in memory.
///
/// It answers as `EventResources`, `Registrar` and `ErrorResponseProvider` of dCache do; a test holds it to the
/// recorded exchanges. It can cut connections, throw its backlog away, forget its channels, let queues overflow.
final class FrontendDouble: Sendable {
    struct Node: Sendable {
        var isDirectory: Bool
        var pnfsid: String
        /// Absent while the file is written.
        var size: Int64?
        var modified: Int64
        var children: [String: Int] = [:]
    }

    struct Watch: Sendable {
        var id: String
        var node: Int
        var path: String
        var flags: [String]
    }

    struct Line: Sendable {
        var id: Int
        var text: String
    }

    struct EventChannel: Sendable {
        var user: String
        var client: String?
        var timeout = 300
        var watches: [Watch] = []
        var metronomes: [String] = []
        var backlog: [Line] = []
        var nextID = 0
        var stream: TestWebServer.Stream?
        var generation = 0
    }

    struct State: Sendable {
        var nodes: [Int: Node] = [0: Node(isDirectory: true, pnfsid: "root", size: nil, modified: 1)]
        var nextNode = 1
        var channels: [String: EventChannel] = [:]
        var channelIDs: [String] = []
        var watchIDs: [String] = []
        var counter = 0
        var clock: Int64 = 1_779_278_400_000
        var limit = 128
        var backlogLimit = 16_383
        var isOldErrors = false
        var requests: [String] = []
        var listings = 0
        /// How many of the next requests fail with 503.
        var failures = 0
        /// Whether events are made and not sent on, as when the connection is dead.
        var isDeaf = false
        var forbidden: Set<String> = []
    }

    static let publicURL = "https://dcache.example.org:3880"
    static let token = "macaroon-of-alice"
    let state = Mutex(State())
    private let server: Mutex<TestWebServer?> = Mutex(nil)
    let port: Int

    init() async throws {
        let holder = Holder()
        let server = try await TestWebServer { request in holder.answer(request) }
        port = server.port
        self.server.withLock { $0 = server }
        holder.double.withLock { $0 = self }
    }

    private final class Holder: Sendable {
        let double = Mutex<FrontendDouble?>(nil)
        func answer(_ request: TestWebServer.Request) -> TestWebServer.Reply {
            double.withLock { $0 }?.answer(request) ?? .cut
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    // MARK: HTTP

    private func error(_ status: Int, _ title: String, _ detail: String? = nil) -> TestWebServer.Reply {
        let isOld = state.withLock { $0.isOldErrors }
        let body: JSONValue =
            isOld
            ? ["errors": [["message": .string(title), "status": .string(String(status))]]]
            : ["status": .string(String(status)), "title": .string(title), "detail": .string(detail ?? title)]
        return .whole(status, [("Content-Type", "application/json")], body.encoded())
    }

    private func json(_ value: JSONValue) -> TestWebServer.Reply {
        .whole(200, [("Content-Type", "application/json")], value.encoded())
    }

    func answer(_ request: TestWebServer.Request) -> TestWebServer.Reply {
        let isFailing = state.withLock { state -> Bool in
            state.requests.append("\(request.method) \(request.path)")
            guard state.failures > 0 else { return false }
            state.failures -= 1
            return true
        }
        if isFailing { return error(503, "Service Unavailable") }
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count >= 3, parts[0] == "api", parts[1] == "v1" else { return error(404, "Not Found") }
        if parts[2] == "namespace" { return namespace(request) }
        guard parts[2] == "events" else { return error(404, "Not Found") }
        if parts.count == 3 {
            return json([
                "channels": [
                    "maximumPerUser": 128,
                    "lifetimeWhenDisconnected": ["minimum": 1, "maximum": 86400, "default": 300],
                ]
            ])
        }
        guard let user = user(of: request) else { return .whole(401) }
        switch (request.method, parts[3], parts.count) {
        case ("GET", "eventTypes", 4): return json(["inotify", "metronome"])
        case ("GET", "channels", 4): return list(user, request.query)
        case ("POST", "channels", 4): return create(user, request.body)
        case (_, "channels", 5...): return channel(parts[4], user, Array(parts[5...]), request)
        default: return error(404, "Not Found")
        }
    }

    private func user(of request: TestWebServer.Request) -> String? {
        switch request["Authorization"] {
        case "Bearer \(Self.token)": "alice"
        case "Bearer other": "bob"
        default: nil
        }
    }

    private func list(_ user: String, _ query: String) -> TestWebServer.Reply {
        let client = query.hasPrefix("client-id=") ? String(query.dropFirst(10)) : nil
        return json(
            .array(
                state.withLock { state in
                    state.channels.filter { entry in
                        entry.value.user == user && (client == nil || (entry.value.client ?? "") == client)
                    }.keys.sorted().map { .string(Self.address($0)) }
                }))
    }

    private func create(_ user: String, _ body: [UInt8]) -> TestWebServer.Reply {
        let client = (try? JSONValue(parsing: body))?["client-id"]?.string
        if let client, client.count > 256 { return error(400, "Bad Request", "client-id too long") }
        let id = state.withLock { state -> String? in
            guard state.channels.values.count(where: { $0.user == user }) < state.limit else { return nil }
            state.counter += 1
            let id = state.channelIDs.isEmpty ? "channel-\(state.counter)" : state.channelIDs.removeFirst()
            state.channels[id] = EventChannel(user: user, client: client)
            return id
        }
        guard let id else { return .whole(429) }
        return .whole(201, [("Location", Self.address(id))])
    }

    static func address(_ id: String) -> String { "\(publicURL)/api/v1/events/channels/\(id)" }

    private func channel(
        _ id: String, _ user: String, _ rest: [String], _ request: TestWebServer.Request
    ) -> TestWebServer.Reply {
        guard let channel = state.withLock({ $0.channels[id] }) else {
            return error(404, "Not Found", "No such channel")
        }
        guard channel.user == user else { return .whole(403) }
        let body = (try? JSONValue(parsing: request.body)) ?? .null
        switch (request.method, rest.count) {
        case ("GET", 0):
            guard request["Accept"] == "text/event-stream" else {
                return json(["timeout": .integer(Int64(channel.timeout))])
            }
            return open(id, request["Last-Event-ID"])
        case ("PATCH", 0):
            guard let timeout = body["timeout"]?.integer, timeout >= 1 else { return error(400, "Bad Request") }
            guard timeout <= 86_400 else { return error(400, "Bad Request", "Timeout longer than maximum allowed") }
            state.withLock { $0.channels[id]?.timeout = Int(timeout) }
            return .whole(204)
        case ("DELETE", 0):
            state.withLock { $0.channels.removeValue(forKey: id) }?.stream?.end()
            return .whole(204)
        case ("GET", 1):
            return json(
                .array(
                    channel.watches.map { .string(Self.address(id) + "/subscriptions/inotify/" + $0.id) }
                        + channel.metronomes.map { .string(Self.address(id) + "/subscriptions/metronome/" + $0) }))
        case ("POST", 2): return subscribe(id, rest[1], body)
        case ("DELETE", 3):
            state.withLock { $0.channels[id]?.watches.removeAll { $0.id == rest[2] } }
            return .whole(204)
        default: return error(404, "Not Found")
        }
    }

    private func subscribe(_ id: String, _ type: String, _ selector: JSONValue) -> TestWebServer.Reply {
        let prefix = Self.address(id) + "/subscriptions/\(type)/"
        if type == "metronome" {
            let name = state.withLock { state -> String in
                state.counter += 1
                let name = "beat-\(state.counter)"
                state.channels[id]?.metronomes.append(name)
                return name
            }
            system(id, "NEW_SUBSCRIPTION", prefix + name)
            if selector["count"] == 1 {
                send(id, "metronome", ["event": "open", "subscription": .string(prefix + name)])
                system(id, "SUBSCRIPTION_CLOSED", prefix + name)
            }
            return .whole(201, [("Location", prefix + name)])
        }
        guard type == "inotify" else { return error(400, "Bad Request", "Unknown event type: \(type)") }
        let flags = selector["flags"]?.array?.compactMap(\.string) ?? ["IN_ALL_EVENTS"]
        let unsupported = flags.filter { $0 == "IN_DONT_FOLLOW" || $0 == "IN_EXCL_UNLINK" }
        guard unsupported.isEmpty else {
            return error(
                400, "Bad Request", "Bad selector: Unsupported flags: [\(unsupported.joined(separator: ", "))]")
        }
        let path = selector["path"]?.string ?? ""
        let found = state.withLock { state -> (String, Bool)?? in
            if state.forbidden.contains(path) { return .some(nil) }
            guard let node = find(path, &state) else { return nil }
            if let index = state.channels[id]?.watches.firstIndex(where: { $0.node == node }) {
                state.channels[id]?.watches[index].flags += flags
                return .some((state.channels[id]?.watches[index].id ?? "", false))
            }
            state.counter += 1
            let name = state.watchIDs.isEmpty ? "AA+watch%2F\(state.counter)" : state.watchIDs.removeFirst()
            state.channels[id]?.watches.append(Watch(id: name, node: node, path: path, flags: flags))
            return .some((name, true))
        }
        switch found {
        case nil:
            return error(
                400, "Bad Request", "Not found: Problem with path: No such file or directory: \(path)")
        case .some(nil): return error(400, "Bad Request", "Permission denied: Not allowed.")
        case .some((let name, let isNew)?):
            if isNew { system(id, "NEW_SUBSCRIPTION", prefix + name) }
            return .whole(isNew ? 201 : 303, [("Location", prefix + name)])
        }
    }

    // MARK: The stream

    private func open(_ id: String, _ last: String?) -> TestWebServer.Reply {
        .stream(200, [("Content-Type", "text/event-stream")]) { [self] stream in
            let (old, texts, generation) = state.withLock { state -> (TestWebServer.Stream?, [String], Int) in
                let old = state.channels[id]?.stream
                state.channels[id]?.stream = stream
                state.channels[id]?.generation += 1
                let generation = state.channels[id]?.generation ?? 0
                guard let last, let number = Int(last) else { return (old, [], generation) }
                let backlog = state.channels[id]?.backlog ?? []
                if let index = backlog.firstIndex(where: { $0.id == number }) {
                    return (old, backlog[(index + 1)...].map(\.text), generation)
                }
                state.channels[id]?.backlog = []
                return (old, ["event: SYSTEM\ndata: {\"type\":\"EVENT_LOSS\"}\n\n"], generation)
            }
            old?.write(Array("event: SYSTEM\ndata: {\"type\":\"COMPETING_CLIENT\"}\n\n".utf8))
            old?.end()
            for text in texts { stream.write(Array(text.utf8)) }
            stream.onClose { [weak self] in
                self?.state.withLock { state in
                    if state.channels[id]?.generation == generation { state.channels[id]?.stream = nil }
                }
            }
        }
    }

    private func system(_ id: String, _ type: String, _ subscription: String? = nil) {
        var data: JSONObject = ["type": .string(type)]
        if let subscription { data["subscription"] = .string(subscription) }
        let stream = state.withLock { $0.isDeaf ? nil : $0.channels[id]?.stream }
        stream?.write(Array("event: SYSTEM\ndata: \(JSONValue.object(data).text)\n\n".utf8))
    }

    private func send(_ id: String, _ type: String, _ data: JSONValue) {
        let (stream, text) = state.withLock { state -> (TestWebServer.Stream?, String) in
            let number = state.channels[id]?.nextID ?? 0
            state.channels[id]?.nextID += 1
            let text = "event: \(type)\nid: \(number)\ndata: \(data.text)\n\n"
            state.channels[id]?.backlog.append(Line(id: number, text: text))
            if let count = state.channels[id]?.backlog.count, count > state.backlogLimit {
                state.channels[id]?.backlog.removeFirst(count - state.backlogLimit)
            }
            return (state.isDeaf ? nil : state.channels[id]?.stream, text)
        }
        stream?.write(Array(text.utf8))
    }

    /// Tells all who watch a node.
    func tell(_ node: Int, _ mask: [String], name: String? = nil, cookie: String? = nil) {
        let told = state.withLock { state in
            state.channels.flatMap { id, channel in
                channel.watches.filter { watch in
                    watch.node == node
                        && (watch.flags.contains("IN_ALL_EVENTS") || watch.flags.contains(mask[0])
                            || mask[0] == "IN_Q_OVERFLOW" || mask[0] == "IN_IGNORED")
                }.map { (id, $0.id) }
            }
        }
        for (id, watch) in told.sorted(by: { $0 < $1 }) {
            var event = JSONObject()
            if let name { event["name"] = .string(name) }
            if let cookie { event["cookie"] = .string(cookie) }
            event["mask"] = .array(mask.map { .string($0) })
            send(
                id, "inotify",
                [
                    "event": .object(event),
                    "subscription": .string(Self.address(id) + "/subscriptions/inotify/" + watch),
                ])
        }
    }
}

// MARK: The name space

extension FrontendDouble {
    private func find(_ path: String, _ state: inout State) -> Int? {
        var node = 0
        for part in path.split(separator: "/") {
            guard let next = state.nodes[node]?.children[String(part)] else { return nil }
            node = next
        }
        return node
    }

    /// The number of what is at a path.
    func node(_ path: String) -> Int? { state.withLock { find(path, &$0) } }

    private static func split(_ path: String) -> (String, String) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    private func namespace(_ request: TestWebServer.Request) -> TestWebServer.Reply {
        guard request["Authorization"] != nil else { return .whole(401) }
        let path = Self.decoded(String(request.path.dropFirst("/api/v1/namespace".count)))
        let query = request.query
        let value = state.withLock { state -> JSONValue? in
            guard let node = find(path, &state), let one = state.nodes[node] else { return nil }
            var object = Self.attributes(one)
            if query.contains("children=true") {
                state.listings += 1
                let offset = Self.number("offset", query) ?? 0
                let limit = Self.number("limit", query) ?? .max
                let children = one.children.sorted { $0.key < $1.key }.dropFirst(offset).prefix(limit)
                object["children"] = .array(
                    children.compactMap { child in
                        state.nodes[child.value].map { node in
                            var attributes = Self.attributes(node)
                            attributes["fileName"] = .string(child.key)
                            return .object(attributes)
                        }
                    })
            }
            return .object(object)
        }
        return value.map(json) ?? error(404, "Not Found")
    }

    private static func attributes(_ node: Node) -> JSONObject {
        var object: JSONObject = [
            "fileType": .string(node.isDirectory ? "DIR" : "REGULAR"), "pnfsId": .string(node.pnfsid),
            "mtime": .integer(node.modified), "creationTime": .integer(node.modified),
        ]
        if let size = node.size {
            object["size"] = .integer(size)
            object["checksums"] = [["type": "ADLER32", "value": "00000001"]]
        }
        return object
    }

    private static func number(_ name: String, _ query: String) -> Int? {
        query.split(separator: "&").first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) }
    }

    private static func decoded(_ text: String) -> String {
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                out.append(value)
                rest = rest.dropFirst(2)
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private func add(_ path: String, isDirectory: Bool, size: Int64?) -> (parent: Int, name: String) {
        let (folder, name) = Self.split(path)
        return state.withLock { state in
            let parent = find(folder, &state) ?? 0
            state.nextNode += 1
            state.clock += 1_000
            state.nodes[state.nextNode] = Node(
                isDirectory: isDirectory, pnfsid: "0000\(state.nextNode)", size: size, modified: state.clock)
            state.nodes[parent]?.children[name] = state.nextNode
            return (parent, name)
        }
    }

    /// - Parameter isQuiet: without any news, as when they are lost.
    func makeFolder(_ path: String, isQuiet: Bool = false) {
        let (parent, name) = add(path, isDirectory: true, size: nil)
        if !isQuiet { tell(parent, ["IN_CREATE", "IN_ISDIR"], name: name) }
    }

    func upload(_ path: String, size: Int64 = 7, isQuiet: Bool = false) {
        let (parent, name) = beginUpload(path, isQuiet: isQuiet)
        endUpload(path, size: size)
        if !isQuiet {
            tell(parent, ["IN_CLOSE_WRITE"], name: name)
            tell(parent, ["IN_ATTRIB"], name: name)
        }
    }

    @discardableResult
    func beginUpload(_ path: String, isQuiet: Bool = false) -> (parent: Int, name: String) {
        let place = add(path, isDirectory: false, size: nil)
        if !isQuiet {
            tell(place.parent, ["IN_CREATE"], name: place.name)
            tell(place.parent, ["IN_OPEN"], name: place.name)
        }
        return place
    }

    func endUpload(_ path: String, size: Int64) {
        state.withLock { state in
            if let node = find(path, &state) { state.nodes[node]?.size = size }
        }
    }

    func delete(_ path: String, isQuiet: Bool = false) {
        let (folder, name) = Self.split(path)
        let (parent, node, isDirectory) = state.withLock { state -> (Int, Int, Bool) in
            let parent = find(folder, &state) ?? 0
            let node = state.nodes[parent]?.children.removeValue(forKey: name) ?? -1
            return (parent, node, state.nodes[node]?.isDirectory ?? false)
        }
        guard !isQuiet else { return }
        tell(parent, ["IN_DELETE"] + (isDirectory ? ["IN_ISDIR"] : []), name: name)
        tell(node, ["IN_DELETE_SELF"] + (isDirectory ? ["IN_ISDIR"] : []))
        tell(node, ["IN_IGNORED"])
        let closed = state.withLock { state in
            state.channels.flatMap { id, channel in channel.watches.filter { $0.node == node }.map { (id, $0.id) } }
        }
        for (id, watch) in closed {
            state.withLock { $0.channels[id]?.watches.removeAll { $0.id == watch } }
            system(id, "SUBSCRIPTION_CLOSED", Self.address(id) + "/subscriptions/inotify/" + watch)
        }
    }

    func rename(_ path: String, to target: String, isQuiet: Bool = false, isReversed: Bool = false) {
        let (folder, name) = Self.split(path)
        let (place, newName) = Self.split(target)
        let (parent, other, node, isDirectory, cookie) = state.withLock { state -> (Int, Int, Int, Bool, String) in
            let parent = find(folder, &state) ?? 0
            let other = find(place, &state) ?? 0
            let node = state.nodes[parent]?.children.removeValue(forKey: name) ?? -1
            state.nodes[other]?.children[newName] = node
            state.counter += 1
            return (parent, other, node, state.nodes[node]?.isDirectory ?? false, "cookie/\(state.counter)+")
        }
        guard !isQuiet else { return }
        let more = isDirectory ? ["IN_ISDIR"] : []
        if isReversed { tell(other, ["IN_MOVED_TO"] + more, name: newName, cookie: cookie) }
        tell(parent, ["IN_MOVED_FROM"] + more, name: name, cookie: cookie)
        if !isReversed { tell(other, ["IN_MOVED_TO"] + more, name: newName, cookie: cookie) }
        tell(node, ["IN_MOVE_SELF"] + more)
    }
}

// MARK: Faults

extension FrontendDouble {
    func overflow(_ path: String) {
        let node = state.withLock { find(path, &$0) }
        if let node { tell(node, ["IN_Q_OVERFLOW"]) }
    }

    /// Cuts all streams; channels stay.
    func cut() {
        let streams = state.withLock { $0.channels.values.compactMap(\.stream) }
        for stream in streams { stream.cut() }
    }

    /// Throws the backlog away, so that no stream can be resumed.
    func loseBacklog() {
        state.withLock { state in
            for id in state.channels.keys { state.channels[id]?.backlog = [] }
        }
    }

    /// Stops and starts: channels, subscriptions and backlogs are gone.
    func restart(politely: Bool) {
        let ids = state.withLock { Array($0.channels.keys) }
        if politely { for id in ids { system(id, "SHUTDOWN") } }
        let streams = state.withLock { state -> [TestWebServer.Stream] in
            defer { state.channels = [:] }
            return state.channels.values.compactMap(\.stream)
        }
        for stream in streams { politely ? stream.end() : stream.cut() }
    }

    /// Another client opens the stream of the only channel.
    func compete() {
        let stream = state.withLock { state -> TestWebServer.Stream? in
            guard let id = state.channels.keys.first else { return nil }
            defer { state.channels[id]?.stream = nil }
            return state.channels[id]?.stream
        }
        stream?.write(Array("event: SYSTEM\ndata: {\"type\":\"COMPETING_CLIENT\"}\n\n".utf8))
        stream?.end()
    }

    var watched: [String] {
        state.withLock { state in state.channels.values.flatMap { $0.watches.map(\.path) }.sorted() }
    }

    var isFollowed: Bool { state.withLock { $0.channels.values.contains { $0.stream != nil } } }
}
