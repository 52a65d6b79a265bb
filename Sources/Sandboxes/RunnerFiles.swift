internal import CRuntimes
internal import Glibc

/// The runners that are built into the program, as files that an interpreter can open.
package struct RunnerFiles: Sendable, Hashable {
    /// The folder that holds them all, absolute.
    package let directory: String

    package init(directory: String) { self.directory = directory }

    package var python: String { directory + "/python/runner.py" }
    /// Makes a Python say who it is.
    package var pythonQuestion: String { directory + "/python/question.py" }
    package var nodejs: String { directory + "/nodejs/runner.js" }

    /// The sources of the library that Swift functions are built with.
    package static var swiftSources: [String] {
        var count = 0
        let table = UnsafeBufferPointer(start: weir_runtime_files(&count), count: count)
        let folder = "swift/Sources/WeirFunction/"
        return table.map { String(cString: $0.path) }.filter { $0.hasPrefix(folder) }.map {
            String($0.dropFirst(folder.count))
        }
    }

    /// Writes the runners below `directory` unless they are there.
    ///
    /// Their folder's name holds a hash of the content, so that an old server's workers keep their own while a new one
    /// starts.
    package static func install(in directory: String) throws(SandboxError) -> RunnerFiles {
        var count = 0
        let table = UnsafeBufferPointer(start: weir_runtime_files(&count), count: count)
        let files = table.map { file in
            (path: String(cString: file.path), bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.length)))
        }
        let runners = RunnerFiles(directory: directory + "/" + fingerprint(files))
        make(directory)
        for file in files {
            var above = runners.directory
            make(above)
            for part in file.path.split(separator: "/").dropLast() {
                above += "/" + part
                make(above)
            }
            try write(file.bytes, to: runners.directory + "/" + file.path)
        }
        return runners
    }

    /// Every user's workers read it, whatever the server's file mode creation mask.
    private static func make(_ folder: String) {
        mkdir(folder, 0o755)
        chmod(folder, 0o755)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(SandboxError) {
        if read(path, expecting: bytes.count) == bytes { return }
        // A file of another content under this name was cut or changed: it is replaced whole, never written over.
        let temporary = path + ".\(getpid()).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(temporary) }
        defer { close(descriptor) }
        fchmod(descriptor, 0o644)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.unsafelyUnwrapped + done, $0.count - done)
            }
            guard count > 0 else { throw failure(temporary) }
            done += count
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> SandboxError {
        SandboxError(.ioFailure, "the runner \(path) cannot be written: \(String(cString: strerror(errno)))")
    }

    private static func read(_ path: String, expecting count: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count + 1)
        var done = 0
        while done < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.unsafelyUnwrapped + done, $0.count - done)
            }
            guard got > 0 else { break }
            done += got
        }
        return Array(bytes[..<done])
    }

    /// 128 bits of FNV-1a from two offsets: names versions of our own files, is no defence against anyone.
    private static func fingerprint(_ files: [(path: String, bytes: [UInt8])]) -> String {
        func hash(_ offset: UInt64) -> String {
            var value = offset
            for file in files {
                for byte in file.path.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
                for byte in file.bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
            }
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return hash(0xCBF2_9CE4_8422_2325) + hash(0x9AE1_6A3B_2F90_404F)
    }
}
