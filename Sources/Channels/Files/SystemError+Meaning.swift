import Glibc

extension SystemError {
    package var isInterrupted: Bool { code == EINTR }
    package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
    package var isAbsent: Bool { code == ENOENT }
    package var isLocked: Bool { code == EWOULDBLOCK }

    /// `write of /x/y: No space left on device (28)`.
    package var text: String { "\(call) of \(path): \(String(cString: strerror(code))) (\(code))" }

    /// The error for a person, of the kind that the system's code means.
    package func channelError(_ doing: String) -> ChannelError {
        isDiskFull
            ? ChannelError(.diskFull, "\(doing): the disk is full (\(text)); free some space, writing then goes on")
            : ChannelError(.ioFailure, "\(doing): \(text)")
    }
}

/// Runs disk calls for a purpose; a failure says what was being done.
func onDisk<Success>(
    _ doing: @autoclosure () -> String, _ body: () throws(SystemError) -> Success
) throws(ChannelError) -> Success {
    do throws(SystemError) { return try body() } catch { throw error.channelError(doing()) }
}

extension LogFile {
    /// Writes all bytes, whatever the system takes at a time.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            do {
                done += try write(UnsafeRawBufferPointer(rebasing: bytes[done...]), at: position + done)
            } catch  where error.isInterrupted {
                continue
            }
        }
    }

    /// Reads until the buffer is full or the file ends.
    ///
    /// - Returns: the bytes read.
    package func readAll(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        var done = 0
        while done < buffer.count {
            do {
                let count = try read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), at: position + done)
                if count == 0 { break }
                done += count
            } catch  where error.isInterrupted {
                continue
            }
        }
        return done
    }

    /// Writes an array.
    package func writeAll(_ bytes: [UInt8], at position: Int) throws(SystemError) {
        var failure: SystemError?
        bytes.withUnsafeBytes { buffer in
            do throws(SystemError) { try writeAll(buffer, at: position) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Reads up to `count` bytes into a new array, fewer when the file ends before.
    package func bytes(at position: Int, count: Int) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, filled in
            do throws(SystemError) {
                filled = try readAll(into: UnsafeMutableRawBufferPointer(buffer), at: position)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

extension LogFileSystem {
    /// The whole of a small file; `nil` when it is not there.
    package func contents(_ path: String) throws(SystemError) -> [UInt8]? {
        let file: any LogFile
        do {
            file = try open(path, create: false, truncate: false)
        } catch  where error.isAbsent {
            return nil
        }
        return try file.bytes(at: 0, count: try file.size())
    }

    /// Puts a small file in place so that after a crash there is the old one or the new one, whole.
    package func replace(_ name: String, in directory: String, with bytes: [UInt8]) throws(SystemError) {
        let new = "\(directory)/\(name).new"
        let file = try open(new, create: true, truncate: true)
        try file.writeAll(bytes, at: 0)
        try file.sync()
        try rename(new, to: "\(directory)/\(name)")
        try syncDirectory(directory)
    }

    /// Removes a file whose absence is as good.
    package func unlinkIfPresent(_ path: String) throws(SystemError) {
        do { try unlink(path) } catch  where error.isAbsent {}
    }
}
