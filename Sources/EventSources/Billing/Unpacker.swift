import Foundation

/// The output of a program that unpacks a file, read as it comes. Reading blocks.
final class Unpacker {
    private let process = Process()
    private let pipe = Pipe()

    /// - Throws: ``SourceError``: the program is not there.
    init(program: String, path: String) throws(SourceError) {
        guard let found = Self.find(program) else {
            throw SourceError(
                .missing, "The program \(program) is not installed, so \(path) cannot be unpacked: install it.")
        }
        process.executableURL = URL(fileURLWithPath: found)
        process.arguments = ["-dc", "--", path]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw SourceError(.ioFailure, "\(found) cannot be started: \(error)")
        }
    }

    /// Up to `count` bytes; empty at the end.
    func read(_ count: Int) throws(SourceError) -> [UInt8] {
        do {
            return Array(try pipe.fileHandleForReading.read(upToCount: count) ?? Data())
        } catch {
            throw SourceError(.ioFailure, "Reading from the unpacker failed: \(error)")
        }
    }

    /// Whether it has unpacked everything; call at the end of its output.
    func succeeded() -> Bool {
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    /// Ends it early.
    func stop() {
        if process.isRunning { process.terminate() }
        try? pipe.fileHandleForReading.close()
    }

    private static func find(_ program: String) -> String? {
        if program.contains("/") { return FileManager.default.isExecutableFile(atPath: program) ? program : nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
