package import Persistence

/// Reads a dCache billing directory: the past in the order of the days, then what comes.
///
/// A position is written after the channel has acknowledged the events before it. Decoders make the same ids of the same
/// lines, so what is read again after a crash in between is dropped by the channel: no line is lost, none repeated.
/// Every file in the directory is followed, whatever its day, for a late record may still go to yesterday's.
package actor BillingSource: EventSource {
    package struct Settings: Sendable {
        /// How often everything is looked at without news from the kernel (network file systems have none).
        package var poll: Duration = .seconds(10)
        /// How much is read at once, in bytes.
        package var chunk = 1 << 20
        /// The longest line, in bytes; more is set aside.
        package var longestLine = 16 << 20
        /// The program that unpacks `.bz2` files; looked for in `PATH` when it has no `/`.
        package var unpacker = "bzip2"

        package init() {}
    }

    package typealias MakeDecoder = @Sendable (_ date: BillingName, _ state: [UInt8]) throws -> any LineDecoding

    package nonisolated let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let root: String
    let start: BillingSpec.Start
    let statePrefix: String
    let output: SourceOutput
    let store: any StateStore
    let files: any FileAccess
    let clock: SourceClock
    let settings: Settings
    let makeDecoder: MakeDecoder
    private let makeFeed: @Sendable () throws(SourceError) -> any WatchFeed

    var positions: [String: BillingPosition] = [:]
    /// Files that are being followed, the one used last at the end: read from even when their name is gone.
    var open: [(name: String, file: OpenBillingFile)] = []
    /// Until when nothing can have been lost; nanoseconds since 1970.
    var intactUntil: Int64 = 0
    var lines = DecodedLines()

    package init(
        id: SourceID, spec: BillingSpec, output: SourceOutput, store: any StateStore,
        files: any FileAccess = PosixFiles(), clock: SourceClock = .system, settings: Settings = Settings(),
        decoder: @escaping MakeDecoder,
        feed: @escaping @Sendable () throws(SourceError) -> any WatchFeed = BillingSource.kernelFeed
    ) {
        executor = BlockingExecutor(label: "weir.source.\(id)")
        var root = Substring(spec.directory)
        while root.count > 1, root.last == "/" { root.removeLast() }
        self.root = String(root)
        start = spec.start
        statePrefix = id.statePrefix + "billing/"
        self.output = output
        self.store = store
        self.files = files
        self.clock = clock
        self.settings = settings
        makeDecoder = decoder
        makeFeed = feed
    }

    package static let kernelFeed: @Sendable () throws(SourceError) -> any WatchFeed = { () throws(SourceError) in
        try KernelFeed()
    }

    package func run() async throws {
        positions = [:]
        open = []
        lines.removeAll()
        let started = try await load()
        let feed = try makeFeed()
        defer { feed.close() }
        intactUntil = clock.wall()
        var watches: [Int32: String] = [:]
        var catalog = try look(feed, &watches)
        if !started, start == .latest { try await skipPast(catalog) }
        try await store.put([StateEntry(key: statePrefix + "started", value: [1])])
        output.report.running()

        var whole = true
        var touched: Set<String> = []
        while true {
            try Task.checkCancellation()
            if whole {
                // Watches are set before the listing, so that a file made in between is heard of or seen.
                catalog = try look(feed, &watches)
                try await vanished(catalog)
            }
            var behind = false
            for file in catalog.files where whole || touched.contains(file.name) {
                behind = try await readOn(file) || behind
            }
            intactUntil = clock.wall()
            measureLag(catalog)
            guard let records = try await feed.next(waitingAtMost: behind ? .zero : settings.poll) else { return }
            // Nothing heard: time to look at everything, unless the rest of a large file is being read.
            whole = records.isEmpty && !behind
            touched = behind ? Set(positions.filter { $0.value.size > $0.value.offset }.keys) : []
            for record in records {
                guard
                    record.mask.isDisjoint(with: [.overflow, .isDirectory, .ignored, .deleteSelf, .moveSelf, .unmount]),
                    record.mask.isDisjoint(with: [.create, .delete, .movedFrom, .movedTo]),
                    let directory = watches[record.watch]
                else {
                    whole = true
                    continue
                }
                let name = String(decoding: record.name, as: UTF8.self)
                if BillingName(name) != nil { touched.insert(relative(directory, name)) }
            }
        }
    }

    private func relative(_ directory: String, _ name: String) -> String {
        directory == root ? name : directory.dropFirst(root.count + 1) + "/" + name
    }

    /// Lists the directory and watches all folders in it.
    private func look(_ feed: any WatchFeed, _ watches: inout [Int32: String]) throws -> BillingCatalog {
        func list() throws -> BillingCatalog {
            do {
                return try BillingCatalog(root, files: files)
            } catch {
                throw SourceError(
                    .missing, "The billing directory cannot be listed (it is tried again by itself): \(error)")
            }
        }
        let catalog = try list()
        var isNew = false
        for directory in catalog.directories {
            // A folder that cannot be watched is still polled.
            guard
                let number = try? feed.watch(
                    directory == root ? root + "/." : directory,
                    [.create, .modify, .closeWrite, .movedFrom, .movedTo, .delete, .deleteSelf, .moveSelf])
            else { continue }
            isNew = watches.updateValue(directory, forKey: number) == nil || isNew
        }
        for problem in catalog.problems { output.report.note("A folder cannot be listed: \(problem)") }
        return isNew ? try list() : catalog
    }

    // MARK: State

    private func load() async throws -> Bool {
        var started = false
        for entry in try await store.entries(prefix: statePrefix) {
            guard let value = entry.value else { continue }
            let name = entry.key.dropFirst(statePrefix.count)
            if name == "started" {
                started = true
            } else if name.hasPrefix("file/"), let position = BillingPosition(encoded: value) {
                positions[String(name.dropFirst(5))] = position
            } else {
                throw SourceError(.state, "The state kept under \(entry.key) is not of this version.")
            }
        }
        return started
    }

    func save(_ name: String) async throws {
        try await store.put([StateEntry(key: statePrefix + "file/" + name, value: positions[name]?.encoded)])
    }

    private func measureLag(_ catalog: BillingCatalog) {
        let bytes = positions.values.reduce(Int64(0)) { $0 + max(0, $1.size - $1.offset) }
        let newest = catalog.files.last { positions[$0.name] != nil }
        let place = newest.flatMap { file in positions[file.name].map { "\(file.name), byte \($0.offset)" } }
        output.report.change {
            $0.lag.bytes = bytes
            $0.position = place
        }
    }
}
