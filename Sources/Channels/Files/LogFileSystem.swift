/// What the log asks of a disk: the seam where tests put faults.
///
/// Calls block; they are made on the log's own threads only. Short reads and writes and `EINTR` are passed on as the
/// system gives them: ``LogFile/writeAll(_:at:)`` and ``LogFile/readAll(into:at:)`` deal with them, above the seam.
package protocol LogFileSystem: Sendable {
    func open(_ path: String, create: Bool, truncate: Bool) throws(SystemError) -> any LogFile
    /// The names in a folder, without `.` and `..`, in no order.
    func list(_ directory: String) throws(SystemError) -> [String]
    /// Makes a folder and the ones above it; fine when it is there.
    func createDirectory(_ path: String) throws(SystemError)
    func removeDirectory(_ path: String) throws(SystemError)
    /// Makes the names in a folder durable.
    func syncDirectory(_ path: String) throws(SystemError)
    func unlink(_ path: String) throws(SystemError)
    func rename(_ from: String, to: String) throws(SystemError)
    /// Takes the exclusive lock of a file, without waiting; it is held as long as the result lives.
    func lock(_ path: String) throws(SystemError) -> any LogLock
}

/// An open file; closed when the last reference goes.
package protocol LogFile: AnyObject, Sendable {
    /// Writes at a position; may write less than asked.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SystemError) -> Int
    /// Reads at a position; may read less than asked, 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(SystemError) -> Int
    /// Returns when the file's data and size are on disk (`fdatasync`).
    func sync() throws(SystemError)
    func truncate(to size: Int) throws(SystemError)
    func size() throws(SystemError) -> Int
}

/// A held lock.
package protocol LogLock: AnyObject, Sendable {}

/// A system call that failed.
package struct SystemError: Error, Sendable, Hashable {
    package let code: Int32
    package let call: String
    package let path: String

    package init(_ code: Int32, _ call: String, _ path: String) {
        self.code = code
        self.call = call
        self.path = path
    }
}
