import GRDB
import Synchronization

/// Counts the commits of a database that changed something.
final class CommitCounter: TransactionObserver, Sendable {
    let count = Mutex(0)

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: GRDB.Database) { count.withLock { $0 += 1 } }
    func databaseDidRollback(_ db: GRDB.Database) {}
}
