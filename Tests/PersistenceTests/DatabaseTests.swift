import Foundation
import GRDB
import Testing
import TestSupport

@testable import Persistence

@Suite struct DatabaseTests {
    @Test func commitsAreDurableAgainstAPowerCut() throws {
        let folder = try TemporaryDirectory()
        let database = try Database(path: folder.file("weir.db"))
        let level = try database.pool.writeWithoutTransaction { db in
            try Int.fetchOne(db, sql: "PRAGMA synchronous")
        }
        #expect(level == 2, "2 is FULL: DatabasePool sets 1 by itself while it opens")
        let mode = try database.pool.read { db in try String.fetchOne(db, sql: "PRAGMA journal_mode") }
        #expect(mode == "wal")
    }

    @Test func aFileThatIsNoDatabaseIsNamed() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("weir.db")
        try String(repeating: "this is a text, not a database. ", count: 200).write(
            toFile: path, atomically: true, encoding: .utf8)
        let error = await failure {
            _ = try Database(path: path)
        }
        #expect(error?.code == .corrupt)
        #expect(
            error?.message
                == "\(path): this is not an intact database (file is not a database); "
                + "restore it from a copy or move it away")
    }

    @Test func aMissingFolderIsNamed() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("absent/weir.db")
        let error = await failure {
            _ = try Database(path: path)
        }
        #expect(error?.code == .ioFailure)
        #expect(error?.message.hasPrefix("\(path): cannot open the database") == true)
    }

    @Test func aFailingWriteLeavesThoseOfTheSameCommitAlone() async throws {
        let folder = try TemporaryDirectory()
        let database = try Database(path: folder.file("weir.db"))
        try await database.write { db in try db.execute(sql: "CREATE TABLE t (n INTEGER PRIMARY KEY)") }
        // Every tenth one breaks the primary key after it has written a row that must go again.
        let failed = await withTaskGroup(of: Bool.self) { group in
            for number in 1...100 {
                group.addTask {
                    do {
                        try await database.write { db in
                            try db.execute(sql: "INSERT INTO t VALUES (?)", arguments: [number])
                            if number % 10 == 0 {
                                try db.execute(sql: "INSERT INTO t VALUES (?)", arguments: [number])
                            }
                        }
                        return false
                    } catch {
                        return true
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failed == 10)
        let rows = try await database.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM t") }
        #expect(rows == 90)
    }

    @Test func afterCloseWritesAreRefused() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("weir.db")
        let database = try Database(path: path)
        try await database.close()
        let error = await failure {
            try await database.write { _ in }
        }
        #expect(error?.code == .closed)
        #expect(error?.message == "\(path): the database is closed")
    }
}
