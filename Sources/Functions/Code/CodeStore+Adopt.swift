import Foundation

/// Takes in a folder that somebody else has filled.
extension CodeStore {
    /// Copies a folder, or one folder in it, into the store unless its content is there already; whatever filled it is not trusted.
    ///
    /// - Returns: what it holds, held as after ``put(_:filename:isProgram:)``.
    func adopt(_ source: String, member: String = "") async throws(ArchiveError) -> StoredCode {
        try await onQueue { (store) throws(ArchiveError) in
            let temporary = store.path + "/" + Self.temporaryPrefix + UUID().uuidString
            defer { Self.remove(temporary) }
            var folder = try CodeFolder(creating: temporary, syncsFiles: false)
            defer { folder.close() }
            let entries = try FolderCopy(source, member: member, limits: store.limits).run(into: &folder)
            guard entries.contains(where: { !$0.isFolder }) else {
                throw ArchiveError(.corrupt, "it made no file")
            }
            return try store.place(&folder, at: temporary, entries)
        }
    }
}
