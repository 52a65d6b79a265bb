import GRDB

/// Lists in the order of the last change, for an API whose lists are so.
extension RegistryTables {
    static func newest(
        _ kind: ResourceKind, namespace: String, prefix: String, limit: Int, skip: Int, in db: SQLConnection
    ) throws -> [ResourceDocument] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(columns) FROM resource
                    WHERE kind = ?1 AND namespace = ?2 AND substr(name, 1, length(?3)) = ?3
                    ORDER BY updated DESC, created DESC, name LIMIT ?4 OFFSET ?5
                    """), arguments: [kind.rawValue, namespace, prefix, limit, skip]
        ).map(decode)
    }

    static func count(
        _ kind: ResourceKind, namespace: String, prefix: String, in db: SQLConnection
    ) throws -> Int {
        try Int.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT count(*) FROM resource
                    WHERE kind = ?1 AND namespace = ?2 AND substr(name, 1, length(?3)) = ?3
                    """), arguments: [kind.rawValue, namespace, prefix]) ?? 0
    }

    static func prefixes(
        _ kind: ResourceKind, namespace: String, in db: SQLConnection
    ) throws -> [(prefix: String, updated: Int64)] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT substr(name, 1, instr(name, '/') - 1) AS prefix, max(updated) FROM resource
                    WHERE kind = ?1 AND namespace = ?2 AND instr(name, '/') > 0 GROUP BY prefix ORDER BY prefix
                    """), arguments: [kind.rawValue, namespace]
        ).map { row in (row[0], row[1]) }
    }
}
