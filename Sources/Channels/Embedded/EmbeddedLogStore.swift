package import Logging
import Synchronization

/// All embedded channels of one server: a folder with a folder a channel, the threads that write and read them, and
/// the lock that keeps a second server out.
package final class EmbeddedLogStore: Sendable {
    package struct Options: Sendable {
        /// Threads that write and wait for the disk, shared by all channels.
        package var writerThreads = 4
        /// Threads that read.
        package var readerThreads = 2
        /// Files kept open.
        package var openFiles = 512
        /// The largest event that is taken, in bytes; 64 MiB at most.
        package var largestRecord = 16 << 20
        /// How much of what has queued up one commit takes, in bytes.
        package var commitBytes = 8 << 20

        package init() {}
    }

    private struct State {
        var channels: [String: Task<Result<EmbeddedChannel, ChannelError>, Never>] = [:]
        var lock: (any LogLock)?
        var isClosed = false
    }

    package let directory: String
    private let options: Options
    private let fileSystem: any LogFileSystem
    private let files: OpenFiles
    private let scratch = ScratchBuffers()
    private let threads: LogThreads
    private let clock: @Sendable () -> Int64
    private let log: Logger
    private let state: Mutex<State>

    /// Takes the folder, making it when absent; channels are opened one by one. Blocks, for moments.
    ///
    /// - Parameter clock: the time in milliseconds since 1970.
    package init(
        directory: String, options: Options = Options(), fileSystem: any LogFileSystem = DiskFileSystem(),
        clock: @escaping @Sendable () -> Int64 = { WallClock.milliseconds }, log: Logger
    ) throws(ChannelError) {
        let path = "\(directory)/.lock"
        do throws(SystemError) {
            try fileSystem.createDirectory(directory)
            state = Mutex(State(lock: try fileSystem.lock(path)))
        } catch  where error.isLocked {
            throw ChannelError(
                .locked, "another process works on \(directory) (it holds \(path)): stop it, or use another folder")
        } catch {
            throw error.channelError("opening \(directory)")
        }
        self.directory = directory
        self.options = options
        self.fileSystem = fileSystem
        self.clock = clock
        self.log = log
        files = OpenFiles(fileSystem: fileSystem, capacity: options.openFiles)
        threads = LogThreads(
            writers: WorkerPool(name: "log-write", threads: options.writerThreads),
            readers: WorkerPool(name: "log-read", threads: options.readerThreads))
    }

    /// The channels that are on disk, open or not, sorted; blocks, for moments.
    package func names() throws(ChannelError) -> [String] {
        try onDisk("listing \(directory)") { () throws(SystemError) -> [String] in
            try fileSystem.list(directory).compactMap { FolderName.decode($0) }.sorted()
        }
    }

    /// Opens a channel, making it when absent. One that is open already takes the settings and is returned again.
    package func open(_ name: String, _ spec: ChannelSpec = ChannelSpec()) async throws(ChannelError) -> EmbeddedChannel
    {
        let opening = state.withLock { state -> Task<Result<EmbeddedChannel, ChannelError>, Never>? in
            if state.isClosed { return nil }
            if let task = state.channels[name] { return task }
            let task = Task { await self.threads.readers.run { self.recover(name, spec) } }
            state.channels[name] = task
            return task
        }
        guard let opening else { throw ChannelError(.closed, "the channels in \(directory) are being closed") }
        switch await opening.value {
        case .success(let channel):
            try await channel.apply(spec)
            return channel
        case .failure(let error):
            // So that the next attempt opens it anew.
            state.withLock { state in
                if state.channels[name] == opening { state.channels[name] = nil }
            }
            throw error
        }
    }

    private func recover(_ name: String, _ spec: ChannelSpec) -> Result<EmbeddedChannel, ChannelError> {
        let path = "\(directory)/\(FolderName.encode(name))"
        var log = log
        log[metadataKey: "channel"] = .string(name)
        let report = { @Sendable [log] (message: String) in log.warning("\(message)") }
        do throws(ChannelError) {
            let meta = try ChannelFolder.meta(path, partitions: spec.partitions, fileSystem, report: report)
            try onDisk("making \(path)") { () throws(SystemError) in try fileSystem.syncDirectory(directory) }
            let environment = PartitionEnvironment(
                fileSystem: fileSystem, files: files, scratch: scratch, key: meta.key, salt: meta.salt,
                keepsIdentities: spec.duplicateWindow > 0,
                largestRecord: min(options.largestRecord, RecordFrame.largestPayload), report: report)
            let folder = ChannelFolder(name: name, directory: path, environment: environment, now: clock())
            let partitions = try folder.grow([], from: meta.partitions, to: spec.partitions)
            return .success(
                EmbeddedChannel(
                    name: name, directory: path, environment: environment, threads: threads, clock: clock,
                    commitBytes: options.commitBytes, settings: .init(spec: spec, partitions: partitions)))
        } catch {
            return .failure(error)
        }
    }

    /// Closes a channel so that it can be opened anew: after its disk had failed, for instance.
    package func close(_ name: String) async {
        let task = state.withLock { $0.channels.removeValue(forKey: name) }
        if case .success(let channel)? = await task?.value { await channel.close() }
    }

    /// Removes a channel and all its events.
    package func delete(_ name: String) async throws(ChannelError) {
        await close(name)
        let path = "\(directory)/\(FolderName.encode(name))"
        let removed = await threads.readers.run { () -> Result<Void, ChannelError> in
            do throws(ChannelError) {
                return .success(
                    try onDisk("deleting \(path)") { () throws(SystemError) in try self.remove(path) })
            } catch {
                return .failure(error)
            }
        }
        try removed.get()
    }

    private func remove(_ path: String) throws(SystemError) {
        let meta = "\(path)/\(ChannelMeta.name)"
        for name in try fileSystem.list(path) where name != ChannelMeta.name {
            guard name.hasPrefix("p") else {
                try fileSystem.unlink("\(path)/\(name)")
                continue
            }
            for file in try fileSystem.list("\(path)/\(name)") {
                files.forget("\(path)/\(name)/\(file)")
                try fileSystem.unlink("\(path)/\(name)/\(file)")
            }
            try fileSystem.removeDirectory("\(path)/\(name)")
        }
        try fileSystem.unlinkIfPresent(meta)
        try fileSystem.removeDirectory(path)
        try fileSystem.syncDirectory(directory)
    }

    /// Applies retention to every open channel; to be called now and then.
    ///
    /// - Parameter now: milliseconds since 1970.
    /// - Returns: what went wrong, by channel.
    package func maintain(now: Int64) async -> [String: ChannelError] {
        var failures: [String: ChannelError] = [:]
        for (name, task) in state.withLock({ $0.channels }) {
            guard case .success(let channel) = await task.value else { continue }
            do throws(ChannelError) { try await channel.maintain(now: now) } catch { failures[name] = error }
        }
        return failures
    }

    /// Writes what is queued, closes all channels, ends the threads and gives the folder free.
    package func close() async {
        let open = state.withLock { state in
            state.isClosed = true
            return state.channels
        }
        for task in open.values {
            if case .success(let channel) = await task.value { await channel.close() }
        }
        threads.writers.stop()
        threads.readers.stop()
        state.withLock { state in
            state.lock = nil
            state.channels = [:]
        }
    }
}
