internal import Functions
internal import Glibc

/// The folders of one call, for workers that have no mounts of their own and for containers.
package struct Scratch: Sendable {
    /// Absolute; readable for the worker.
    package let input: String
    /// Absolute; the worker may write there.
    package let output: String
    private let parents: [(folder: Folder, name: String)]

    fileprivate init(input: String, output: String, parents: [(folder: Folder, name: String)]) {
        self.input = input
        self.output = output
        self.parents = parents
    }

    /// Where a file is or would be placed.
    package func path(of input: StagedInput) -> String { self.input + "/" + input.name }

    /// The output folder, opened for reading what the run left.
    package func openOutput() throws(StagingError) -> Folder { try Folder(opening: output) }

    /// A hard link costs nothing, however large the file is, but needs the same file system and, with
    /// `fs.protected_hardlinks`, a file of this user (proc_sys_fs(5)); whatever else, it is copied.
    func place(_ input: StagedInput, asCopy: Bool) throws(StagingError) -> InputRecord {
        let folder = try Folder(opening: self.input)
        var record = input.record
        if !asCopy,
            linkat(AT_FDCWD, "/proc/self/fd/\(input.file.descriptor)", folder.descriptor, input.name, AT_SYMLINK_FOLLOW)
                == 0
        {
            return record
        }
        let what = (
            source: "the event's file \(input.hostPath)", target: "the copy of \(input.hostPath) for the function"
        )
        let target = OpenFile(folder.descriptor(of: input.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644))
        guard target.descriptor >= 0 else { throw StagingError("\(what.target) cannot be made", errno: errno) }
        let copied = try FileBytes.copy(from: input.file.descriptor, to: target.descriptor, limit: .max, what)
        guard copied.size == input.state.size else {
            throw StagingError(.changed, "the file \(input.hostPath) was changed while it was copied for the function")
        }
        try input.checkUnchanged()
        record.sha256 = copied.sha256
        return record
    }

    func remove() {
        for (folder, name) in parents {
            if let inner = try? folder.folder(name) {
                fchmod(inner.descriptor, 0o700)
                inner.empty()
            }
            unlinkat(folder.descriptor, name, AT_REMOVEDIR)
        }
    }
}

/// The folders of all calls: `VERSION/input/CALL` and `VERSION/output/CALL`, so that one rule for reading and one for
/// writing holds for every call of a worker.
struct ScratchFolders: Sendable {
    private let directory: String
    private let root: Folder

    /// Makes the folder and empties it: what lies in it belonged to an earlier server.
    init(directory: String) throws(StagingError) {
        mkdir(directory, 0o711)
        self.directory = directory
        root = try Folder(opening: directory)
        root.empty()
    }

    func folder(of version: String) -> String { directory + "/" + Self.safe(version) }

    func make(version: String, call: String) throws(StagingError) -> Scratch {
        let version = Self.safe(version)
        let call = Self.safe(call)
        var parents: [(folder: Folder, name: String)] = []
        for kind in ["input", "output"] {
            let parent = try root.makeFolder("\(version)/\(kind)", owner: nil)
            guard mkdirat(parent.descriptor, call, 0o755) == 0 else {
                throw StagingError("the folder of the call \(parent.shown(call)) cannot be made", errno: errno)
            }
            parents.append((parent, call))
        }
        let base = "\(directory)/\(version)"
        return Scratch(input: "\(base)/input/\(call)", output: "\(base)/output/\(call)", parents: parents)
    }

    private static func safe(_ name: String) -> String {
        let name = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "_" }.prefix(200))
        return name.isEmpty ? "_" : name
    }
}
