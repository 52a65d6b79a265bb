internal import CloudEvents
internal import Functions
internal import Glibc

/// Which temporary files are on their way on which mounts, so that those of a server that was killed can be removed.
///
/// One small file a publication, on disk before the first temporary file is made and removed after the last is gone.
package struct PublishJournal: Sendable {
    private let folder: Folder

    /// - Parameter directory: of this journal alone; made when it is not there.
    package init(directory: String) throws(StagingError) {
        mkdir(directory, 0o700)
        folder = try Folder(opening: directory)
    }

    /// One publication's entry.
    struct Entry: Sendable {
        fileprivate let name: String
    }

    /// Notes the temporary files that are about to be made.
    func begin(_ token: String, root: String, files: [String]) throws(StagingError) -> Entry {
        let name = token + ".json"
        let document: JSONValue = ["root": .string(root), "files": .array(files.map { .string($0) })]
        let file = OpenFile(folder.descriptor(of: name, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600))
        guard file.descriptor >= 0 else {
            throw StagingError("the journal \(folder.shown(name)) cannot be written", errno: errno)
        }
        try FileBytes.write(document.encoded(), to: file.descriptor, "the journal \(folder.shown(name))")
        guard fsync(file.descriptor) == 0 else {
            throw StagingError("the journal \(folder.shown(name)) cannot be written", errno: errno)
        }
        try folder.sync()
        return Entry(name: name)
    }

    func end(_ entry: Entry) { unlinkat(folder.descriptor, entry.name, 0) }

    /// Removes what a server before this one left on its way. Blocks.
    ///
    /// - Returns: what could not be done yet (the mount is not there), as sentences; it is tried again next time.
    package func recover() -> [String] {
        var failures: [String] = []
        guard let names = try? folder.names(limit: .max) else { return failures }
        for raw in names {
            guard let name = String(validating: raw, as: UTF8.self) else { continue }
            let file = OpenFile(folder.descriptor(of: name, O_RDONLY | O_NONBLOCK))
            // A record that cannot be read was cut while it was written: its files had not been made yet.
            if let bytes = FileBytes.read(file.descriptor, limit: 1 << 24), let record = try? JSONValue(parsing: bytes),
                let root = record["root"]?.string
            {
                do throws(StagingError) {
                    try Self.remove((record["files"]?.array ?? []).compactMap(\.string), below: root)
                } catch {
                    failures.append(error.message)
                    continue
                }
            }
            unlinkat(folder.descriptor, name, 0)
        }
        return failures
    }

    private static func remove(_ files: [String], below root: String) throws(StagingError) {
        let mount = try Folder(opening: root)
        for file in files {
            let (directory, name) = StagingPath.split(file)
            // The record names our own temporary files; whatever else stands in it is not touched.
            guard name.hasPrefix(StagingPath.reservedPrefix), name.hasSuffix(Self.suffix) else { continue }
            let opened = mount.descriptor(of: directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK)
            guard opened >= 0 else {
                if errno == ENOENT { continue }
                throw StagingError("the folder \(mount.shown(directory)) cannot be opened", errno: errno)
            }
            let folder = Folder(descriptor: opened, path: mount.shown(directory))
            guard unlinkat(folder.descriptor, name, 0) == 0 || errno == ENOENT else {
                throw StagingError("the temporary file \(mount.shown(file)) cannot be removed", errno: errno)
            }
        }
    }

    /// How temporary files end.
    static let suffix = ".part"
}
