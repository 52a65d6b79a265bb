import CloudEvents
import StorageEvents

/// What the stream's news mean for what is known and watched, and which events they become.
extension DCacheEventsSource {
    /// How many written files are remembered that were not there when they were looked for.
    private static let unconfirmedLimit = 1_024

    /// - Parameter facts: of a file that was looked at: what the name space said; `nil` when nothing was there.
    func take(_ happening: StreamHappening, _ facts: NamespaceFacts?) async throws {
        let path = happening.path
        switch happening.type {
        case "dev.weir.file.written": written(happening, facts)
        case "dev.weir.file.moved": moved(happening, facts)
        case "dev.weir.file.appeared":
            emit(happening, facts)
            if let facts { index.set(path, NamespaceEntry(facts)) }
        case "dev.weir.file.deleted", "dev.weir.file.disappeared":
            index.remove(path)
            if vanished.remove(path) != nil { return }
            if let place = unconfirmed.firstIndex(of: path) {
                unconfirmed.remove(at: place)
                var failed = happening
                // What was closed and is taken away again without having been there was not uploaded.
                if happening.type == "dev.weir.file.deleted" { failed.type = "dev.weir.file.write-failed" }
                emit(failed, nil, isOK: false)
                return
            }
            emit(happening, nil)
        case "dev.weir.directory.created":
            emitFolder(happening)
            if spec.recursive { scans.append(TreeScan(.created, [path])) }
        case "dev.weir.directory.appeared":
            emitFolder(happening)
            if spec.recursive { scans.append(TreeScan(.appeared, [path])) }
        case "dev.weir.directory.deleted", "dev.weir.directory.disappeared":
            if spec.paths.contains(path) { try await giveUp("the folder \(path) is not there any more") }
            _ = index.removeTree(path)
            for subscription in watches.below(path) {
                watches.retire(subscription)
                // A deleted folder's watch ends by itself, one that was moved away goes on.
                if happening.type == "dev.weir.directory.disappeared" { try await frontend.delete(subscription) }
            }
            mapper.watches = watches.paths
            if vanished.remove(path) == nil { emit(happening, nil) }
        case "dev.weir.directory.moved": try await folderMoved(happening)
        default: emit(happening, nil)
        }
    }

    private func written(_ happening: StreamHappening, _ facts: NamespaceFacts?) {
        guard spec.confirm else {
            index.set(happening.path, NamespaceEntry.unknown)
            emit(happening, nil)
            return
        }
        guard let facts else {
            // Not there: a failed upload that was cleaned up, or renamed or deleted since. What follows tells.
            unconfirmed.append(happening.path)
            if unconfirmed.count > Self.unconfirmedLimit { unconfirmed.removeFirst() }
            return
        }
        let entry = NamespaceEntry(facts)
        vanished.remove(happening.path)
        // A search has told it already.
        if index[happening.path]?.sameVersion(as: entry) == true { return }
        index.set(happening.path, entry)
        emit(happening, facts)
    }

    private func moved(_ happening: StreamHappening, _ facts: NamespaceFacts?) {
        let (from, to) = (happening.from ?? "", happening.path)
        let known = index.remove(from)
        // A search has told it already.
        if known == nil, let there = index[to], facts.map({ there.sameVersion(as: NamespaceEntry($0)) }) ?? true {
            return
        }
        if let entry = facts.map({ NamespaceEntry($0) }) ?? known { index.set(to, entry) }
        emit(happening, facts)
        let place = unconfirmed.firstIndex(of: from)
        if let place { unconfirmed.remove(at: place) }
        guard known == nil else { return }
        // It was never told under its old name: under the new one it is a written file.
        if let facts, facts.size != nil {
            var written = happening
            (written.type, written.from) = ("dev.weir.file.written", nil)
            emit(written, facts)
        } else if place != nil {
            unconfirmed.append(to)
        }
    }

    private func emitFolder(_ happening: StreamHappening) {
        vanished.remove(happening.path)
        if index[happening.path]?.isDirectory == true { return }
        index.set(happening.path, NamespaceEntry.unknownFolder)
        emit(happening, nil)
    }

    private func folderMoved(_ happening: StreamHappening) async throws {
        let (from, to) = (happening.from ?? "", happening.path)
        let isTold = index[from] == nil && index[to] != nil
        if !isTold { index.move(from, to: to) }
        watches.move(from, to: to)
        if index[to] == nil { index.set(to, NamespaceEntry.unknownFolder) }
        // It came from where nothing is watched (an excluded folder), or was made a moment ago.
        if spec.recursive, watches.subscription(of: to) == nil { scans.append(TreeScan(.appeared, [to])) }
        for place in scans.indices {
            scans[place].stack = scans[place].stack.map { path in
                path == from || path.hasPrefix(from + "/") ? to + path.dropFirst(from.count) : path
            }
        }
        mapper.watches = watches.paths
        if !isTold { emit(happening, nil) }
    }

    // MARK: Events

    /// The event of a happening, with what the name space says of the file.
    func emit(_ happening: StreamHappening, _ facts: NamespaceFacts?, isOK: Bool = true) {
        var happening = happening
        if let facts { happening.details = Self.details(facts) }
        var event = happening.event
        event.time = EventTime(nanoseconds: clock.wall())
        if !isOK { event["outcome"] = .string("error") }
        if let facts { complete(&event, happening.path, facts) }
        event.source = system
        pending.append(EventRecord(event))
    }

    /// The event of something that a search found.
    func emitFound(
        _ type: String, _ path: String, from: String? = nil, entry: NamespaceEntry?, facts: NamespaceFacts?
    ) {
        var happening = StreamHappening(
            type: type, path: path, from: from, isDirectory: entry?.isDirectory ?? false, subscription: system, ids: [],
            native: facts?.value ?? .null, line: 0)
        happening.details = facts.map(Self.details) ?? JSONObject()
        happening.details["found"] = "listing"
        var event = happening.event
        var hash = StableHash()
        for text in [type, system, path, from ?? "", entry?.pnfsid ?? ""] { hash.add(text) }
        hash.add(entry?.size ?? 0)
        event.id = hash.hex
        if let facts { complete(&event, path, facts) } else { event.time = EventTime(nanoseconds: clock.wall()) }
        event.source = system
        pending.append(EventRecord(event))
    }

    /// The attributes that the name space tells. A written file's id follows from what was written, so that the
    /// stream's word and a search's are one event.
    private func complete(_ event: inout CloudEvent, _ path: String, _ facts: NamespaceFacts) {
        if let pnfsid = facts.pnfsid { event["fileid"] = .string(pnfsid) }
        if facts.isFile, let size = facts.size {
            event["filesize"] = .string(String(size))
            let mebibytes = size <= 0 ? 0 : (size - 1) >> 20 + 1
            if let value = Int32(exactly: mebibytes) { event["filesizemib"] = .integer(value) }
        }
        guard event.type == "dev.weir.file.written" else {
            if event.time == nil { event.time = EventTime(nanoseconds: clock.wall()) }
            return
        }
        var hash = StableHash()
        for text in ["written", system, path, facts.pnfsid ?? ""] { hash.add(text) }
        if facts.pnfsid == nil { hash.add((facts.size ?? 0) ^ (facts.modified ?? 0) << 20) }
        event.id = hash.hex
        event.time = (facts.modified ?? facts.created).map { EventTime(nanoseconds: $0 * 1_000_000) } ?? event.time
    }

    private static func details(_ facts: NamespaceFacts) -> JSONObject {
        var details = JSONObject()
        for (name, key) in [
            ("pnfsid", "pnfsId"), ("size", "size"), ("checksums", "checksums"), ("owner", "owner"),
            ("group", "group"), ("locality", "fileLocality"), ("mimetype", "fileMimeType"),
        ] {
            if let value = facts.value[key], value != .null { details[name] = value }
        }
        if let modified = facts.modified {
            details["modified"] = .string(EventTime(nanoseconds: modified * 1_000_000).text)
        }
        details["confirmed"] = .bool(facts.size != nil || facts.isDirectory)
        return details
    }

    func gapEvent(_ gap: EventGap, _ subject: String) -> EventRecord {
        GapEvent.gap(source: system, subject: subject, from: gap.from, to: gap.to, reason: gap.reason)
    }
}

extension NamespaceEntry {
    /// A file of which nothing more is known.
    static let unknown = NamespaceEntry(isDirectory: false)
    static let unknownFolder = NamespaceEntry(isDirectory: true)

    private init(isDirectory: Bool) {
        self.isDirectory = isDirectory
        pnfsid = ""
        size = isDirectory ? 0 : -1
        modified = 0
    }
}
