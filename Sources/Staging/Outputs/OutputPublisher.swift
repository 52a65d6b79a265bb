internal import CLinux
internal import CloudEvents
package import Functions
internal import Glibc
internal import Synchronization

/// Puts what a run made into its place, so that nobody ever sees half of it.
///
/// Each file is copied to a temporary name in the folder where it is to lie, its digest taken on the way, put on disk
/// and then renamed: first the record of its origin, then the output itself. A crash leaves temporary files at most,
/// which the next start finds through the journal. Copied and not moved, because the function's process lives on and
/// could go on writing to a file of its own.
package final class OutputPublisher: Sendable {
    private let journal: PublishJournal
    /// Makes temporary names and journal entries of this process unique.
    private let counter = Atomic<UInt64>(0)
    /// One publication at a time on a mount looks whether a place is free and takes it.
    private let placing = Mutex<[String: PlacingLock]>([:])
    /// Called at each step; a test throws here to be a crash or a full disk.
    let onStep: @Sendable (Step) throws(StagingError) -> Void

    private final class PlacingLock: Sendable {
        let lock = Mutex(())
    }

    /// Where a publication can be interrupted.
    package enum Step: Sendable, Hashable {
        case journalled, copied(String), recorded(String), placed(String)
    }

    /// - Parameter journal: recovered before.
    package init(
        journal: PublishJournal, onStep: @escaping @Sendable (Step) throws(StagingError) -> Void = { _ in }
    ) {
        self.journal = journal
        self.onStep = onStep
    }

    /// What one publication is about.
    package struct Job: Sendable {
        /// The folder in which the run left its files.
        package var source: Folder
        package var mount: StorageMount
        package var request: OutputRequest
        package var values: OutputTemplate.Values
        package var run: RunRecord

        package init(
            source: Folder, mount: StorageMount, request: OutputRequest, values: OutputTemplate.Values, run: RunRecord
        ) {
            self.source = source
            self.mount = mount
            self.request = request
            self.values = values
            self.run = run
        }
    }

    /// Publishes all files of a run. Blocks.
    ///
    /// - Returns: one record a file, by the files' paths in the output folder.
    /// - Throws: when one of them cannot be placed. All are copied and looked at before the first is placed, so that
    ///   only a fault in the very last step leaves some of them visible; each of those is whole and has its record.
    package func publish(_ job: Job) throws(StagingError) -> [OutputRecord] {
        let files = try OutputTree.list(job.source, limit: job.request.limit)
        guard !files.isEmpty else { return [] }
        var plans = try plan(files, job)
        let root = try Folder(opening: job.mount.path)
        let token =
            "\(job.run.activation.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(64))-"
            + "\(counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        for index in plans.indices {
            plans[index].temporary = "\(StagingPath.reservedPrefix)\(token)-\(index)\(PublishJournal.suffix)"
            plans[index].temporaryRecord = "\(StagingPath.reservedPrefix)\(token)-\(index)r\(PublishJournal.suffix)"
        }
        let entry = try journal.begin(token, root: job.mount.path, files: plans.flatMap(\.temporaryPaths))
        do throws(StagingError) {
            try onStep(.journalled)
            var records: [OutputRecord] = []
            for index in plans.indices { records.append(try copy(&plans[index], root, job)) }
            for index in plans.indices { try place(plans[index], &records[index], job) }
            for plan in plans { try plan.sync() }
            journal.end(entry)
            return records
        } catch {
            // A test that plays a crash leaves everything as a crash would.
            if error.code == .ioFailure, error.message == Self.crash { throw error }
            for plan in plans { plan.removeTemporaries() }
            journal.end(entry)
            throw error
        }
    }

    /// What a test throws to be a crash: nothing is cleaned up after it.
    static let crash = "the server was killed"

    /// Where one file goes.
    private struct Plan {
        let source: OutputTree.File
        /// Inside the mount.
        let path: String
        let recordPath: String
        var temporary = ""
        var temporaryRecord = ""
        /// Where output and record are to lie; open from the copy on.
        var folder: Folder?
        var recordFolder: Folder?

        var temporaryPaths: [String] {
            func joined(_ path: String, _ name: String) -> String {
                let directory = StagingPath.split(path).directory
                return directory.isEmpty ? name : directory + "/" + name
            }
            return [joined(path, temporary), joined(recordPath, temporaryRecord)]
        }

        func removeTemporaries() {
            if let folder { unlinkat(folder.descriptor, temporary, 0) }
            if let recordFolder { unlinkat(recordFolder.descriptor, temporaryRecord, 0) }
        }

        func sync() throws(StagingError) {
            try folder?.sync()
            try recordFolder?.sync()
        }
    }

    private func plan(_ files: [OutputTree.File], _ job: Job) throws(StagingError) -> [Plan] {
        let template = job.request.template
        guard files.count == 1 || template.namesEachFile else {
            throw StagingError(
                .refused,
                "the run left \(files.count) files (\(files.prefix(3).map(\.path).joined(separator: ", "))\(files.count > 3 ? ", …" : "")), "
                    + "but output.to names one place: let it end with \"/\" or name {output.path}")
        }
        var plans: [Plan] = []
        var taken: [String: String] = [:]
        for file in files {
            let path: String
            do throws(OutputTemplate.Fault) {
                path = try template.render(job.values, output: file.path)
            } catch {
                throw StagingError(.place, "the place of the output \(file.path) cannot be made: \(error.message)")
            }
            if let other = taken.updateValue(file.path, forKey: path) {
                throw StagingError(
                    .refused, "the outputs \(other) and \(file.path) have the same place, \(path): name {output.path}")
            }
            let record =
                switch job.request.provenance {
                case .beside: path + StagingPath.provenanceSuffix
                case .folder(let folder): folder + "/" + path + StagingPath.provenanceSuffix
                }
            guard StagingPath.isComponent(StagingPath.split(record).name), record.utf8.count <= StagingPath.longest
            else {
                throw StagingError(.place, "the place \(path) is too long: its record would be called \(record)")
            }
            plans.append(Plan(source: file, path: path, recordPath: record))
        }
        return plans
    }

    /// Copies a file and writes its record, both under temporary names, both on disk.
    private func copy(_ plan: inout Plan, _ root: Folder, _ job: Job) throws(StagingError) -> OutputRecord {
        let folder = try root.makeFolder(StagingPath.split(plan.path).directory, owner: job.mount.owner)
        let recordFolder = try root.makeFolder(StagingPath.split(plan.recordPath).directory, owner: job.mount.owner)
        plan.folder = folder
        plan.recordFolder = recordFolder
        let source = OpenFile(job.source.descriptor(of: plan.source.path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW))
        guard source.descriptor >= 0 else {
            throw StagingError("the output \(plan.source.path) cannot be opened", errno: errno)
        }
        // The function's process may have put something else there since the folder was listed.
        guard let state = FileState(source.descriptor), state.kind == .file else {
            throw StagingError(.refused, "the output \(plan.source.path) is no file any more")
        }
        let shown = "\(job.mount.name):\(plan.path)"
        let target = try create(plan.temporary, folder, shown)
        let copied = try FileBytes.copy(
            from: source.descriptor, to: target.descriptor, limit: job.request.limit,
            ("the output \(plan.source.path)", shown))
        try finish(target, shown, job.mount.owner)
        try onStep(.copied(plan.path))
        let record = OutputRecord(
            mount: job.mount.name, path: plan.path, size: copied.size, sha256: copied.sha256)
        let recordFile = try create(plan.temporaryRecord, recordFolder, "the record of \(shown)")
        let text = Provenance.document(job.run, record).prettyText() + "\n"
        try FileBytes.write(Array(text.utf8), to: recordFile.descriptor, "the record of \(shown)")
        try finish(recordFile, "the record of \(shown)", job.mount.owner)
        return record
    }

    private func create(_ name: String, _ folder: Folder, _ shown: String) throws(StagingError) -> OpenFile {
        let file = OpenFile(folder.descriptor(of: name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600))
        guard file.descriptor >= 0 else { throw StagingError("\(shown) cannot be made", errno: errno) }
        return file
    }

    private func finish(_ file: OpenFile, _ shown: String, _ owner: FileOwner?) throws(StagingError) {
        if let owner { try owner.give(file.descriptor, shown) }
        guard fchmod(file.descriptor, 0o644) == 0, fsync(file.descriptor) == 0 else {
            throw StagingError("\(shown) cannot be written", errno: errno)
        }
    }

    /// Makes one output visible.
    private func place(_ plan: Plan, _ record: inout OutputRecord, _ job: Job) throws(StagingError) {
        guard let folder = plan.folder, let recordFolder = plan.recordFolder else { return }
        let name = StagingPath.split(plan.path).name
        let recordName = StagingPath.split(plan.recordPath).name
        let shown = "\(job.mount.name):\(plan.path)"
        let placing = placing.withLock { locks in
            let lock = locks[job.mount.path] ?? PlacingLock()
            locks[job.mount.path] = lock
            return lock
        }
        let result: Result<OutputRecord?, StagingError> = placing.lock.withLock { _ in
            Result { () throws(StagingError) -> OutputRecord? in
                if job.request.overwrite == .never, let there = FileState(name, in: folder.descriptor) {
                    return try earlier(there, name, recordName, (folder, recordFolder), plan, job)
                }
                guard renameat(recordFolder.descriptor, plan.temporaryRecord, recordFolder.descriptor, recordName) == 0
                else { throw StagingError("the record of \(shown) cannot be placed", errno: errno) }
                try onStep(.recorded(plan.path))
                switch job.request.overwrite {
                case .never: try placeNew(plan.temporary, name, folder, shown)
                case .replace:
                    guard renameat(folder.descriptor, plan.temporary, folder.descriptor, name) == 0 else {
                        throw StagingError("\(shown) cannot be placed", errno: errno)
                    }
                }
                try onStep(.placed(plan.path))
                return nil
            }
        }
        if let earlier = try result.get() {
            plan.removeTemporaries()
            record = earlier
        }
    }

    /// The output that is there already, when an earlier delivery of this very run made it.
    private func earlier(
        _ there: FileState, _ name: String, _ recordName: String, _ folders: (output: Folder, record: Folder),
        _ plan: Plan,
        _ job: Job
    ) throws(StagingError) -> OutputRecord {
        let file = OpenFile(folders.record.descriptor(of: recordName, O_RDONLY | O_NONBLOCK))
        let record = FileBytes.read(file.descriptor, limit: Provenance.longest).flatMap { try? JSONValue(parsing: $0) }
        if there.kind == .file, let record,
            let known = Provenance.earlier(record, than: job.run, mount: job.mount.name, path: plan.path),
            known.size == there.size
        {
            return known
        }
        throw StagingError(
            .exists,
            "\(job.mount.name):\(plan.path) is there already (\(Provenance.maker(record))), and output.overwrite is \"never\""
        )
    }

    /// Renames to a name that must be free, or links to it where the file system cannot do the former.
    private func placeNew(
        _ temporary: String, _ name: String, _ folder: Folder, _ shown: String
    ) throws(StagingError) {
        let result = weir_rename_new(folder.descriptor, temporary, folder.descriptor, name)
        if result == 0 { return }
        guard result == -EINVAL || result == -ENOSYS || result == -ENOTSUP else {
            throw StagingError("\(shown) cannot be placed", errno: -result)
        }
        guard linkat(folder.descriptor, temporary, folder.descriptor, name, 0) == 0 else {
            guard errno == EEXIST else {
                throw StagingError(
                    .ioFailure,
                    "\(shown): the file system can neither rename to a free name only nor link, so output.overwrite: never "
                        + "cannot be kept there: \(String(cString: strerror(errno)))")
            }
            throw StagingError("\(shown) cannot be placed", errno: errno)
        }
        unlinkat(folder.descriptor, temporary, 0)
    }
}
