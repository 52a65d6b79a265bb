/// What sources ask of a file system; calls block. The real one is ``PosixFiles``, tests put faults in between.
package protocol FileAccess: Sendable {
    /// The names in a directory, as bytes, without `.` and `..`, in no order.
    func list(_ path: String) throws(FileError) -> [[UInt8]]
    /// Facts of the path itself (a symbolic link is not followed); `nil` when nothing is there.
    func facts(_ path: String) throws(FileError) -> FileFacts?
    /// Whether somebody has the file open for writing.
    func writers(_ path: String) -> FileWriters
    /// Opens a file to read.
    func open(_ path: String) throws(FileError) -> any OpenFile
}

/// A file that is open to read. It stays the same file when its name goes to another.
package protocol OpenFile: Sendable {
    /// Facts of the open file.
    func facts() throws(FileError) -> FileFacts
    /// Up to `count` bytes from an offset; empty at the end.
    func read(at offset: Int64, count: Int) throws(FileError) -> [UInt8]
}

package enum FileWriters: Sendable, Hashable {
    case none, some
    /// The system does not tell.
    case unknown
    /// The file is gone.
    case gone
}

/// A failed call of the file system.
package struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    package let path: String
    package let call: String
    /// errno
    package let number: Int32
    package let description: String

    package init(path: String, call: String, number: Int32, reason: String) {
        self.path = path
        self.call = call
        self.number = number
        description = "\(path): \(call): \(reason)"
    }
}
