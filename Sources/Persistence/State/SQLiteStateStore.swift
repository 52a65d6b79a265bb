import Foundation
import GRDB

/// ``StateStore`` in the server's SQLite file.
package struct SQLiteStateStore: StateStore {
    private let database: Database

    package init(_ database: Database) {
        self.database = database
    }

    public func put(_ entries: [StateEntry]) async throws(PersistenceError) {
        for entry in entries where entry.key.isEmpty || entry.key.utf8.contains(0) {
            throw PersistenceError(.invalid, "a key of state must not be empty or hold a NUL byte")
        }
        guard !entries.isEmpty else { return }
        try await database.write(isolated: false) { db in
            for entry in entries {
                if let value = entry.value {
                    try db.cachedStatement(sql: "INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)")
                        .execute(arguments: [entry.key, Data(value)])
                } else {
                    try db.cachedStatement(sql: "DELETE FROM state WHERE key = ?").execute(arguments: [entry.key])
                }
            }
        }
    }

    public func entries(prefix: String) async throws(PersistenceError) -> [StateEntry] {
        guard !prefix.utf8.contains(0) else { return [] }
        return try await database.read { db in
            // Keys compare as bytes, so those with the prefix stand together, beginning at the prefix itself.
            let rows = try Row.fetchCursor(
                db.cachedStatement(sql: "SELECT key, value FROM state WHERE key >= ? ORDER BY key"),
                arguments: [prefix])
            var entries: [StateEntry] = []
            while let row = try rows.next() {
                let key: String = row[0]
                guard key.utf8.starts(with: prefix.utf8) else { break }
                let value: Data = row[1]
                entries.append(StateEntry(key: key, value: [UInt8](value)))
            }
            return entries
        }
    }
}
