import CloudEvents

/// Listening: what the kernel says, one thing after the other.
extension FolderSource {
    func handle(_ step: MoveJoiner.Joined, _ feed: any WatchFeed) async throws {
        switch step {
        case .record(let record, let observed): try await single(record, wall(observed), feed)
        case .moved(let from, let to, let observed): try await moved(from, to, wall(observed), feed)
        case .movedOut(let record, let observed):
            guard let path = path(of: record) else { return }
            movedOut(path, record, wall(observed), feed)
        case .movedIn(let record, let observed):
            guard let path = path(of: record) else { return }
            try await movedIn(path, record, wall(observed), feed)
        }
    }

    /// The time of day of a steady time.
    private func wall(_ steady: Int64) -> Int64 { clock.wall() - (clock.steady() - steady) }

    private func path(of record: InotifyRecord) -> String? {
        guard let directory = watches[record.watch], !record.name.isEmpty,
            let name = text(record.name, in: directory)
        else { return nil }
        let path = directory + "/" + name
        return admits(path, record) ? path : nil
    }

    private func admits(_ path: String, _ record: InotifyRecord) -> Bool {
        record.mask.contains(.isDirectory)
            ? spec.filter.admitsDirectory(relative(path)) : spec.filter.admitsFile(relative(path))
    }

    private func single(_ record: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed) async throws {
        if record.mask.contains(.overflow) { return try await overflowed(observed, feed) }
        guard let directory = watches[record.watch] else { return }
        if record.mask.contains(.unmount) || record.mask.contains(.ignored) || record.name.isEmpty {
            return try about(directory, record)
        }
        guard let path = path(of: record) else { return }
        let mask = record.mask
        if mask.contains(.isDirectory) {
            if mask.contains(.create) {
                try await directoryCreated(path, record, observed, feed)
            } else if mask.contains(.delete) {
                try deleted(path, record, observed, feed)
            } else if mask.contains(.attributes), let facts = try files.facts(path) {
                emit(
                    FolderHappening(
                        .attributes, path, isDirectory: true, facts: facts, observed: observed, record: record))
            }
            return
        }
        if mask.contains(.closeWrite) {
            try closedAfterWriting(path, record, observed)
        } else if mask.contains(.delete) {
            try deleted(path, record, observed, feed)
        } else if mask.contains(.attributes) {
            // The last unlink of a file that is open comes as a change of attributes too; then there is nothing to see.
            guard let facts = try files.facts(path), facts.kind == .file else { return }
            emit(FolderHappening(.attributes, path, facts: facts, observed: observed, record: record))
        } else if mask.contains(.closeNoWrite) {
            if let own = ownReads[path] {
                ownReads[path] = own > 1 ? own - 1 : nil
                return
            }
            let facts = try? files.facts(path)
            emit(FolderHappening(.read, path, facts: facts, observed: observed, record: record))
        }
        if mask.contains(.create), let facts = try files.facts(path), facts.kind == .file, facts.links > 1 {
            // A hard link to a finished file: nobody will close it.
            if index[path]?.sameVersion(as: FolderFile(facts)) != true {
                try announceListed(path, facts, as: .written)
            }
        }
        for flag in [InotifyMask.open, .access, .modify, .create]
        where mask.contains(flag) && spec.publish.contains(flag) {
            let facts = try? files.facts(path)
            emit(
                FolderHappening(
                    .native(flag.names[0]), path, facts: facts, observed: observed, record: record))
        }
    }

    /// News about a watched directory itself.
    private func about(_ directory: String, _ record: InotifyRecord) throws {
        if directory == root, !record.mask.isDisjoint(with: [.deleteSelf, .moveSelf, .unmount, .ignored]) {
            throw SourceError(
                .missing, "\(spec.directory) was deleted, moved or unmounted; it is looked for again by itself.")
        }
        if record.mask.contains(.ignored) || record.mask.contains(.unmount) { watches.remove(record.watch) }
    }

    private func closedAfterWriting(_ path: String, _ record: InotifyRecord, _ observed: Int64) throws {
        unsettled[path] = nil
        var facts = try files.facts(path)
        if facts == nil, let target = joiner.target(ofMoveFrom: record.watch, record.name),
            let directory = watches[target.watch], let name = String(validating: target.name, as: UTF8.self)
        {
            // Renamed since: the file is confirmed under the name it has now, and announced under the one it had.
            facts = try files.facts(directory + "/" + name)
        }
        if facts == nil { try strand(path) }
        // Deleted since, or no regular file any more: nothing that anybody could work on.
        guard let facts, facts.kind == .file else { return }
        if index[path]?.sameVersion(as: FolderFile(facts)) == true { return }
        index.set(path, FolderFile(facts))
        emit(FolderHappening(.written, path, facts: facts, observed: observed, record: record))
    }

    private func directoryCreated(
        _ path: String, _ record: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed
    ) async throws {
        guard let facts = try files.facts(path), facts.kind == .directory else { return try strand(path) }
        if let known = index[path] {
            // Found by a listing before its own news came.
            if known.inode == facts.inode, !spec.recursive || watches.number(of: path) != nil { return }
            if known.inode != facts.inode { forget(path, observed, feed) }
        }
        if index[path] == nil {
            index.set(path, FolderFile(facts))
            emit(
                FolderHappening(.written, path, isDirectory: true, facts: facts, observed: observed, record: record))
        }
        if spec.recursive { try await scan(.created(path), feed) }
    }

    private func deleted(_ path: String, _ record: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed) throws {
        unsettled[path] = nil
        ownReads[path] = nil
        let isDirectory = record.mask.contains(.isDirectory)
        // A listing may have been quicker than this news and have announced what took the place: that stays.
        if let known = index[path], let facts = try files.facts(path),
            known.sameVersion(as: FolderFile(facts))
        {
            return
        }
        if isDirectory {
            forget(path, observed, feed, itself: false)
        }
        let last = index.remove(path)
        emit(
            FolderHappening(
                .deleted, path, isDirectory: isDirectory, last: last, observed: observed, record: record))
    }

    /// Drops a directory that is gone with all below; what was still thought to be in it is reported as deleted.
    private func forget(_ path: String, _ observed: Int64, _ feed: any WatchFeed, itself: Bool = true) {
        for number in watches.removeTree(path) { feed.unwatch(number) }
        stranded = stranded.filter { $0 != path && !$0.hasPrefix(path + "/") }
        for (below, entry) in index.removeTree(path) where itself || below != path {
            emit(
                FolderHappening(
                    .deleted, below, isDirectory: entry.isDirectory, last: entry, observed: observed))
        }
    }

    // MARK: Moves

    private func moved(_ from: InotifyRecord, _ to: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed)
        async throws
    {
        let origin = path(of: from)
        let target = path(of: to)
        switch (origin, target) {
        case (nil, nil): break
        case (let origin?, nil): movedOut(origin, from, observed, feed)
        case (nil, let target?):
            // It comes out of a hidden name (`.name.part`), which is how a file is put in place when it is complete.
            if watches[from.watch] != nil, !to.mask.contains(.isDirectory) {
                try await movedIn(target, to, observed, feed, as: .written)
            } else {
                try await movedIn(target, to, observed, feed)
            }
        case (let origin?, let target?):
            let isDirectory = to.mask.contains(.isDirectory)
            unsettled[origin] = nil
            ownReads[origin] = nil
            let known = index[origin]
            let facts = try files.facts(target)
            var isOvertaken = false
            if isDirectory {
                isOvertaken = try listingOvertook(origin, target, facts)
                if !isOvertaken {
                    forget(target, observed, feed)
                    index.move(origin, to: target)
                    watches.move(origin, to: target)
                }
            } else {
                index.remove(target)
                index.remove(origin)
                if let known { index.set(target, facts.map { FolderFile($0) } ?? known) }
            }
            emit(
                FolderHappening(
                    .moved, target, origin: origin, isDirectory: isDirectory, facts: facts, last: known,
                    observed: observed, record: to))
            if isDirectory {
                if spec.recursive, watches.number(of: target) == nil { try await scan(.created(target), feed) }
                if let facts { index.set(target, FolderFile(facts)) }
                if !isOvertaken { try await lookAtStranded(origin, target, feed) }
            } else if known == nil, let facts, facts.kind == .file {
                // It was never announced under its old name: it is now, or when its writer closes it.
                try announceListed(target, facts, as: .written)
            }
        }
    }

    /// Whether a listing has seen the end of a directory's rename before its news came: then what is known by the old
    /// name is another directory, made since, and must not be taken for the one that was renamed.
    private func listingOvertook(_ origin: String, _ target: String, _ facts: FileFacts?) throws -> Bool {
        let known = index[origin]
        if let facts, known?.inode != facts.inode, index[target]?.inode == facts.inode { return true }
        guard let known, let now = try files.facts(origin) else { return false }
        return now.kind == .directory && now.inode == known.inode
    }

    /// Something could not be looked at. When its directory is not there either, that has been renamed, and the news of
    /// it will come: the directory is looked at then.
    private func strand(_ path: String) throws {
        guard let slash = path.utf8.lastIndex(of: 0x2F) else { return }
        let directory = String(path[..<slash])
        guard directory != root else { return }
        let now = try files.facts(directory)
        if now == nil || now?.inode != index[directory]?.inode { stranded.insert(directory) }
    }

    private func lookAtStranded(_ origin: String, _ target: String, _ feed: any WatchFeed) async throws {
        for directory in stranded.sorted() where directory == origin || directory.hasPrefix(origin + "/") {
            stranded.remove(directory)
            let moved = target + directory.dropFirst(origin.count)
            if let facts = try files.facts(moved), facts.inode == index[moved]?.inode {
                try await scan(.created(moved), feed)
            } else {
                stranded.insert(moved)
            }
        }
    }

    private func movedOut(_ path: String, _ record: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed) {
        unsettled[path] = nil
        ownReads[path] = nil
        let isDirectory = record.mask.contains(.isDirectory)
        if isDirectory {
            for number in watches.removeTree(path) { feed.unwatch(number) }
            stranded = stranded.filter { $0 != path && !$0.hasPrefix(path + "/") }
            for (below, entry) in index.removeTree(path) where below != path {
                emit(
                    FolderHappening(
                        .disappeared, below, isDirectory: entry.isDirectory, last: entry, observed: observed))
            }
        }
        let last = index.remove(path)
        emit(
            FolderHappening(
                .disappeared, path, isDirectory: isDirectory, last: last, observed: observed, record: record))
    }

    private func movedIn(
        _ path: String, _ record: InotifyRecord, _ observed: Int64, _ feed: any WatchFeed,
        as kind: FolderHappening.Kind = .appeared
    ) async throws {
        guard let facts = try files.facts(path) else { return try strand(path) }
        switch facts.kind {
        case .directory:
            forget(path, observed, feed)
            index.set(path, FolderFile(facts))
            emit(
                FolderHappening(.appeared, path, isDirectory: true, facts: facts, observed: observed, record: record))
            if spec.recursive { try await scan(.movedIn(path), feed) }
        case .file:
            if index[path]?.sameVersion(as: FolderFile(facts)) == true { return }
            index.set(path, FolderFile(facts))
            emit(FolderHappening(kind, path, facts: facts, observed: observed, record: record))
        case .other: break
        }
    }

    // MARK: Loss

    /// The kernel has dropped news: says so, looks at everything, and says that it is whole again.
    private func overflowed(_ observed: Int64, _ feed: any WatchFeed) async throws {
        let source = "file://\(host)"
        let from = intactUntil
        let reason = "The kernel's queue of inotify events overflowed (fs.inotify.max_queued_events)."
        pending.append(GapEvent.gap(source: source, subject: spec.directory, from: from, to: observed, reason: reason))
        output.report.change { $0.counts.gaps += 1 }
        ownReads = [:]
        try await flush()
        try await scan(.repair, feed)
        pending.append(
            GapEvent.repaired(
                source: source, subject: spec.directory, from: from, to: clock.wall(),
                reason: "The folder has been listed and compared with what had been announced."))
        try await flush()
    }
}
