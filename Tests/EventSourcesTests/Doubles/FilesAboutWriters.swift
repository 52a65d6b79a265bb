import EventSources
import Synchronization

/// Files of this machine, of which nobody can tell whether they are being written.
struct UntellingFiles: FileAccess {
    private let files = PosixFiles()

    func list(_ path: String) throws(FileError) -> [[UInt8]] { try files.list(path) }
    func facts(_ path: String) throws(FileError) -> FileFacts? { try files.facts(path) }
    func writers(_ path: String) -> FileWriters { .unknown }
    func open(_ path: String) throws(FileError) -> any OpenFile { try files.open(path) }
}

/// Files of this machine, of which nobody seems to be written when they are first asked about.
final class ForgetfulFiles: FileAccess {
    private let files = PosixFiles()
    private let asked = Mutex<Set<String>>([])

    func list(_ path: String) throws(FileError) -> [[UInt8]] { try files.list(path) }
    func facts(_ path: String) throws(FileError) -> FileFacts? { try files.facts(path) }
    func writers(_ path: String) -> FileWriters {
        let answer = files.writers(path)
        return asked.withLock { $0.insert(path).inserted } && answer == .some ? .none : answer
    }
    func open(_ path: String) throws(FileError) -> any OpenFile { try files.open(path) }
}
