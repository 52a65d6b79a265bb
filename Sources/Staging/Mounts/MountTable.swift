internal import Functions

/// What of the machine functions may see, and where the files of events lie.
package struct MountTable: Sendable {
    private let mounts: [String: StorageMount]
    private let folders: @Sendable (_ namespace: String) -> [String]

    /// - Parameter folders: the folders that sources of a namespace watch (absolute); files of their events may be read.
    package init(
        _ mounts: [StorageMount] = [], folders: @escaping @Sendable (_ namespace: String) -> [String] = { _ in [] }
    ) {
        self.mounts = Dictionary(mounts.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.folders = folders
    }

    /// By name.
    package var all: [StorageMount] { mounts.values.sorted { $0.name < $1.name } }

    /// The mount of a name, for a namespace that may use it so.
    package func mount(
        _ name: String, namespace: String, writing: Bool
    ) throws(StagingError) -> StorageMount {
        // One that is not for this namespace is as unknown to it as one that does not exist.
        guard let mount = mounts[name], mount.serves(namespace) else {
            let known = all.filter { $0.serves(namespace) }.map(\.name)
            let list = known.isEmpty ? "the operator has declared none" : "there are \(known.joined(separator: ", "))"
            throw StagingError(.mount, "there is no mount \"\(name)\" for namespace \"\(namespace)\": \(list)")
        }
        guard !writing || mount.isWritable else {
            throw StagingError(
                .mount, "the mount \"\(name)\" is read-only: the operator declares it with :rw to let it be written")
        }
        return mount
    }

    /// Where an event's file lies.
    package struct Location: Sendable, Hashable {
        /// The mount's folder, absolute.
        package var root: String
        /// The file below it.
        package var path: String
        /// The operator's name of the mount; `nil` for the folder of a source.
        package var mount: String?
    }

    /// Finds the mount (or watched folder) below which a subject lies: the one with the longest prefix.
    package func locate(
        subject: String, source: String, namespace: String
    ) throws(StagingError) -> Location {
        let path = subject.hasPrefix("/") ? subject : "/" + subject
        var best: (prefix: String, location: Location)?
        func offer(prefix: String, root: String, mount: String?) throws(StagingError) {
            guard prefix.utf8.count > best?.prefix.utf8.count ?? -1, let rest = StagingPath.relative(path, to: prefix)
            else { return }
            guard let normal = StagingPath.normalised(rest), !normal.isEmpty else {
                throw StagingError(.noFile, "the event's subject \"\(subject)\" is no path that can be opened")
            }
            best = (prefix, Location(root: root, path: normal, mount: mount))
        }
        for mount in all where mount.serves(namespace) {
            try offer(prefix: mount.subject ?? mount.path, root: mount.path, mount: mount.name)
        }
        if source.hasPrefix("file://") {
            for folder in folders(namespace) { try offer(prefix: folder, root: folder, mount: nil) }
        }
        guard let best else {
            throw StagingError(
                .noFile,
                "\"\(subject)\" lies on no mount of namespace \"\(namespace)\": the operator declares one with "
                    + "--mount NAME=/path,subject=/prefix, or a folder source watches it")
        }
        return best.location
    }
}
