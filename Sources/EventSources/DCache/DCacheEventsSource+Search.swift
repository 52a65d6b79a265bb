import CloudEvents
import StorageEvents

/// Looking through the name space: at the very first start, in new folders, after a loss.
extension DCacheEventsSource {
    private static let pageSize = 1_000

    /// Begins the search that is due, saying first what may be missing.
    func beginSearch() async throws {
        guard let search = life.search, !scans.contains(where: { $0.isWhole }) else { return }
        switch search {
        case .first: scans.append(TreeScan(.first(announce: spec.existing == .announce), spec.paths))
        case .repair(let reason):
            let missed = gap ?? EventGap(from: intactUntil, to: clock.wall(), reason: reason)
            gap = missed
            pending.append(gapEvent(missed, spec.paths.joined(separator: " ")))
            output.report.change { $0.counts.gaps += 1 }
            // Kept before it is worked on, so that a crash in between searches again.
            try await flush()
            scans.append(TreeScan(.repair, spec.paths))
        }
    }

    /// Looks at one folder of the first search, or ends it.
    func step(_ channel: String) async throws {
        guard !scans.isEmpty else { return }
        guard let folder = scans[0].stack.popLast() else { return try await endSearch() }
        guard try await watch(folder, channel) else { return }
        var offset = 0
        var seen: Set<String> = []
        while true {
            guard let page = try await list(folder, offset) else { return }
            for (name, facts) in page {
                seen.insert(name)
                let path = folder == "/" ? "/" + name : folder + "/" + name
                guard admits(path, isDirectory: facts.isDirectory) else { continue }
                if facts.isDirectory {
                    foundFolder(path, facts)
                } else if facts.isFile {
                    foundFile(path, facts)
                }
            }
            if pending.count >= SourceOutput.batchLimit { try await flush() }
            if page.count < Self.pageSize { break }
            offset += page.count
        }
        guard scans[0].findsLosses else { return }
        for name in index.names(in: folder == "/" ? "" : folder) where !seen.contains(name) {
            scans[0].gone += index.removeTree(folder == "/" ? "/" + name : folder + "/" + name)
        }
    }

    private func list(_ folder: String, _ offset: Int) async throws -> [(name: String, facts: NamespaceFacts)]? {
        do {
            return try await frontend.list(folder, offset: offset, limit: Self.pageSize)
        } catch let error as FrontendError where error.status == 403 {
            // What is known below a folder that may not be read is kept, not told as deleted.
            output.report.note("A folder may not be listed: \(folder)")
            return nil
        }
    }

    /// Watches a folder; `false` when it is not to be entered.
    private func watch(_ folder: String, _ channel: String) async throws -> Bool {
        if watches.subscription(of: folder) != nil { return true }
        guard watches.count < spec.watchLimit else {
            output.report.note(
                "More than \(spec.watchLimit) folders: what happens in \(folder) and others is seen only after a loss. "
                    + "Exclude folders, or name fewer.")
            return true
        }
        var flags = [
            "IN_CREATE", "IN_CLOSE_WRITE", "IN_DELETE", "IN_DELETE_SELF", "IN_MOVE_SELF", "IN_MOVED_FROM",
            "IN_MOVED_TO", "IN_ATTRIB",
        ]
        flags += spec.publish.filter { !flags.contains($0) }
        let isRoot = spec.paths.contains(folder)
        do {
            let subscription = try await frontend.watch(folder, flags: flags, channel: channel)
            watches.set(subscription, folder)
            mapper.watches = watches.paths
            return true
        } catch let error as FrontendError where error.status == 400 {
            if error.detail.hasPrefix("Not found") {
                if isRoot {
                    throw SourceError(.missing, "\(folder) is not there: make it; it is looked for again by itself.")
                }
                return false
            }
            if error.detail.hasPrefix("Permission denied"), isRoot {
                throw SourceError(.forbidden, "\(folder) may not be listed with this credential.")
            }
            output.report.note("A folder is not watched: \(folder): \(error.detail)")
            return !error.detail.hasPrefix("Permission denied")
        } catch let error as FrontendError where error.status == 404 {
            // The channel itself went away.
            await lose("the channel is gone")
            throw error
        }
    }

    private func foundFolder(_ path: String, _ facts: NamespaceFacts) {
        let entry = NamespaceEntry(facts)
        if scans[0].isDeep, spec.recursive { scans[0].stack.append(path) }
        guard index[path]?.isDirectory != true else { return }
        index.set(path, entry)
        switch scans[0].reason {
        case .first(announce: false): return
        case .first, .repair, .folder, .created:
            emitFound("dev.weir.directory.created", path, entry: entry, facts: facts)
        case .appeared: emitFound("dev.weir.directory.appeared", path, entry: entry, facts: facts)
        }
        scans[0].told += 1
        // A folder that one listing finds is entered by a search of its own.
        if !scans[0].isDeep, spec.recursive { scans.append(TreeScan(.created, [path])) }
    }

    private func foundFile(_ path: String, _ facts: NamespaceFacts) {
        // Without a size it is being written, and the watch tells when it is closed.
        guard facts.size != nil else { return }
        let entry = NamespaceEntry(facts)
        if let known = index[path], known == .unknown || known.sameVersion(as: entry) {
            if known == .unknown { index.set(path, entry) }
            return
        }
        switch scans[0].reason {
        case .first(announce: false): index.set(path, entry)
        case .repair, .folder:
            if index[path] == nil {
                scans[0].found.append(.init(path: path, facts: facts))
            } else {
                tell("dev.weir.file.written", path, entry, facts)
            }
        case .first, .created: tell("dev.weir.file.written", path, entry, facts)
        case .appeared: tell("dev.weir.file.appeared", path, entry, facts)
        }
    }

    private func tell(_ type: String, _ path: String, _ entry: NamespaceEntry, _ facts: NamespaceFacts) {
        index.set(path, entry)
        vanished.remove(path)
        emitFound(type, path, entry: entry, facts: facts)
        scans[0].told += 1
    }

    /// Ends a search: what is gone here and new there with the same id was moved.
    private func endSearch() async throws {
        let scan = scans[0]
        var losses: [String: (path: String, entry: NamespaceEntry)] = [:]
        for one in scan.gone where !one.entry.isDirectory && !one.entry.pnfsid.isEmpty {
            losses[one.entry.pnfsid] = one
        }
        var moved: Set<String> = []
        for one in scan.found {
            let entry = NamespaceEntry(one.facts)
            if index[one.path]?.sameVersion(as: entry) == true { continue }
            if let old = losses.removeValue(forKey: entry.pnfsid) {
                moved.insert(old.path)
                index.set(one.path, entry)
                emitFound("dev.weir.file.moved", one.path, from: old.path, entry: entry, facts: one.facts)
                scans[0].told += 1
            } else {
                tell("dev.weir.file.written", one.path, entry, one.facts)
            }
            if pending.count >= SourceOutput.batchLimit { try await flush() }
        }
        for one in scan.gone where !moved.contains(one.path) {
            // It may have come back while the search went on.
            guard index[one.path] == nil else { continue }
            vanished.insert(one.path)
            let kind = one.entry.isDirectory ? "directory" : "file"
            emitFound("dev.weir.\(kind).deleted", one.path, entry: one.entry, facts: nil)
            scans[0].told += 1
            if pending.count >= SourceOutput.batchLimit { try await flush() }
        }
        let told = scans.removeFirst().told
        if let missed = scan.gap ?? (scan.isWhole ? gap : nil) {
            pending.append(
                GapEvent.repaired(
                    source: system, subject: scan.gap == nil ? spec.paths.joined(separator: " ") : scan.watched,
                    from: missed.from, to: missed.to, reason: missed.reason,
                    details: [("events", .integer(Int64(told)))]))
        }
        if scan.isWhole {
            gap = nil
            life.searched()
        }
        try await flush()
    }
}
