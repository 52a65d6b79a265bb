import Synchronization

/// The open files of a store, at most so many: the one unused for longest is closed first.
///
/// A thousand channels of four partitions must not need four thousand descriptors. Whoever uses a file holds a
/// reference, so closing means dropping ours.
package final class OpenFiles: Sendable {
    private struct State {
        var files: [String: (file: any LogFile, used: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let fileSystem: any LogFileSystem
    private let capacity: Int
    private let state = Mutex(State())

    package init(fileSystem: any LogFileSystem, capacity: Int) {
        self.fileSystem = fileSystem
        self.capacity = max(1, capacity)
    }

    /// The file at a path, which must exist.
    package func file(_ path: String) throws(SystemError) -> any LogFile {
        let known: (any LogFile)? = state.withLock { state in
            state.clock += 1
            guard let index = state.files.index(forKey: path) else { return nil }
            state.files.values[index].used = state.clock
            return state.files.values[index].file
        }
        if let known { return known }
        let file = try fileSystem.open(path, create: false, truncate: false)
        keep(file, path)
        return file
    }

    /// Keeps a file that was just made.
    package func keep(_ file: any LogFile, _ path: String) {
        state.withLock { state in
            if state.files.count >= capacity, let oldest = state.files.min(by: { $0.value.used < $1.value.used }) {
                state.files[oldest.key] = nil
            }
            state.clock += 1
            state.files[path] = (file, state.clock)
        }
    }

    /// Drops a file that is gone or must be opened anew.
    package func forget(_ path: String) {
        state.withLock { $0.files[path] = nil }
    }
}
