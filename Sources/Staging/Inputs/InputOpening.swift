internal import CLinux
internal import CloudEvents
internal import Functions
internal import Glibc

/// What an event says of its file.
package struct EventFile: Sendable, Hashable {
    package var subject: String?
    package var source: String
    /// Bytes; `nil` when the event does not say.
    package var size: Int64?
    /// As ``FolderHappening`` writes it, `nanoseconds-size`; of `file://` sources only.
    package var version: String?
    /// The inode; of `file://` sources only.
    package var fileID: String?

    package init(subject: String?, source: String, size: Int64? = nil, version: String? = nil, fileID: String? = nil) {
        self.subject = subject
        self.source = source
        self.size = size
        self.version = version
        self.fileID = fileID
    }

    /// - Parameter attribute: context attributes of the event as text.
    package init(attribute: (String) -> String?) {
        self.init(
            subject: attribute("subject"), source: attribute("source") ?? "",
            size: attribute("filesize").flatMap { Int64($0) }, version: attribute("fileversion"),
            fileID: attribute("fileid"))
    }
}

extension MountTable {
    /// Where an event's file lies.
    func locate(_ event: EventFile, namespace: String) throws(StagingError) -> Location {
        guard let subject = event.subject, !subject.isEmpty else {
            throw StagingError(.noFile, "the event has no subject, so it names no file for the function to be given")
        }
        return try locate(subject: subject, source: event.source, namespace: namespace)
    }
}

extension StagedInput {
    /// Opens an event's file for reading. Blocks.
    ///
    /// Beneath its mount, over no link, regular files only; a pipe or device is never opened, for it is looked at before.
    init(opening event: EventFile, at location: MountTable.Location) throws(StagingError) {
        let root = try Folder(opening: location.root)
        let shown = root.shown(location.path)
        let path = OpenFile(root.descriptor(of: location.path, Int32(weir_path_only)))
        guard path.descriptor >= 0, let state = FileState(path.descriptor) else {
            if errno == ENOENT || errno == ENOTDIR {
                throw StagingError(.missing, "the event's file \(shown) is not there (any more)")
            }
            throw StagingError("the event's file \(shown) cannot be opened", errno: errno)
        }
        guard state.kind == .file else {
            throw StagingError(.notRegular, "the event's file \(shown) is \(state.word), not a file")
        }
        let file = OpenFile(Glibc.open("/proc/self/fd/\(path.descriptor)", O_RDONLY | O_CLOEXEC | O_NOCTTY))
        guard file.descriptor >= 0 else {
            throw StagingError("the event's file \(shown) cannot be read", errno: errno)
        }
        try Self.compare(event, state, shown)
        self.init(file: file, name: StagingPath.split(location.path).name, location: location, state: state)
    }

    private static func compare(_ event: EventFile, _ state: FileState, _ shown: String) throws(StagingError) {
        if let size = event.size, size != state.size {
            throw StagingError(
                .changed,
                "the file \(shown) has changed since the event: it had \(size) bytes then and has \(state.size) now")
        }
        guard event.source.hasPrefix("file://") else { return }
        if let fileID = event.fileID.flatMap({ UInt64($0) }), fileID != state.inode {
            throw StagingError(
                .changed, "the file \(shown) has changed since the event: another file was put in its place")
        }
        let parts = (event.version ?? "").utf8.split(separator: 0x2D).map { String(Substring($0)) }
        if parts.count == 2, let modified = Int64(parts[0]), modified != state.modified {
            let (then, now) = (EventTime(nanoseconds: modified), EventTime(nanoseconds: state.modified))
            throw StagingError(
                .changed,
                "the file \(shown) has changed since the event: it was last written at \(then.text) then, at \(now.text) now"
            )
        }
    }
}
