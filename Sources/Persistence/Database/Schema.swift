import GRDB

/// The tables. A migration that has been released is never edited: a change is a new one.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 state and registry") { db in
            try db.execute(
                sql: """
                    CREATE TABLE state (
                        key TEXT NOT NULL PRIMARY KEY,
                        value BLOB NOT NULL
                    ) WITHOUT ROWID;

                    -- Every change of the registry, in order; the tables below are what it amounts to.
                    CREATE TABLE command (
                        number INTEGER NOT NULL PRIMARY KEY,
                        document TEXT NOT NULL
                    );

                    CREATE TABLE resource (
                        kind TEXT NOT NULL,
                        namespace TEXT NOT NULL,
                        name TEXT NOT NULL,
                        uid TEXT NOT NULL,
                        generation INTEGER NOT NULL,
                        created INTEGER NOT NULL,
                        updated INTEGER NOT NULL,
                        paused INTEGER NOT NULL,
                        version TEXT,
                        document TEXT NOT NULL,
                        PRIMARY KEY (kind, namespace, name)
                    ) WITHOUT ROWID;

                    CREATE TABLE version (
                        kind TEXT NOT NULL,
                        namespace TEXT NOT NULL,
                        name TEXT NOT NULL,
                        digest TEXT NOT NULL,
                        number INTEGER NOT NULL,
                        created INTEGER NOT NULL,
                        content TEXT NOT NULL,
                        document TEXT NOT NULL,
                        PRIMARY KEY (kind, namespace, name, digest)
                    ) WITHOUT ROWID;
                    CREATE INDEX version_content ON version (content);
                    """)
        }
        return migrator
    }
}
