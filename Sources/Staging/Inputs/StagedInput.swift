/// A file of an event, opened and found to be the one that the event told of.
package struct StagedInput: Sendable {
    /// For reading; it is this very file, whatever happens to its name.
    package let file: OpenFile
    /// Its name, the last part of its path.
    package let name: String
    package let location: MountTable.Location
    /// As it was when it was opened.
    package let state: FileState

    /// The path on this machine, for workers that see the machine as it is.
    package var hostPath: String { location.root + "/" + location.path }

    /// What stands in records.
    package var record: InputRecord {
        InputRecord(
            mount: location.mount, path: location.mount == nil ? hostPath : location.path, size: state.size,
            modified: state.modified, fileID: state.inode)
    }

    /// - Throws: when the file is another now than when it was opened.
    package func checkUnchanged() throws(StagingError) {
        guard let now = FileState(file.descriptor) else { return }
        guard now.size == state.size, now.modified == state.modified else {
            throw StagingError(.changed, "the file \(hostPath) was changed while the function read it")
        }
    }
}

/// What an activation tells of an input.
package struct InputRecord: Sendable, Hashable {
    /// The operator's name of the mount; `nil` when the path is one of the machine.
    package var mount: String?
    package var path: String
    package var size: Int64
    /// Nanoseconds since 1970.
    package var modified: Int64
    package var fileID: UInt64
    /// Where it was read on the way in.
    package var sha256: String?

    package init(
        mount: String?, path: String, size: Int64, modified: Int64, fileID: UInt64, sha256: String? = nil
    ) {
        self.mount = mount
        self.path = path
        self.size = size
        self.modified = modified
        self.fileID = fileID
        self.sha256 = sha256
    }
}
