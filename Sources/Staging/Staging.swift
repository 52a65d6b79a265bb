internal import Channels
package import Functions
internal import Glibc
internal import Synchronization

/// Brings files of events in and what runs made out.
///
/// Everything here waits for disks, so it runs on threads of its own, some for each mount: a file system that hangs
/// holds up its own calls only.
package final class Staging: Sendable {
    package let mounts: MountTable
    private let publisher: OutputPublisher
    private let scratch: ScratchFolders
    private let pools = Mutex<[String: WorkerPool]>([:])

    /// How many files of one mount are worked on at the same time.
    private static let threads = 4

    /// - Parameters:
    ///   - directory: for the journal and for files on their way; made when it is not there. What an earlier server
    ///     left in it, and on the mounts, is removed. Blocks.
    ///   - notes: takes what could not be removed yet, as sentences.
    package init(
        _ mounts: MountTable, directory: String, notes: (String) -> Void = { _ in }
    ) throws(StagingError) {
        self.mounts = mounts
        mkdir(directory, 0o711)
        let journal = try PublishJournal(directory: directory + "/journal")
        for note in journal.recover() { notes(note) }
        publisher = OutputPublisher(journal: journal)
        scratch = try ScratchFolders(directory: directory + "/scratch")
    }

    /// Refuses what this server does not grant a function of a namespace.
    package func review(_ staging: FunctionStaging, namespace: String) throws(StagingError) {
        func check(_ key: String, _ name: String, writing: Bool) throws(StagingError) {
            do throws(StagingError) {
                _ = try mounts.mount(name, namespace: namespace, writing: writing)
            } catch {
                throw StagingError(error.code, "\(key): \(error.message)")
            }
        }
        for (index, request) in staging.mounts.enumerated() {
            try check("mounts[\(index)]", request.name, writing: request.isWritable)
        }
        if let output = staging.output { try check("output", output.mount, writing: true) }
    }

    /// Opens the folder of a mount that a function asked for.
    package func open(_ request: MountRequest, namespace: String) async -> Result<Folder, StagingError> {
        await run(request.name) { [mounts] () throws(StagingError) in
            let mount = try mounts.mount(request.name, namespace: namespace, writing: request.isWritable)
            return try Folder(opening: mount.path).folder(request.path)
        }
    }

    /// Opens the file of an event.
    package func open(_ event: EventFile, namespace: String) async -> Result<StagedInput, StagingError> {
        let location: MountTable.Location
        do throws(StagingError) {
            location = try mounts.locate(event, namespace: namespace)
        } catch {
            return .failure(error)
        }
        return await run(location.mount ?? "") { () throws(StagingError) in
            try StagedInput(opening: event, at: location)
        }
    }

    /// Puts what a run made into its place.
    package func publish(_ job: OutputPublisher.Job) async -> Result<[OutputRecord], StagingError> {
        await run(job.mount.name) { [publisher] () throws(StagingError) in try publisher.publish(job) }
    }

    /// Makes the folders of one call for a worker that sees the machine's own paths.
    package func makeScratch(for version: String, call: String) async -> Result<Scratch, StagingError> {
        await run("") { [scratch] () throws(StagingError) in try scratch.make(version: version, call: call) }
    }

    /// Places a file where a worker without mounts of its own can read it: as a link where that is possible, else as a
    /// copy.
    ///
    /// - Parameter asCopy: for a worker that is another user, whom the file's own permissions keep out.
    package func place(
        _ input: StagedInput, in scratch: Scratch, asCopy: Bool = false
    ) async -> Result<InputRecord, StagingError> {
        await run(input.location.mount ?? "") { () throws(StagingError) in try scratch.place(input, asCopy: asCopy) }
    }

    /// Removes a call's folders, some time.
    package func remove(_ scratch: Scratch) { pool("").submit { scratch.remove() } }

    /// The folder below which the calls of a version have theirs, for a worker's rules.
    package func scratchFolder(of version: String) -> String { scratch.folder(of: version) }

    private func pool(_ mount: String) -> WorkerPool {
        pools.withLock { pools in
            if let known = pools[mount] { return known }
            let pool = WorkerPool(name: "staging", threads: Self.threads)
            pools[mount] = pool
            return pool
        }
    }

    private func run<Success: Sendable>(
        _ mount: String, _ body: @escaping @Sendable () throws(StagingError) -> Success
    ) async -> Result<Success, StagingError> {
        await pool(mount).run { Result(catching: body) }
    }
}
