import Foundation
import GRDB
import Synchronization
import Testing
import TestSupport

@testable import Persistence

@Suite struct StateStoreTests {
    @Test func entriesComeBackSortedByKeyAndOnlyThoseWithThePrefix() async throws {
        let folder = try TemporaryDirectory()
        let store = SQLiteStateStore(try Database(path: folder.file("weir.db")))
        try await store.put([
            StateEntry(key: "source/b", value: [2]), StateEntry(key: "source/a", value: []),
            StateEntry(key: "source", value: [0]), StateEntry(key: "source/ä", value: [3]),
            StateEntry(key: "subscription/a", value: [4]), StateEntry(key: "Source/a", value: [5]),
        ])
        let found = try await store.entries(prefix: "source/")
        #expect(found.map(\.key) == ["source/a", "source/b", "source/ä"])
        #expect(found.map(\.value) == [[], [2], [3]])
        #expect(try await store.entries(prefix: "").count == 6)
        #expect(try await store.entries(prefix: "zzz").isEmpty)
    }

    @Test func nilRemovesAndALaterValueReplaces() async throws {
        let folder = try TemporaryDirectory()
        let store = SQLiteStateStore(try Database(path: folder.file("weir.db")))
        try await store.put([StateEntry(key: "a", value: [1]), StateEntry(key: "b", value: [1])])
        try await store.put([StateEntry(key: "a", value: nil), StateEntry(key: "b", value: [2])])
        #expect(try await store.entries(prefix: "") == [StateEntry(key: "b", value: [2])])
    }

    @Test func whatAPutWroteIsInTheFilesWhenItReturns() async throws {
        let folder = try TemporaryDirectory()
        let store = SQLiteStateStore(try Database(path: folder.file("weir.db")))
        for round in 0..<20 {
            try await store.put([StateEntry(key: "floor", value: [UInt8(round)])])
            // A copy of the files as they are now is what a killed server leaves.
            let copy = try TemporaryDirectory()
            for name in ["weir.db", "weir.db-wal"] {
                try FileManager.default.copyItem(atPath: folder.file(name), toPath: copy.file(name))
            }
            let reopened = SQLiteStateStore(try Database(path: copy.file("weir.db")))
            #expect(try await reopened.entries(prefix: "floor").first?.value == [UInt8(round)])
        }
    }

    @Test func putsThatArriveTogetherShareCommits() async throws {
        let folder = try TemporaryDirectory()
        let database = try Database(path: folder.file("weir.db"))
        let store = SQLiteStateStore(database)
        let commits = CommitCounter()
        database.pool.add(transactionObserver: commits, extent: .databaseLifetime)
        // The writer is held until all have asked, so that the test does not depend on how they are scheduled.
        let gate = DispatchSemaphore(value: 0)
        let isHeld = Atomic(false)
        async let first: Void = database.write { _ in
            isHeld.store(true, ordering: .releasing)
            gate.wait()
        }
        // Whoever asked before would be written before, and never be among those that wait.
        await waitUntil { isHeld.load(ordering: .acquiring) }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask {
                    try? await store.put([StateEntry(key: "k/\(number)", value: [1])])
                }
            }
            await waitUntil { database.waiting >= 500 }
            gate.signal()
        }
        try await first
        #expect(try await store.entries(prefix: "k/").count == 500)
        #expect(commits.count.withLock { $0 } <= 2)
    }

    @Test func aFullDiskFailsEveryWriterOfTheCommitAndLosesNothingBefore() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("weir.db")
        let database = try Database(path: path)
        let store = SQLiteStateStore(database)
        try await store.put([StateEntry(key: "kept", value: [7])])
        try await database.pool.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages + 2)")
        }
        let error = await failure {
            try await store.put([StateEntry(key: "large", value: [UInt8](repeating: 1, count: 100_000))])
        }
        #expect(error?.code == .diskFull)
        #expect(error?.message == "\(path): the disk is full; free some space, nothing accepted before is lost")
        try await database.pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA max_page_count = 100000") }
        try await store.put([StateEntry(key: "after", value: [8])])
        #expect(try await store.entries(prefix: "").map(\.key) == ["after", "kept"])
    }

    @Test func aKeyWithANULIsRefused() async throws {
        let folder = try TemporaryDirectory()
        let store = SQLiteStateStore(try Database(path: folder.file("weir.db")))
        let error = await failure {
            try await store.put([StateEntry(key: "a\0b", value: [1])])
        }
        #expect(error?.code == .invalid)
    }
}
