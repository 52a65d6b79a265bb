package import CloudEvents
import Synchronization

/// All resources of this server: the tables on disk, a snapshot of them in memory, and word of every change.
///
/// Each change is one ``RegistryCommand``; ``apply(_:)`` is the only way in.
package final class Registry: Sendable {
    private let database: Database
    /// The kinds whose documents are all held in memory; the others (functions: there may be 100 000 idle ones) are
    /// read from the file, one row by its key.
    private let resident: Set<ResourceKind>
    private let memory: Mutex<Memory>

    private struct Memory {
        var resources: [ResourceKey: ResourceDocument] = [:]
        var observers: [(id: Int, body: @Sendable (RegistryChange) -> Void)] = []
        var nextObserver = 0
    }

    /// Opens the registry and reads what is to be in memory; blocks while it does so.
    package init(
        _ database: Database, resident: Set<ResourceKind> = ResourceKind.resident
    ) throws(PersistenceError) {
        self.database = database
        self.resident = resident
        var memory = Memory()
        let found = try database.readNow { db in try resident.flatMap { try RegistryTables.all($0, in: db) } }
        for resource in found { memory.resources[resource.key] = resource }
        self.memory = Mutex(memory)
    }

    /// Applies one command; on disk and told to all observers when this returns.
    ///
    /// - Throws: `conflict` when the expected generation is not the current one (0 expects that there is none),
    ///   `notFound` when there is nothing to delete or pause.
    @discardableResult
    package func apply(_ command: RegistryCommand) async throws(PersistenceError) -> RegistryChange {
        try await database.write { db in
            try RegistryTables.apply(command, to: db)
        } committed: { [self] change in
            publish(change)
        }
    }

    // MARK: Reading

    /// A resource as it stands: from memory for a resident kind, else one row of the file (some 50 µs).
    package func resource(_ key: ResourceKey) throws(PersistenceError) -> ResourceDocument? {
        guard !resident.contains(key.kind) else { return memory.withLock { $0.resources[key] } }
        return try database.readNow { db in try RegistryTables.resource(key, in: db) }
    }

    /// All resources of a resident kind, in no order.
    package func all(_ kind: ResourceKind) -> [ResourceDocument] {
        memory.withLock { $0.resources.values.filter { $0.kind == kind } }
    }

    /// A page of the resources of a kind, sorted by namespace and name; `nil` as namespace: all of them.
    ///
    /// - Throws: `invalid` when the cursor is none that this gave.
    package func list(
        _ kind: ResourceKind, namespace: String?, limit: Int = 100, cursor: String? = nil
    ) async throws(PersistenceError) -> ResourcePage {
        let place = try cursor.map { text throws(PersistenceError) in try ListCursor(text) } ?? ListCursor()
        let limit = min(max(1, limit), ResourcePage.largest)
        var found = try await database.read { db in
            try RegistryTables.page(
                kind, namespace: namespace, after: (place.namespace, place.name), limit: limit + 1, in: db)
        }
        guard found.count > limit, found.popLast() != nil, let last = found.last else {
            return ResourcePage(resources: found, next: nil)
        }
        return ResourcePage(resources: found, next: ListCursor(namespace: last.namespace, name: last.name).text)
    }

    /// The resources of a kind in a namespace whose names begin with `prefix`, last changed first.
    package func newest(
        _ kind: ResourceKind, namespace: String, prefix: String = "", limit: Int, skip: Int = 0
    ) async throws(PersistenceError) -> [ResourceDocument] {
        try await database.read { db in
            try RegistryTables.newest(kind, namespace: namespace, prefix: prefix, limit: limit, skip: skip, in: db)
        }
    }

    /// How many resources of a kind in a namespace have names that begin with `prefix`.
    package func count(
        _ kind: ResourceKind, namespace: String, prefix: String = ""
    ) async throws(PersistenceError) -> Int {
        try await database.read { db in
            try RegistryTables.count(kind, namespace: namespace, prefix: prefix, in: db)
        }
    }

    /// What stands before the slash in the names of a kind in a namespace, with the time of the last change behind it.
    package func prefixes(
        _ kind: ResourceKind, namespace: String
    ) async throws(PersistenceError) -> [(prefix: String, updated: Int64)] {
        try await database.read { db in try RegistryTables.prefixes(kind, namespace: namespace, in: db) }
    }

    /// The versions of a resource, newest first.
    package func versions(_ key: ResourceKey) async throws(PersistenceError) -> [VersionDocument] {
        try await database.read { db in try RegistryTables.versions(key, in: db) }
    }

    /// One version, on the caller's thread.
    package func version(_ key: ResourceKey, digest: String) throws(PersistenceError) -> VersionDocument? {
        try database.readNow { db in try RegistryTables.version(key, digest: digest, in: db) }
    }

    /// A resource's current version, on the caller's thread; `nil` when there is no such resource, or it has none.
    package func currentVersion(_ key: ResourceKey) throws(PersistenceError) -> VersionDocument? {
        try database.readNow { db in try RegistryTables.currentVersion(key, in: db) }
    }

    /// The digests of all contents that a version of this kind uses.
    package func contents(of kind: ResourceKind) async throws(PersistenceError) -> Set<String> {
        try await database.read { db in try RegistryTables.contents(of: kind, in: db) }
    }

    /// The documents of all versions of this kind that hold a text somewhere.
    package func versionDocuments(
        of kind: ResourceKind, holding text: String
    ) async throws(PersistenceError) -> [JSONValue] {
        try await database.read { db in try RegistryTables.versionDocuments(of: kind, holding: text, in: db) }
    }

    /// The commands that made the registry what it is, in order, beginning after a number (0: from the first).
    package func commands(after number: Int64, limit: Int) async throws(PersistenceError) -> [NumberedCommand] {
        try await database.read { db in try RegistryTables.commands(after: number, limit: limit, in: db) }
    }

    // MARK: Observing

    /// Calls `body` for every change from now on, in their order, one at a time, before ``apply(_:)`` returns.
    ///
    /// `body` runs on the writer's queue: it must not block and not apply anything itself. Nothing is missed and
    /// nothing comes twice between `current` and the first call.
    /// - Returns: all resident resources at the moment the observation begins, and the observation, which lasts until
    ///   it is cancelled.
    package func observe(
        _ body: @escaping @Sendable (RegistryChange) -> Void
    ) -> (current: [ResourceDocument], observation: RegistryObservation) {
        memory.withLock { memory in
            let id = memory.nextObserver
            memory.nextObserver += 1
            memory.observers.append((id, body))
            let observation = RegistryObservation { [weak self] in
                self?.memory.withLock { $0.observers.removeAll { $0.id == id } }
            }
            return (Array(memory.resources.values), observation)
        }
    }

    /// The same as a sequence. Changes wait in memory until they are taken: they are rare, each is a command that
    /// somebody waited for.
    package func changes() -> (current: [ResourceDocument], changes: AsyncStream<RegistryChange>) {
        let (stream, continuation) = AsyncStream.makeStream(of: RegistryChange.self, bufferingPolicy: .unbounded)
        let (current, observation) = observe { continuation.yield($0) }
        continuation.onTermination = { _ in observation.cancel() }
        return (current, stream)
    }

    /// On the writer's queue, in the order of the commits.
    private func publish(_ change: RegistryChange) {
        let observers = memory.withLock { memory -> [@Sendable (RegistryChange) -> Void] in
            switch change {
            case .unchanged: return []
            case .created(let resource), .updated(let resource, _):
                if resident.contains(resource.kind) { memory.resources[resource.key] = resource }
            case .deleted(let resource): memory.resources[resource.key] = nil
            }
            return memory.observers.map(\.body)
        }
        for observer in observers { observer(change) }
    }
}

/// Ends an observation when asked to.
package struct RegistryObservation: Sendable {
    private let end: @Sendable () -> Void

    init(_ end: @escaping @Sendable () -> Void) {
        self.end = end
    }

    package func cancel() { end() }
}

/// A command with its place in the order of all.
package struct NumberedCommand: Sendable, Hashable {
    package var number: Int64
    package var command: RegistryCommand
}
