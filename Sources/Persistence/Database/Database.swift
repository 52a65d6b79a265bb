import GRDB
import Synchronization

/// A connection inside GRDB's own queue; never kept beyond the closure it was handed to.
typealias SQLConnection = GRDB.Database

/// The one SQLite file of a server: write-ahead log, durable commits, one writer, many readers.
///
/// Writes that wait at the same time share one commit (see ``write(isolated:_:)``). All work but ``readNow(_:)`` runs on
/// GRDB's own queues and blocks no task's thread.
package final class Database: Sendable {
    /// The file, for messages.
    package let path: String
    let pool: DatabasePool
    /// For reads on the caller's thread. They are of their own because one of the pool's may be held by a read that waits
    /// for a thread, and all threads may be such callers that wait for a reader: then nothing would ever go on.
    private let readers: DatabasePool
    private let queue = Mutex(Queue())

    private struct Queue {
        var jobs: [Job] = []
        var isDraining = false
        var isClosed = false
    }

    /// One waiting write.
    private struct Job: Sendable {
        /// Its statements; what it throws fails this job alone when it is isolated, else the whole commit.
        let run: @Sendable (SQLConnection) throws -> Void
        let isIsolated: Bool
        /// On the writer's queue, after the commit and before the next one.
        let finish: @Sendable (PersistenceError?) -> Void
    }

    /// Jobs of one commit at most: bounds the time that a read snapshot and an answer wait.
    private static let largestCommit = 1024

    /// Opens or creates the file and brings its tables up to date.
    package init(path: String) throws(PersistenceError) {
        self.path = path
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            let pool = try DatabasePool(path: path, configuration: configuration)
            // DatabasePool sets NORMAL itself after `prepareDatabase` has run, so FULL must be set once it is open;
            // with NORMAL a power cut loses the last commits (sqlite.org/pragma.html#pragma_synchronous).
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try Schema.migrator.migrate(pool)
            configuration.readonly = true
            readers = try DatabasePool(path: path, configuration: configuration)
            self.pool = pool
        } catch {
            throw PersistenceError(error, path: path)
        }
    }

    /// Runs statements in a transaction that is on disk when this returns.
    ///
    /// - Parameters:
    ///   - isolated: whether a failure undoes these statements only and leaves those that share the commit alone; costs
    ///     a savepoint. Without it a failure fails the whole commit, which is right where only the disk can fail.
    ///   - body: the statements, on the writer's queue; may run before a commit that then fails.
    ///   - committed: called with the outcome on the writer's queue, after the commit, in the order of the commits.
    func write<Value: Sendable>(
        isolated: Bool = true, _ body: @escaping @Sendable (SQLConnection) throws -> Value,
        committed: (@Sendable (Value) -> Void)? = nil
    ) async throws(PersistenceError) -> Value {
        let outcome: Result<Value, PersistenceError> = await withCheckedContinuation { continuation in
            let box = Box<Value>()
            let path = self.path
            enqueue(
                Job(
                    run: { connection in
                        let value = try body(connection)
                        box.value.withLock { $0 = value }
                    }, isIsolated: isolated,
                    finish: { error in
                        if let error {
                            continuation.resume(returning: .failure(error))
                        } else if let value = box.value.withLock({ $0 }) {
                            committed?(value)
                            continuation.resume(returning: .success(value))
                        } else {
                            continuation.resume(
                                returning: .failure(PersistenceError(.ioFailure, "\(path): a write did not run")))
                        }
                    }))
        }
        return try outcome.get()
    }

    /// Reads from a snapshot that holds every write that has returned.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (SQLConnection) throws -> Value
    ) async throws(PersistenceError) -> Value {
        do {
            return try await pool.read(body)
        } catch {
            throw PersistenceError(error, path: path)
        }
    }

    /// The same on the caller's thread, for bodies of one statement, or of several that need not see the same state: at the
    /// start of the server, and for a single row by its key (some 50 µs).
    func readNow<Value>(_ body: (SQLConnection) throws -> Value) throws(PersistenceError) -> Value {
        do {
            // One statement sees one state by itself; a transaction around it costs as much again.
            return try readers.unsafeRead(body)
        } catch {
            throw PersistenceError(error, path: path)
        }
    }

    /// Ends the waiting writes, folds the write-ahead log into the file and closes it. Later calls fail as closed.
    package func close() async throws(PersistenceError) {
        queue.withLock { $0.isClosed = true }
        do {
            // Behind all queued commits: the writer's queue is serial.
            try await pool.barrierWriteWithoutTransaction { _ in }
            try readers.close()
            try pool.close()
        } catch {
            throw PersistenceError(error, path: path)
        }
    }

    /// How many writes wait for the next commit.
    var waiting: Int { queue.withLock { $0.jobs.count } }

    private func enqueue(_ job: Job) {
        enum Next { case drain, wait, refuse }
        let next = queue.withLock { queue -> Next in
            guard !queue.isClosed else { return .refuse }
            queue.jobs.append(job)
            guard !queue.isDraining else { return .wait }
            queue.isDraining = true
            return .drain
        }
        switch next {
        case .wait: break
        case .refuse: job.finish(PersistenceError(.closed, "\(path): the database is closed"))
        case .drain: pool.asyncWriteWithoutTransaction { [self] connection in drain(connection) }
        }
    }

    /// Commits what waits, again and again until nothing does; what arrives during a commit makes the next one.
    private func drain(_ connection: SQLConnection) {
        while true {
            let jobs = queue.withLock { queue -> [Job] in
                let jobs = Array(queue.jobs.prefix(Self.largestCommit))
                queue.jobs.removeFirst(jobs.count)
                if jobs.isEmpty { queue.isDraining = false }
                return jobs
            }
            if jobs.isEmpty { return }
            commit(jobs, connection)
        }
    }

    private func commit(_ jobs: [Job], _ connection: SQLConnection) {
        var failures = [PersistenceError?](repeating: nil, count: jobs.count)
        do {
            try connection.inTransaction(.immediate) {
                for (index, job) in jobs.enumerated() {
                    guard job.isIsolated else {
                        try job.run(connection)
                        continue
                    }
                    do {
                        try connection.inSavepoint {
                            try job.run(connection)
                            return .commit
                        }
                    } catch {
                        failures[index] = PersistenceError(error, path: path)
                        // A full disk may have rolled the transaction back as a whole: then nobody's write stands.
                        guard connection.isInsideTransaction else { throw error }
                    }
                }
                return .commit
            }
        } catch {
            let failure = PersistenceError(error, path: path)
            failures = failures.map { $0 ?? failure }
        }
        for (job, failure) in zip(jobs, failures) { job.finish(failure) }
    }
}

/// Where the writer's queue leaves a value for the waiting task.
private final class Box<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
}
