import CloudEvents
package import Persistence
package import StorageEvents

/// Follows files of lines below a folder: each from where it was left, by what it is and not by its name alone, so that
/// neither a rotation nor a copy loses a line or tells one twice.
///
/// A position is kept behind what the channel has acknowledged, and only where nothing of a record waits for its rest.
/// What is read again after a crash in between has the same ids.
package actor LinesSource: EventSource {
    package nonisolated let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// A file that is open: it can be read to its end when its name is gone.
    final class Followed {
        let file: any OpenFile
        var decoder: LineDecoder
        /// The first bytes, until there are enough for the fingerprint.
        var head: [UInt8]
        /// What was read behind the position and is not kept as read yet.
        var taken: [UInt8] = []

        init(file: any OpenFile, decoder: LineDecoder, head: [UInt8]) {
            self.file = file
            self.decoder = decoder
            self.head = head
        }
    }

    private let spec: LinesSpec
    private let statePrefix: String
    private let output: SourceOutput
    private let store: any StateStore
    private let files: any FileAccess
    private let options: LineDecoder.Options
    private let clock: SourceClock
    private let pause: @Sendable (Int64) async throws -> Void
    private let chunk: Int
    private static let longestLine = 16 << 20
    /// How deep below the folder files are looked for.
    private static let depth = 8

    private var positions: [String: BillingPosition] = [:]
    private var open: [String: Followed] = [:]

    /// - Parameters:
    ///   - pause: waits for some nanoseconds.
    ///   - chunk: how much is read at once, in bytes.
    package init(
        id: SourceID, spec: LinesSpec, output: SourceOutput, store: any StateStore,
        files: any FileAccess = PosixFiles(), options: LineDecoder.Options = .init(), clock: SourceClock = .system,
        chunk: Int = 1 << 20,
        pause: @escaping @Sendable (Int64) async throws -> Void = { try await Task.sleep(for: .nanoseconds($0)) }
    ) {
        executor = BlockingExecutor(label: "weir.source.\(id)")
        self.spec = spec
        statePrefix = id.statePrefix + "lines/"
        self.output = output
        self.store = store
        self.files = files
        var options = options
        if let system = spec.system { (options.system, options.endpoint) = (system, system) }
        self.options = options
        self.clock = clock
        self.chunk = chunk
        self.pause = pause
    }

    package func run() async throws {
        (positions, open) = ([:], [:])
        let isFirst = try await load()
        var names = try list()
        if isFirst {
            if spec.start == .latest { try await skip(names) }
            try await store.put([StateEntry(key: statePrefix + "started", value: [1])])
        }
        output.report.running()
        while true {
            try Task.checkCancellation()
            try await moved(names)
            var isBehind = false
            for name in names { isBehind = try await readOn(name) || isBehind }
            tell()
            if !isBehind { try await pause(spec.poll * 1_000_000) }
            names = try list()
        }
    }

    // MARK: Which files

    /// The names below the folder, sorted: a rotation by date is read in its order.
    private func list() throws -> [String] {
        var found: [String] = []
        var queue: [(folder: String, depth: Int)] = [("", 0)]
        while let (folder, depth) = queue.popLast() {
            let path = folder.isEmpty ? spec.directory : "\(spec.directory)/\(folder)"
            let names: [[UInt8]]
            do {
                names = try files.list(path)
            } catch {
                guard depth > 0 else {
                    throw SourceError(.missing, "The folder cannot be listed (it is tried again by itself): \(error)")
                }
                output.report.note("A folder cannot be listed: \(error)")
                continue
            }
            for bytes in names {
                let name = (folder.isEmpty ? "" : folder + "/") + String(decoding: bytes, as: UTF8.self)
                guard let facts = try? files.facts("\(spec.directory)/\(name)") else { continue }
                switch facts.kind {
                case .file where spec.filter.admitsFile(name): found.append(name)
                case .directory where depth < Self.depth && spec.filter.admitsDirectory(name):
                    queue.append((name, depth + 1))
                default: break
                }
            }
        }
        return found.sorted()
    }

    /// Files that have another name now keep their positions; of those that are gone the rest is read.
    private func moved(_ names: [String]) async throws {
        let present = Set(names)
        for name in positions.keys.sorted() where !present.contains(name) {
            guard let position = positions[name] else { continue }
            let new = try names.first { other in
                guard positions[other] == nil, let facts = try files.facts(path(other)) else { return false }
                return facts.inode == position.inode && facts.size >= position.offset
            }
            if let new {
                positions[new] = position
                open[new] = open.removeValue(forKey: name)
                try await save(new)
            } else {
                try await end(name)
            }
            positions[name] = nil
            try await save(name)
        }
    }

    // MARK: Reading

    /// - Returns: whether more is there than one call reads.
    private func readOn(_ name: String) async throws -> Bool {
        guard let facts = try files.facts(path(name)), facts.kind == .file else { return false }
        switch positions[name]?.judge(facts) {
        case nil: positions[name] = BillingPosition(inode: facts.inode)
        case .unchanged:
            try await settle(name)
            return false
        case .grown: break
        case .truncated: try await startOver(name, facts, lost: "The file was truncated while it was followed")
        case .replaced:
            // The name went to another file: its rest first, if it is still open.
            let wasOpen = open[name] != nil
            try await end(name)
            let isBehind = !wasOpen && (positions[name].map { $0.size > $0.offset } ?? false)
            try await startOver(
                name, facts, lost: isBehind ? "The file was replaced while it was not followed" : nil)
        }
        guard let followed = try opened(name) else { return false }
        for _ in 0..<64 {
            guard try await readChunk(name, followed) else {
                try await settle(name)
                return false
            }
        }
        return true
    }

    private func path(_ name: String) -> String { "\(spec.directory)/\(name)" }

    private func opened(_ name: String) throws -> Followed? {
        if let known = open[name] { return known }
        guard let position = positions[name] else { return nil }
        let file: any OpenFile
        do {
            file = try files.open(path(name))
        } catch {
            output.report.note("A file cannot be read: \(error)")
            return nil
        }
        // Between listing and opening the name may have gone to another file: that one comes with the next look.
        guard try file.facts().inode == position.inode else { return nil }
        var options = options
        options.fileName = name
        let head = try file.read(at: 0, count: Int(min(position.offset, Int64(BillingPosition.headLength))))
        let made = Followed(file: file, decoder: LineDecoder(spec.format, options: options), head: head)
        open[name] = made
        return made
    }

    /// Reads one chunk of whole lines; `false` at the end.
    private func readChunk(_ name: String, _ followed: Followed, isEnd: Bool = false) async throws -> Bool {
        guard let position = positions[name] else { return false }
        let start = position.offset + Int64(followed.taken.count)
        var wanted = chunk
        while true {
            let bytes = try followed.file.read(at: start, count: wanted)
            positions[name]?.size = max(start + Int64(bytes.count), try followed.file.facts().size)
            guard !bytes.isEmpty else { return false }
            if let end = bytes.lastIndex(of: 0x0A) {
                try await take(bytes[...end], name, followed)
                return true
            }
            if wanted >= Self.longestLine {
                try await output.publish(unreadable: [
                    unreadable(bytes, "The line is longer than \(Self.longestLine) bytes.", name, offset: start)
                ])
                followed.taken += bytes
                try await keep(name, followed)
                return true
            }
            guard bytes.count >= wanted else {
                // The last line is not ended yet, and waits; unless nobody will end it.
                guard isEnd else { return false }
                try await take((bytes + [0x0A])[...], name, followed, added: 1)
                return true
            }
            wanted = min(wanted * 4, Self.longestLine)
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>, _ name: String, _ followed: Followed, added: Int = 0) async throws {
        var batch = DecodedBatch()
        bytes.withUnsafeBytes { followed.decoder.feed($0, into: &batch) }
        followed.taken += bytes.dropLast(added)
        try await publish(&batch, name)
        if !followed.decoder.isWaiting { try await keep(name, followed) }
    }

    /// Nothing more came: what waits for its other half has none.
    private func settle(_ name: String) async throws {
        guard let followed = open[name], followed.decoder.isWaiting else { return }
        var batch = DecodedBatch()
        followed.decoder.settle(into: &batch)
        try await publish(&batch, name)
        if !followed.decoder.isWaiting, !followed.taken.isEmpty { try await keep(name, followed) }
    }

    private func publish(_ batch: inout DecodedBatch, _ name: String) async throws {
        if !batch.failures.isEmpty {
            try await output.publish(
                unreadable: batch.failures.map {
                    unreadable($0.raw, $0.description, name, line: Int64($0.line))
                })
        }
        if !batch.records.isEmpty { try await output.publish(batch.records) }
        batch.removeAll()
    }

    private func unreadable(
        _ bytes: [UInt8], _ reason: String, _ name: String, line: Int64? = nil, offset: Int64? = nil
    ) -> EventRecord {
        Unreadable(
            bytes: bytes, reason: reason, source: "file://\(path(name))", subject: path(name), line: line,
            offset: offset, time: clock.wall()
        ).event
    }

    // MARK: Ends

    /// Reads the rest of a file that goes, and closes it.
    private func end(_ name: String) async throws {
        guard let followed = open[name] else { return }
        while try await readChunk(name, followed, isEnd: true) { try Task.checkCancellation() }
        var batch = DecodedBatch()
        followed.decoder.finish(into: &batch)
        try await publish(&batch, name)
        try await keep(name, followed)
        open[name] = nil
    }

    private func startOver(_ name: String, _ facts: FileFacts, lost: String?) async throws {
        if let lost {
            output.report.change { $0.counts.gaps += 1 }
            let reason = "\(lost): lines behind byte \(positions[name]?.offset ?? 0) may have gone unread."
            try await output.publish([
                GapEvent.gap(
                    source: "file://\(path(name))", subject: path(name), from: nil, to: clock.wall(), reason: reason)
            ])
        }
        open[name] = nil
        positions[name] = BillingPosition(inode: facts.inode)
        try await save(name)
    }

    // MARK: Positions

    private func skip(_ names: [String]) async throws {
        for name in names {
            guard let facts = try files.facts(path(name)) else { continue }
            var position = BillingPosition(inode: facts.inode)
            position.offset = facts.size
            position.size = facts.size
            positions[name] = position
            try await save(name)
        }
    }

    private func keep(_ name: String, _ followed: Followed) async throws {
        guard !followed.taken.isEmpty else { return }
        positions[name]?.advance(over: followed.taken[...], head: &followed.head)
        followed.taken = []
        try await save(name)
    }

    /// - Returns: whether nothing was kept yet.
    private func load() async throws -> Bool {
        var isFirst = true
        for entry in try await store.entries(prefix: statePrefix) {
            guard let value = entry.value else { continue }
            let name = entry.key.dropFirst(statePrefix.count)
            if name == "started" {
                isFirst = false
            } else if name.hasPrefix("file/"), let position = BillingPosition(encoded: value) {
                positions[String(name.dropFirst(5))] = position
            } else {
                throw SourceError(.state, "The state kept under \(entry.key) is not of this version.")
            }
        }
        return isFirst
    }

    private func save(_ name: String) async throws {
        try await store.put([StateEntry(key: statePrefix + "file/" + name, value: positions[name]?.encoded)])
    }

    private func tell() {
        let bytes = positions.values.reduce(Int64(0)) { $0 + max(0, $1.size - $1.offset) }
        let newest = positions.keys.max()
        let place = newest.flatMap { name in positions[name].map { "\(name), byte \($0.offset)" } }
        output.report.change {
            $0.lag.bytes = bytes
            $0.position = place
        }
    }
}
