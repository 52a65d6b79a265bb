import CloudEvents
import Foundation
import Glibc

/// Files of lines below a folder, each batch of events written exactly once.
///
///     <directory>/<partition>/part-….json          what readers see
///     <directory>/.weir/<owner>/staged/            files that are being written
///     <directory>/.weir/<owner>/ledger/N.json      which events a batch held, and where its files go
///
/// A batch is written to `staged` and synced; then its ledger entry is put there by a rename: from this moment the batch
/// counts as delivered, whatever happens; then its files are renamed to where readers see them, whole. After a crash the
/// entry tells which files are still to be renamed, and which events are not to be written again. Not safe for two
/// processes of one owner at a time.
struct FileTree {
    /// One line on its way.
    struct Line {
        var partition: Int
        var offset: UInt64
        /// All below need never be written again.
        var floor: UInt64
        var folder: String
        var bytes: [UInt8]
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        /// Whether it may work later without anything being changed by hand (no: a path that is no folder).
        var number: Int32 = 0
    }

    private struct Entry {
        var number: UInt64
        var offsets: [Int: [UInt64]]
        /// From the name in `staged` to the path below the directory.
        var files: [(staged: String, place: String)]
        var isPublished = false
    }

    private let directory: String
    private let home: String
    private let owner: String
    private var entries: [Entry] = []
    private var written: [Int: Set<UInt64>] = [:]
    private var next: UInt64 = 0
    private var isOpen = false
    /// How many written offsets are remembered when nobody tells a floor.
    private static let memory = 1 << 20
    /// For simulation: after so many steps on the disk it is as if the process had died.
    var interruptAfter: Int?

    /// - Parameter owner: whose batches are remembered; two owners may share a directory.
    init(directory: String, owner: String) {
        self.directory = directory
        self.owner = owner
        home = directory + "/.weir/" + owner
    }

    // MARK: Writing

    /// Writes the lines that were not written before. When it returns, all are written for good.
    mutating func write(_ lines: [Line]) throws(Failure) {
        try open()
        try publish()
        for line in lines { forget(partition: line.partition, below: line.floor) }
        let fresh = lines.filter { written[$0.partition]?.contains($0.offset) != true }
        guard !fresh.isEmpty else { return }
        next += 1
        var entry = Entry(number: next, offsets: [:], files: [])
        var folders: [String: [UInt8]] = [:]
        var order: [String] = []
        for line in fresh {
            entry.offsets[line.partition, default: []].append(line.offset)
            if folders[line.folder] == nil { order.append(line.folder) }
            folders[line.folder, default: []] += line.bytes + [0x0A]
        }
        var isCommitted = false
        defer {
            // A full disk must not be kept full by what came to nothing.
            if !isCommitted, interruptAfter != 0 { for file in entry.files { unlink(home + "/staged/" + file.staged) } }
        }
        let stem = "part-\(owner)-\(next)-\(fresh[0].partition)-\(fresh[0].offset)"
        for (number, folder) in order.enumerated() {
            let staged = "\(stem)-\(number).json"
            try make(folder.isEmpty ? directory : directory + "/" + folder)
            entry.files.append((staged, folder.isEmpty ? staged : folder + "/" + staged))
            try put(folders[folder] ?? [], at: home + "/staged/" + staged)
        }
        try sync(home + "/staged")
        // The commit: behind it the batch is delivered.
        let partial = home + "/ledger/.\(next).partial"
        try put(Self.encoded(entry), at: partial)
        do throws(Failure) {
            try rename(partial, home + "/ledger/\(next).json")
        } catch {
            if interruptAfter != 0 { unlink(partial) }
            throw error
        }
        isCommitted = true
        entries.append(entry)
        for (partition, offsets) in entry.offsets { written[partition, default: []].formUnion(offsets) }
        // It counts from now on also when the folder cannot be synced; the next start would only write it again.
        try sync(home + "/ledger")
        // What cannot be put in place now is by the next batch or start.
        try? publish()
    }

    /// Removes what is remembered of the owner; the files stay.
    mutating func removeLedger() {
        try? FileManager.default.removeItem(atPath: home)
        (entries, written, isOpen) = ([], [:], false)
    }

    /// Puts the files of committed batches where readers see them.
    private mutating func publish() throws(Failure) {
        for index in entries.indices where !entries[index].isPublished {
            var folders: Set<String> = []
            for file in entries[index].files {
                let staged = home + "/staged/" + file.staged
                // What is not there any more was renamed before a crash.
                guard access(staged, F_OK) == 0 else { continue }
                let place = directory + "/" + file.place
                try make(Self.folder(of: place))
                try rename(staged, place)
                folders.insert(Self.folder(of: place))
            }
            for folder in folders { try sync(folder) }
            entries[index].isPublished = true
        }
    }

    private mutating func forget(partition: Int, below floor: UInt64) {
        guard floor > 0 || (written[partition]?.count ?? 0) > Self.memory else { return }
        var limit = floor
        if let all = written[partition], all.count > Self.memory, floor == 0 {
            limit = all.sorted()[all.count / 2]
        }
        for index in entries.indices.reversed() where entries[index].isPublished {
            guard let offsets = entries[index].offsets[partition], offsets.allSatisfy({ $0 < limit }) else { continue }
            written[partition]?.subtract(offsets)
            entries[index].offsets[partition] = nil
            if entries[index].offsets.isEmpty {
                unlink(home + "/ledger/\(entries[index].number).json")
                entries.remove(at: index)
            }
        }
    }

    // MARK: Starting

    private mutating func open() throws(Failure) {
        guard !isOpen else { return }
        (entries, written, next) = ([], [:], 0)
        try make(home + "/staged")
        try make(home + "/ledger")
        for name in try names(home + "/ledger") {
            guard name.hasSuffix(".json"), let number = UInt64(name.dropLast(5)) else {
                unlink(home + "/ledger/" + name)
                continue
            }
            guard let data = FileManager.default.contents(atPath: home + "/ledger/" + name),
                let entry = Self.decoded([UInt8](data), number: number)
            else {
                throw Failure(description: "\(home)/ledger/\(name) cannot be read: it is no ledger of this version")
            }
            entries.append(entry)
            for (partition, offsets) in entry.offsets { written[partition, default: []].formUnion(offsets) }
            next = max(next, number)
        }
        entries.sort { $0.number < $1.number }
        // What no entry names was being written when the process died: its events come again.
        let named = Set(entries.flatMap { $0.files.map(\.staged) })
        for name in try names(home + "/staged") {
            if let number = Self.number(of: name, owner: owner) { next = max(next, number) }
            if !named.contains(name) { unlink(home + "/staged/" + name) }
        }
        isOpen = true
    }

    /// The batch's number in a staged file's name, so that no name is used twice.
    private static func number(of name: String, owner: String) -> UInt64? {
        UInt64(name.dropFirst("part-\(owner)-".count).prefix { $0.isNumber })
    }

    private static func encoded(_ entry: Entry) -> [UInt8] {
        let offsets = entry.offsets.sorted { $0.key < $1.key }.map { partition, offsets in
            JSONObject.Member(
                name: String(partition), value: .array(offsets.map { .integer(Int64(clamping: $0)) }))
        }
        let files = entry.files.map { JSONObject.Member(name: $0.staged, value: .string($0.place)) }
        let value: JSONValue = [
            "version": 1, "offsets": .object(JSONObject(members: offsets)),
            "files": .object(JSONObject(members: files)),
        ]
        return value.encoded()
    }

    private static func decoded(_ bytes: [UInt8], number: UInt64) -> Entry? {
        guard let value = try? JSONValue(parsing: bytes), value["version"]?.integer == 1,
            let offsets = value["offsets"]?.object, let files = value["files"]?.object
        else { return nil }
        var entry = Entry(number: number, offsets: [:], files: [])
        for member in offsets.members {
            guard let partition = Int(member.name), let list = member.value.array else { return nil }
            entry.offsets[partition] = list.compactMap { $0.integer.flatMap { UInt64(exactly: $0) } }
        }
        for member in files.members {
            guard let place = member.value.string else { return nil }
            entry.files.append((member.name, place))
        }
        return entry
    }

    // MARK: Files

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? path
    }

    private mutating func step() throws(Failure) {
        guard let left = interruptAfter else { return }
        guard left > 0 else { throw Failure(description: "interrupted") }
        interruptAfter = left - 1
        // The last step is begun and not ended: what was to be done is not done.
        if left == 1 { throw Failure(description: "interrupted") }
    }

    private func failure(_ what: String) -> Failure {
        Failure(description: "\(what): \(String(cString: strerror(errno)))", number: errno)
    }

    private mutating func make(_ folder: String) throws(Failure) {
        if access(folder, F_OK) == 0 { return }
        try step()
        var path = ""
        for part in folder.split(separator: "/") {
            path += "/" + part
            if mkdir(path, 0o755) != 0, errno != EEXIST { throw failure("the folder \(path) cannot be made") }
        }
    }

    private func names(_ folder: String) throws(Failure) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw Failure(description: "\(folder) cannot be listed: \(error.localizedDescription)")
        }
    }

    private mutating func put(_ bytes: [UInt8], at path: String) throws(Failure) {
        try step()
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("\(path) cannot be made") }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("\(path) cannot be written") }
            done += count
        }
        guard fsync(descriptor) == 0 else { throw failure("\(path) cannot be brought to disk") }
    }

    private mutating func rename(_ from: String, _ to: String) throws(Failure) {
        try step()
        guard Glibc.rename(from, to) == 0 else { throw failure("\(from) cannot be renamed to \(to)") }
    }

    /// Brings a folder's entries to disk.
    private mutating func sync(_ folder: String) throws(Failure) {
        try step()
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("\(folder) cannot be opened") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("\(folder) cannot be brought to disk") }
    }
}
