import CloudEvents
package import Outbound
package import Persistence
import StorageEvents

/// Follows the event stream of a dCache frontend for some folders and all below them.
///
/// A watch of dCache is one folder and its direct children; so each folder has a watch of its own, and a new folder gets
/// one when its making is told, followed by a listing for what slipped in before. The stream is resumed with the id of
/// the last event; when something may have been lost it says so (`source.gap`), looks through the name space, tells what
/// it finds, and says that too (`source.repaired`).
///
/// All state belongs to one run: it is read from the store at the start and written after each append, so that a run
/// that fails is simply started again.
package actor DCacheEventsSource: EventSource {
    /// What tests turn; nanoseconds.
    package struct Settings: Sendable {
        /// How long the first half of a rename waits for the second.
        package var renameGrace: Int64 = 500_000_000
        /// How long the channel is left to another client that has taken it.
        package var yieldPause: Int64 = 60_000_000_000

        package init() {}
    }

    let spec: DCacheEventsSpec
    let namespace: String
    let statePrefix: String
    let output: SourceOutput
    let store: any StateStore
    let secrets: SecretStore
    let clock: SourceClock
    let pause: @Sendable (Int64) async throws -> Void
    let settings: Settings
    /// `source` of all events.
    let system: String

    var frontend: Frontend
    var life = ChannelLife(channel: nil, isKnown: false)
    var watches = WatchBook()
    var index = PathIndex<NamespaceEntry>()
    var mapper = InotifyMapper(watches: [:])
    var parser = EventStreamParser()
    var scans: [TreeScan] = []
    var gap: EventGap?
    var lastEventID: String?
    var client = ""
    var pending: [EventRecord] = []
    var pendingUnreadable: [EventRecord] = []
    /// Written files that were not there when they were looked for; what becomes of them is told when it is known.
    var unconfirmed: [String] = []
    /// Files that a search found gone, of which the stream may still tell.
    var vanished: Set<String> = []
    /// Until when nothing can have been lost; nanoseconds since 1970.
    var intactUntil: Int64 = 0
    private var kept: [String: [UInt8]] = [:]

    /// How many requests are under way at a time while files are looked at.
    static let lookers = 8

    package init(
        id: SourceID, spec: DCacheEventsSpec, output: SourceOutput, store: any StateStore, secrets: SecretStore,
        clock: SourceClock = .system, settings: Settings = Settings(),
        pause: @escaping @Sendable (Int64) async throws -> Void = { try await Task.sleep(for: .nanoseconds($0)) }
    ) throws {
        self.spec = spec
        namespace = id.namespace
        statePrefix = id.statePrefix + "sse/"
        self.output = output
        self.store = store
        self.secrets = secrets
        self.clock = clock
        self.pause = pause
        self.settings = settings
        system = "dcache://" + spec.url.drop { $0 != ":" }.dropFirst(3).prefix { $0 != "/" }
        frontend = Frontend(base: spec.url, client: try WebClient(tls: spec.tls), authorization: { nil })
    }

    package func run() async throws {
        await frontend.client.shutdown()
        // Three missed signs of life are a dead connection.
        let client = try WebClient(tls: spec.tls, idle: max(spec.heartbeat * 3, 15_000))
        frontend = Frontend(base: spec.url, client: client) { [spec, secrets, namespace] () throws(SecretError) in
            try spec.credential.authorization(secrets, namespace: namespace)
        }
        do {
            try await load()
            try await work()
            await client.shutdown()
        } catch {
            await client.shutdown()
            throw error
        }
    }

    private func work() async throws {
        while true {
            try Task.checkCancellation()
            do {
                switch life.next(now: clock.steady()) {
                case .wait(let time): try await pause(time)
                case .create: try await makeChannel()
                case .open(let channel): try await follow(channel)
                }
            } catch let error as FrontendError {
                guard error.isPassing else { throw refusal(error) }
                output.report.failing(
                    error.status == 429
                        ? "\(error.description): this user has as many channels as dCache allows; delete some, or raise "
                            + "frontend.limit.events.channels-per-user" : error.description)
                life.failed(now: clock.steady())
            }
        }
    }

    private func refusal(_ error: FrontendError) -> SourceError {
        switch error.status {
        case 401: SourceError(.forbidden, "\(error): the token, or user and password, do not count (any more)")
        case 403: SourceError(.forbidden, error.description)
        default: SourceError(.ioFailure, error.description)
        }
    }

    private func makeChannel() async throws {
        let longest = try await frontend.longestLife()
        // What an earlier run has left behind would count against the user's limit until it expires.
        for old in try await frontend.channels(client: client) { try await frontend.delete(old) }
        let channel = try await frontend.createChannel(client: client)
        try await frontend.setLife(max(1, min(longest, Int(spec.keep / 1_000))), of: channel)
        watches.removeAll()
        scans = []
        (lastEventID, vanished, unconfirmed) = (nil, [], [])
        life.created(channel)
        try await flush()
    }

    // MARK: State

    private func load() async throws {
        (watches, index, scans, gap, kept) = (WatchBook(), PathIndex(), [], nil, [:])
        (pending, pendingUnreadable, unconfirmed, vanished) = ([], [], [], [])
        lastEventID = nil
        intactUntil = clock.wall()
        var channel: String?
        var isKnown = false
        for entry in try await store.entries(prefix: statePrefix) {
            guard let value = entry.value else { continue }
            let name = entry.key.dropFirst(statePrefix.count)
            let text = String(decoding: value, as: UTF8.self)
            switch name {
            case "channel": channel = text.isEmpty ? nil : text
            case "last": lastEventID = text.isEmpty ? nil : text
            case "client": client = text
            case "intact": intactUntil = Int64(text) ?? intactUntil
            case "complete": isKnown = text == scope
            case "gap": gap = EventGap(encoded: value)
            default:
                if name.hasPrefix("at/"), let decoded = NamespaceEntry(encoded: value) {
                    let path = String(name.dropFirst(2))
                    // What was remembered of other folders, when the specification has changed, is of no use.
                    if root(of: path) != nil { index.set(path, decoded) }
                } else if name.hasPrefix("watch/") {
                    watches.set(String(name.dropFirst(6)), text)
                } else {
                    throw SourceError(.state, "The state kept under \(entry.key) is not of this version.")
                }
            }
        }
        _ = (index.takeChanges(), watches.takeChanges())
        if client.isEmpty {
            client = "weir-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        }
        // Other folders, or another server: what is watched is not what is wanted.
        if !isKnown { channel = nil }
        life = ChannelLife(channel: channel, isKnown: isKnown, yieldPause: settings.yieldPause)
        if gap != nil { life.lostEvents(gap?.reason ?? "") }
    }

    /// What the state is about.
    private var scope: String { ([spec.url, spec.recursive ? "deep" : "flat"] + spec.paths).joined(separator: "\n") }

    /// Appends what has been seen, and remembers it only then: a crash in between repeats events with the same ids.
    func flush() async throws {
        if !pendingUnreadable.isEmpty {
            try await output.publish(unreadable: pendingUnreadable)
            pendingUnreadable.removeAll(keepingCapacity: true)
        }
        if !pending.isEmpty {
            try await output.publish(pending)
            pending.removeAll(keepingCapacity: true)
        }
        var entries = index.takeChanges().map {
            StateEntry(key: statePrefix + "at" + $0.path, value: $0.entry?.encoded)
        }
        entries += watches.takeChanges().map {
            StateEntry(key: statePrefix + "watch/" + $0.subscription, value: $0.path.map { Array($0.utf8) })
        }
        // Only what nothing waits for counts as dealt with.
        if !mapper.isWaiting { lastEventID = parser.lastEventID ?? lastEventID }
        let isKnown = life.search != .first
        for (name, value) in [
            ("channel", Array((life.channel ?? "").utf8)), ("last", Array((lastEventID ?? "").utf8)),
            ("client", Array(client.utf8)), ("gap", gap?.encoded ?? []),
            ("complete", Array((isKnown ? scope : "").utf8)),
        ] where kept[name] != value {
            kept[name] = value
            entries.append(StateEntry(key: statePrefix + name, value: name == "gap" && value.isEmpty ? nil : value))
        }
        guard !entries.isEmpty else { return }
        entries.append(StateEntry(key: statePrefix + "intact", value: Array(String(intactUntil).utf8)))
        try await store.put(entries)
        let (count, folders) = (index.count, watches.count)
        output.report.change { $0.position = "\(folders) folders watched, \(count) files and folders known" }
    }

    // MARK: Paths

    /// The watched folder in which a path lies.
    func root(of path: String) -> String? {
        spec.paths.first { $0 == path || $0 == "/" || path.hasPrefix($0 + "/") }
    }

    func admits(_ path: String, isDirectory: Bool) -> Bool {
        guard let root = root(of: path) else { return false }
        let relative = String(path.dropFirst(root == "/" ? 1 : root.count + 1))
        if relative.isEmpty { return true }
        return isDirectory ? spec.filter.admitsDirectory(relative) : spec.filter.admitsFile(relative)
    }
}
