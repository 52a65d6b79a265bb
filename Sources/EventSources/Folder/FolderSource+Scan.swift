import CloudEvents

/// Looking: at the start, in a new folder, after an overflow.
extension FolderSource {
    /// Why a listing is made, and so what a file that is found means.
    enum Scan {
        /// The whole folder, at the start of a run.
        case start(announce: Bool)
        /// The whole folder, because news were lost.
        case repair
        /// A subfolder that was made in the folder.
        case created(String)
        /// A subfolder that was moved in from elsewhere.
        case movedIn(String)

        var isWhole: Bool {
            switch self {
            case .start, .repair: true
            case .created, .movedIn: false
            }
        }
    }

    /// Something a whole scan found that was not known, kept until it is clear whether it was only moved.
    private struct Found {
        var path: String
        var facts: FileFacts
    }

    /// Watches and lists directories, in this order, so that nothing falls between; announces what is new or changed
    /// and, of a whole scan, what is gone.
    func scan(_ scan: Scan, _ feed: any WatchFeed) async throws {
        let top: String
        switch scan {
        case .start, .repair: top = root
        case .created(let path), .movedIn(let path): top = path
        }
        // A whole scan builds the map anew: renames may be among what was lost.
        let before = watches
        if scan.isWhole { (watches, stranded) = (FolderWatches(), []) }
        var found: [Found] = []
        var gone: [(path: String, entry: FolderFile)] = []
        let mayPair = scan.isWhole && index.count > 0
        var stack = [top]
        while let directory = stack.popLast() {
            guard try watch(directory, feed) else { continue }
            let names: [[UInt8]]
            do {
                names = try files.list(accessPath(directory))
            } catch {
                // What is known below an unreadable folder is kept, not reported as deleted.
                output.report.note("A folder cannot be listed: \(error)")
                continue
            }
            var seen: Set<String> = []
            var below: [String] = []
            for bytes in names {
                guard let name = text(bytes, in: directory) else { continue }
                let path = directory + "/" + name
                seen.insert(name)
                guard let facts = try? files.facts(path) else { continue }
                switch facts.kind {
                case .directory:
                    guard spec.filter.admitsDirectory(relative(path)) else { continue }
                    if spec.recursive { below.append(path) }
                    try foundDirectory(path, facts, scan)
                case .file:
                    guard spec.filter.admitsFile(relative(path)) else { continue }
                    if mayPair, index[path] == nil {
                        found.append(Found(path: path, facts: facts))
                    } else {
                        try foundFile(path, facts, scan)
                    }
                case .other: break
                }
                if pending.count >= SourceOutput.batchLimit { try await flush() }
            }
            // Depth first in the order of names, so that a run can be followed by eye.
            stack += below.sorted(by: >)
            for name in index.names(in: directory) where !seen.contains(name) && scan.isWhole {
                gone += index.removeTree(directory + "/" + name)
            }
        }
        try await settle(found, gone, scan)
        if scan.isWhole {
            for directory in before.directories {
                guard let number = before.number(of: directory), watches[number] == nil else { continue }
                feed.unwatch(number)
            }
        }
    }

    /// Watches one directory; `false` when it is not to be entered.
    private func watch(_ directory: String, _ feed: any WatchFeed) throws -> Bool {
        let mask: InotifyMask = [
            .closeWrite, .closeNoWrite, .create, .delete, .deleteSelf, .movedFrom, .movedTo, .moveSelf, .attributes,
        ]
        do throws(WatchError) {
            let number = try feed.watch(accessPath(directory), mask.union(spec.publish))
            if let other = watches[number], other != directory {
                // One directory under two paths: a bind mount, or a rename whose news are still under way.
                output.report.note("\(directory) is the same folder as \(other): it is watched under one name only.")
                return false
            }
            watches.set(number, directory)
            return true
        } catch {
            switch error {
            case .gone:
                if directory == root { throw SourceError(.missing, "\(spec.directory) is not there any more.") }
                return false
            case .limit:
                throw SourceError(
                    .watchLimit,
                    "The system's limit of watched folders is reached at \(watches.count) folders below "
                        + "\(spec.directory): raise it, for instance with \"sysctl fs.inotify.max_user_watches=1048576\", "
                        + "or exclude folders.")
            case .forbidden:
                if directory == root {
                    throw SourceError(.forbidden, "\(spec.directory) may not be read by the user that runs the server.")
                }
                output.report.note("A folder may not be read and is not watched: \(directory)")
                return false
            case .other(let number):
                throw SourceError(.ioFailure, "\(directory) cannot be watched: errno \(number).")
            }
        }
    }

    private func foundDirectory(_ path: String, _ facts: FileFacts, _ scan: Scan) throws {
        guard index[path]?.inode != facts.inode || index[path]?.isDirectory != true else { return }
        index.set(path, FolderFile(facts))
        switch scan {
        case .start(announce: false): break
        case .start, .repair, .created:
            emit(FolderHappening(.written, path, isDirectory: true, facts: facts, observed: clock.wall()))
        case .movedIn:
            emit(FolderHappening(.appeared, path, isDirectory: true, facts: facts, observed: clock.wall()))
        }
    }

    /// Announces a listed file, unless it is known or somebody is still writing it.
    private func foundFile(_ path: String, _ facts: FileFacts, _ scan: Scan) throws {
        if index[path]?.sameVersion(as: FolderFile(facts)) == true { return }
        switch scan {
        case .movedIn: try announceListed(path, facts, as: .appeared)
        case .start(announce: false):
            // One that is being written will be new when it is closed.
            if probe(path) != .some { index.set(path, FolderFile(facts)) }
        case .start, .repair, .created: try announceListed(path, facts, as: .written)
        }
    }

    func announceListed(_ path: String, _ facts: FileFacts, as kind: FolderHappening.Kind) throws {
        switch probe(path) {
        case .none:
            // Taken again, for the writer may have closed between the two calls.
            guard let now = try files.facts(path), now.kind == .file else { return }
            // Whoever makes a file by opening it counts as its writer a moment after its name is there (open(2), `O_CREAT`).
            guard now.size > 0 || clock.wall() - now.changed >= settings.creation else {
                unsettled[path] = (now, clock.steady() + settings.creation)
                return
            }
            index.set(path, FolderFile(now))
            emit(FolderHappening(kind, path, facts: now, observed: clock.wall()))
        case .some, .gone: break
        case .unknown: unsettled[path] = (facts, clock.steady() + settings.settle)
        }
    }

    private func probe(_ path: String) -> FileWriters {
        let answer = files.writers(path)
        if answer != .gone { ownReads[path, default: 0] += 1 }
        return answer
    }

    /// Looks again at listed files that nobody could tell about, or that had only just been made.
    func settleListed() throws {
        let now = clock.steady()
        for (path, entry) in unsettled where now >= entry.until {
            guard let facts = try files.facts(path), facts.kind == .file, probe(path) != .some else {
                unsettled[path] = nil
                continue
            }
            guard facts.modified == entry.facts.modified, facts.size == entry.facts.size else {
                unsettled[path] = (facts, now + settings.settle)
                continue
            }
            unsettled[path] = nil
            if index[path]?.sameVersion(as: FolderFile(facts)) == true { continue }
            index.set(path, FolderFile(facts))
            emit(FolderHappening(.written, path, facts: facts, observed: clock.wall()))
        }
    }

    /// Ends a whole scan: what is gone here and new there under the same inode, unchanged, was moved.
    private func settle(
        _ found: [Found], _ gone: [(path: String, entry: FolderFile)], _ scan: Scan
    ) async throws {
        let now = clock.wall()
        var vanished: [UInt64: (path: String, entry: FolderFile)] = [:]
        for one in gone where !one.entry.isDirectory { vanished[one.entry.inode] = one }
        var moved: Set<String> = []
        for one in found {
            let entry = FolderFile(one.facts)
            if let old = vanished[entry.inode], old.entry.sameVersion(as: entry) {
                vanished[entry.inode] = nil
                moved.insert(old.path)
                index.set(one.path, entry)
                emit(FolderHappening(.moved, one.path, origin: old.path, facts: one.facts, observed: now))
            } else {
                try foundFile(one.path, one.facts, scan)
            }
            if pending.count >= SourceOutput.batchLimit { try await flush() }
        }
        for one in gone where !moved.contains(one.path) {
            emit(
                FolderHappening(
                    .deleted, one.path, isDirectory: one.entry.isDirectory, last: one.entry, observed: now))
            if pending.count >= SourceOutput.batchLimit { try await flush() }
        }
    }

    // MARK: Names

    /// The path below the folder.
    func relative(_ path: String) -> String { String(path.dropFirst(root.count + 1)) }

    /// A name as text; one that is not UTF-8 goes to the dead letters, whole.
    func text(_ name: [UInt8], in directory: String) -> String? {
        if let text = String(validating: name, as: UTF8.self) { return text }
        pendingUnreadable.append(
            Unreadable(
                bytes: name, reason: "The name is not UTF-8, so the file cannot be spoken of: rename it.",
                source: "file://\(host)", subject: directory, time: clock.wall()
            ).event)
        return nil
    }
}
