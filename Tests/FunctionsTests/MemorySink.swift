@testable import Functions

/// Keeps in memory what comes out of an archive.
struct MemorySink: ArchiveSink {
    var files: [String: [UInt8]] = [:]
    var programs: Set<String> = []
    var folders: Set<String> = []
    private var open: ArchiveEntry?

    mutating func folder(_ path: String) { folders.insert(path) }

    mutating func begin(_ entry: ArchiveEntry) {
        open = entry
        files[entry.path] = []
        if entry.isExecutable { programs.insert(entry.path) }
    }

    mutating func write(_ bytes: ArraySlice<UInt8>) {
        if let open { files[open.path]?.append(contentsOf: bytes) }
    }

    mutating func end() { open = nil }
}

/// The message with which an archive is refused; `nil` when it is not.
func refusal(_ bytes: [UInt8], _ format: Archive.Format, limits: ArchiveLimits = ArchiveLimits()) -> String? {
    var sink = MemorySink()
    do throws(ArchiveError) {
        _ = try Archive.extract(bytes, format, limits: limits, into: &sink)
        return nil
    } catch {
        return error.message
    }
}
