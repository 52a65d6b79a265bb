import CloudEvents
package import Persistence

/// Watches a folder with inotify and announces what happens in it.
///
/// All state belongs to one run: it is read from the store at the start and written after each append, so that a run
/// that fails is simply started again. Blocking calls run on the actor's own queue.
///
/// A file that is found by a listing (at the start, in a new subfolder, after an overflow) is announced when nobody has
/// it open for writing, which a read lease tells (``FileAccess/writers(_:)``); when somebody has, the watch is already
/// set and `IN_CLOSE_WRITE` will come. An empty one must be a moment old (``Settings/creation``). Where the system does
/// not tell (another user's file without `CAP_LEASE`, a network file system) it is announced when it has not changed for
/// ``Settings/settle``; a writer who pauses longer than that is announced early, and again when it closes the file.
package actor FolderSource: EventSource {
    /// What tests and operators may turn.
    package struct Settings: Sendable {
        /// How long the first half of a rename waits for the second; nanoseconds.
        package var renameGrace: Int64 = 50_000_000
        /// How long a listed file must not change where nobody can tell whether it is being written; nanoseconds.
        package var settle: Int64 = 2_000_000_000
        /// How old an empty file must be before nobody's having it open means that it is complete; nanoseconds.
        package var creation: Int64 = 100_000_000

        package init() {}
    }

    package nonisolated let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let spec: FolderSpec
    /// The folder as it is published, without a trailing slash (`/` itself: empty).
    let root: String
    let host: String
    let statePrefix: String
    let output: SourceOutput
    let store: any StateStore
    let files: any FileAccess
    let clock: SourceClock
    let settings: Settings
    private let makeFeed: @Sendable () throws(SourceError) -> any WatchFeed

    var watches = FolderWatches()
    var index = FolderIndex()
    var joiner = MoveJoiner()
    /// How many `IN_CLOSE_NOWRITE` our own probing for writers will bring, by path.
    var ownReads: [String: Int] = [:]
    /// Listed files of which nobody can tell yet whether they are being written: their facts, and until when these must
    /// stay.
    var unsettled: [String: (facts: FileFacts, until: Int64)] = [:]
    /// Directories whose news could not be followed up because they have been renamed since.
    var stranded: Set<String> = []
    var pending: [EventRecord] = []
    var pendingUnreadable: [EventRecord] = []
    /// Until when nothing can have been lost; nanoseconds since 1970.
    var intactUntil: Int64 = 0

    package init(
        id: SourceID, spec: FolderSpec, host: String, output: SourceOutput, store: any StateStore,
        files: any FileAccess = PosixFiles(), clock: SourceClock = .system, settings: Settings = Settings(),
        feed: @escaping @Sendable () throws(SourceError) -> any WatchFeed = { () throws(SourceError) in try KernelFeed()
        }
    ) {
        executor = BlockingExecutor(label: "weir.source.\(id)")
        self.spec = spec
        var root = Substring(spec.directory)
        while root.last == "/" { root.removeLast() }
        self.root = String(root)
        self.host = host
        statePrefix = id.statePrefix + "folder/"
        self.output = output
        self.store = store
        self.files = files
        self.clock = clock
        self.settings = settings
        makeFeed = feed
    }

    package func run() async throws {
        watches = FolderWatches()
        index = FolderIndex()
        joiner = MoveJoiner(grace: settings.renameGrace)
        (ownReads, unsettled, stranded, pending, pendingUnreadable) = ([:], [:], [], [], [])

        let rootFacts = try checkRoot()
        let known = try await load()
        try checkMounted(rootFacts, known: known)
        let feed = try makeFeed()
        defer { feed.close() }
        intactUntil = clock.wall()
        try await scan(.start(announce: known.complete || spec.existing == .announce), feed)
        try await flush()
        try await markComplete(rootFacts)
        output.report.running()

        while true {
            try Task.checkCancellation()
            guard let records = try await feed.next(waitingAtMost: nextDeadline()) else { return }
            joiner.receive(records, at: clock.steady())
            do {
                while let step = joiner.next(at: clock.steady()) {
                    try await handle(step, feed)
                    if pending.count >= SourceOutput.batchLimit { try await flush() }
                }
            } catch {
                // The folder is gone, for instance: what was seen until then is still told.
                try? await flush()
                throw error
            }
            try settleListed()
            try await flush()
            if joiner.deadline == nil { intactUntil = clock.wall() }
        }
    }

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
        let changes = index.takeChanges()
        guard !changes.isEmpty else { return }
        try await store.put(
            changes.map { StateEntry(key: statePrefix + "at" + $0.path, value: $0.entry?.encoded) })
        let count = index.count
        output.report.change { $0.position = "\(count) files and folders known" }
    }

    func emit(_ happening: FolderHappening) { pending.append(happening.event(host: host)) }

    private func nextDeadline() -> Duration? {
        var deadline = joiner.deadline
        for (_, entry) in unsettled { deadline = min(deadline ?? .max, entry.until) }
        return deadline.map { .nanoseconds(max(0, $0 - clock.steady())) }
    }

    // MARK: The folder itself

    /// The path by which the folder itself is reached: `/.` so that the folder may be given as a symbolic link.
    func accessPath(_ path: String) -> String { path == root ? path + "/." : path }

    private func checkRoot() throws -> FileFacts {
        guard let facts = try files.facts(accessPath(root)) else {
            throw SourceError(
                .missing,
                "\(spec.directory) is not there: make the folder or mount it; it is looked for again by itself.")
        }
        guard facts.kind == .directory else { throw SourceError(.missing, "\(spec.directory) is not a folder.") }
        return facts
    }

    /// An empty folder on another file system than before is a mount that is missing, not a hundred thousand deletions.
    private func checkMounted(_ facts: FileFacts, known: (complete: Bool, device: UInt64?)) throws {
        guard index.count > 0, let device = known.device, device != facts.device,
            try files.list(accessPath(root)).isEmpty
        else { return }
        throw SourceError(
            .missing,
            "\(spec.directory) is empty and on another file system than before, when it held \(index.count) entries: "
                + "is it mounted?")
    }

    // MARK: State

    private func load() async throws -> (complete: Bool, device: UInt64?) {
        var known: (complete: Bool, device: UInt64?) = (false, nil)
        for entry in try await store.entries(prefix: statePrefix) {
            guard let value = entry.value else { continue }
            let name = entry.key.dropFirst(statePrefix.count)
            if name == "complete" {
                known = (true, UInt64(String(decoding: value, as: UTF8.self)))
            } else if name.hasPrefix("at/"), let decoded = FolderFile(encoded: value) {
                let path = String(name.dropFirst(2))
                // What was remembered of another folder, when the specification has changed, is of no use.
                if path.hasPrefix(root + "/") { index.set(path, decoded) }
            } else {
                throw SourceError(.state, "The state kept under \(entry.key) is not of this version.")
            }
        }
        _ = index.takeChanges()
        return known
    }

    private func markComplete(_ facts: FileFacts) async throws {
        try await store.put([
            StateEntry(key: statePrefix + "complete", value: Array(String(facts.device).utf8))
        ])
    }
}
