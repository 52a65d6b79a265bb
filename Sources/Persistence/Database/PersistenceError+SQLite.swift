import GRDB

extension PersistenceError {
    /// The same failure in our words; a ``PersistenceError`` stays itself.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as PersistenceError: self = error
        case let error as DatabaseError: self.init(sqlite: error, path: path)
        case is CancellationError: self.init(.closed, "\(path): the read was cancelled")
        default: self.init(.ioFailure, "\(path): \(error)")
        }
    }

    private init(sqlite error: DatabaseError, path: String) {
        let detail = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_FULL:
            self.init(.diskFull, "\(path): the disk is full; free some space, nothing accepted before is lost")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.init(
                .corrupt, "\(path): this is not an intact database (\(detail)); restore it from a copy or move it away")
        case .SQLITE_CANTOPEN:
            self.init(
                .ioFailure, "\(path): cannot open the database (\(detail)); does its folder exist and is it ours?")
        case .SQLITE_READONLY, .SQLITE_PERM:
            self.init(.ioFailure, "\(path): the database cannot be written (\(detail)); check owner and permissions")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(.ioFailure, "\(path): another program holds the database; is a second server running on it?")
        case .SQLITE_MISUSE:
            self.init(.closed, "\(path): the database is closed")
        default:
            self.init(.ioFailure, "\(path): \(detail)")
        }
    }
}
