import CloudEvents
import GRDB

/// The tables of the registry and the one function that changes them.
enum RegistryTables {
    static let columns = "kind, namespace, name, uid, generation, created, updated, paused, version, document"

    /// Applies a command: the same commands in the same order give the same tables, on any node.
    ///
    /// Throws before it has written anything when the command does not fit what is there.
    static func apply(_ command: RegistryCommand, to db: SQLConnection) throws -> RegistryChange {
        let key = command.key
        let current = try resource(key, in: db)
        let change: RegistryChange
        switch command.change {
        case .put(_, let document, let expected):
            try check(expected, current, key)
            change = try put(key, document: document, version: current?.version, current, command, db)
        case .putVersion(_, let document, let version, let keep, let expected):
            try check(expected, current, key)
            change = try put(key, document: document, version: version.digest, current, command, db)
            if case .unchanged = change { return change }
            try add(version, to: key, time: command.time, keep: keep, db)
        case .setPaused(_, let paused):
            guard let current else { throw PersistenceError(.notFound, "there is no \(key)") }
            guard current.isPaused != paused else { return .unchanged(current) }
            var next = current
            next.isPaused = paused
            next.updated = command.time
            try write(next, db)
            change = .updated(next, previous: current)
        case .delete(_, let expected):
            guard let current else { throw PersistenceError(.notFound, "there is no \(key)") }
            try check(expected, current, key)
            try db.execute(
                sql: "DELETE FROM resource WHERE kind = ? AND namespace = ? AND name = ?", arguments: arguments(key))
            try db.execute(
                sql: "DELETE FROM version WHERE kind = ? AND namespace = ? AND name = ?", arguments: arguments(key))
            change = .deleted(current)
        }
        if case .unchanged = change { return change }
        try db.cachedStatement(
            sql: "INSERT INTO command (number, document) SELECT coalesce(max(number), 0) + 1, ? FROM command"
        ).execute(arguments: [command.json.text])
        return change
    }

    private static func check(_ expected: Int64?, _ current: ResourceDocument?, _ key: ResourceKey) throws {
        guard let expected, expected != current?.generation ?? 0 else { return }
        guard let current else {
            throw PersistenceError(.conflict, "\(key) was expected at generation \(expected), but there is none")
        }
        throw PersistenceError(
            .conflict,
            expected == 0
                ? "\(key) exists already"
                : "\(key) was changed by someone else: it is at generation \(current.generation), not \(expected)")
    }

    private static func put(
        _ key: ResourceKey, document: JSONValue, version: String?, _ current: ResourceDocument?,
        _ command: RegistryCommand, _ db: SQLConnection
    ) throws -> RegistryChange {
        guard var next = current else {
            let made = ResourceDocument(
                key: key, document: document, generation: 1, uid: command.uid, created: command.time,
                updated: command.time, version: version)
            try write(made, db)
            return .created(made)
        }
        guard next.version != version || !next.document.isEquivalent(to: document) else { return .unchanged(next) }
        let previous = next
        next.document = document
        next.version = version
        next.generation += 1
        next.updated = command.time
        try write(next, db)
        return .updated(next, previous: previous)
    }

    private static func add(
        _ version: VersionDocument, to key: ResourceKey, time: Int64, keep: Int, _ db: SQLConnection
    ) throws {
        // A version that comes back becomes the newest again, so that pruning never takes the current one.
        try db.cachedStatement(
            sql: """
                INSERT INTO version (kind, namespace, name, digest, number, created, content, document)
                SELECT ?1, ?2, ?3, ?4, coalesce(max(number), 0) + 1, ?5, ?6, ?7 FROM version
                    WHERE kind = ?1 AND namespace = ?2 AND name = ?3
                ON CONFLICT (kind, namespace, name, digest) DO UPDATE SET number = excluded.number
                """
        ).execute(
            arguments: arguments(key) + [version.digest, time, version.content, version.document.text])
        try db.cachedStatement(
            sql: """
                DELETE FROM version WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND digest NOT IN (
                    SELECT digest FROM version WHERE kind = ?1 AND namespace = ?2 AND name = ?3
                    ORDER BY number DESC LIMIT ?4)
                """
        ).execute(arguments: arguments(key) + [max(1, keep)])
    }

    private static func write(_ resource: ResourceDocument, _ db: SQLConnection) throws {
        try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO resource (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ).execute(
            arguments: arguments(resource.key) + [
                resource.uid, resource.generation, resource.created, resource.updated, resource.isPaused,
                resource.version, resource.document.text,
            ])
    }

    private static func arguments(_ key: ResourceKey) -> StatementArguments {
        [key.kind.rawValue, key.namespace, key.name]
    }
}

// MARK: - Reading

extension RegistryTables {
    static func resource(_ key: ResourceKey, in db: SQLConnection) throws -> ResourceDocument? {
        try Row.fetchOne(
            db.cachedStatement(
                sql: "SELECT \(columns) FROM resource WHERE kind = ? AND namespace = ? AND name = ?"),
            arguments: arguments(key)
        ).map(decode)
    }

    static func all(_ kind: ResourceKind, in db: SQLConnection) throws -> [ResourceDocument] {
        let rows = try Row.fetchCursor(
            db, sql: "SELECT \(columns) FROM resource WHERE kind = ? ORDER BY namespace, name",
            arguments: [kind.rawValue])
        var found: [ResourceDocument] = []
        while let row = try rows.next() { found.append(try decode(row)) }
        return found
    }

    /// At most `limit` after a place, sorted by namespace, then name; `nil` as namespace: all of them.
    static func page(
        _ kind: ResourceKind, namespace: String?, after place: (namespace: String, name: String), limit: Int,
        in db: SQLConnection
    ) throws -> [ResourceDocument] {
        let sql =
            namespace == nil
            ? "SELECT \(columns) FROM resource WHERE kind = ?1 AND (namespace, name) > (?2, ?3)"
            : "SELECT \(columns) FROM resource WHERE kind = ?1 AND namespace = ?2 AND name > ?3"
        return try Row.fetchAll(
            db.cachedStatement(sql: sql + " ORDER BY namespace, name LIMIT ?4"),
            arguments: [kind.rawValue, namespace ?? place.namespace, place.name, limit]
        ).map(decode)
    }

    /// Newest first.
    static func versions(_ key: ResourceKey, in db: SQLConnection) throws -> [VersionDocument] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT digest, content, document, number, created FROM version
                    WHERE kind = ? AND namespace = ? AND name = ? ORDER BY number DESC
                    """), arguments: arguments(key)
        ).map(decodeVersion)
    }

    static func version(_ key: ResourceKey, digest: String, in db: SQLConnection) throws -> VersionDocument? {
        try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT digest, content, document, number, created FROM version
                    WHERE kind = ? AND namespace = ? AND name = ? AND digest = ?
                    """), arguments: arguments(key) + [digest]
        ).map(decodeVersion)
    }

    /// The version that a resource says is its current one.
    static func currentVersion(_ key: ResourceKey, in db: SQLConnection) throws -> VersionDocument? {
        try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT version.digest, content, version.document, number, version.created
                    FROM resource JOIN version USING (kind, namespace, name)
                    WHERE kind = ? AND namespace = ? AND name = ? AND digest = resource.version
                    """), arguments: arguments(key)
        ).map(decodeVersion)
    }

    static func contents(of kind: ResourceKind, in db: SQLConnection) throws -> Set<String> {
        try String.fetchSet(
            db, sql: "SELECT DISTINCT content FROM version WHERE kind = ?", arguments: [kind.rawValue])
    }

    static func versionDocuments(
        of kind: ResourceKind, holding text: String, in db: SQLConnection
    ) throws -> [JSONValue] {
        try Row.fetchAll(
            db, sql: "SELECT document FROM version WHERE kind = ? AND instr(document, ?) > 0",
            arguments: [kind.rawValue, text]
        ).map { try json($0[0]) }
    }

    static func commands(after number: Int64, limit: Int, in db: SQLConnection) throws -> [NumberedCommand] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT number, document FROM command WHERE number > ? ORDER BY number LIMIT ?"),
            arguments: [number, limit]
        ).map { row in
            NumberedCommand(number: row[0], command: try RegistryCommand(json: json(row[1])))
        }
    }

    static func decode(_ row: Row) throws -> ResourceDocument {
        ResourceDocument(
            key: ResourceKey(ResourceKind(rawValue: row[0]), row[1], row[2]), document: try json(row[9]),
            generation: row[4], uid: row[3], created: row[5], updated: row[6], isPaused: row[7], version: row[8])
    }

    private static func decodeVersion(_ row: Row) throws -> VersionDocument {
        VersionDocument(
            digest: row[0], content: row[1], document: try json(row[2]), number: row[3], created: row[4])
    }

    private static func json(_ text: String) throws(PersistenceError) -> JSONValue {
        do {
            return try JSONValue(parsing: text)
        } catch {
            throw PersistenceError(.corrupt, "a document of the registry is \(error)")
        }
    }
}
