import Crypto
import Dispatch
import Foundation
import Glibc
import Synchronization

/// Code on disk by the digest of its content: written once, read-only, the same for every function that uses it.
///
/// A folder appears under its digest only when all of it is on disk. Disk work runs on a queue of its own.
package final class CodeStore: Sendable {
    /// Absolute.
    package let path: String
    let limits: ArchiveLimits
    private let queue = DispatchQueue(label: "dev.weir.code-store")
    private let uses = Mutex(Uses())

    private struct Uses {
        /// Code that was put and is not yet (or no longer) known to the registry.
        var held: [String: Int] = [:]
        /// What was let go while a collection ran: it may have been registered after the collection asked.
        var letGo: Set<String> = []
        var isCollecting = false
    }

    static let temporaryPrefix = ".incoming-"
    private static let trashPrefix = ".trash-"

    /// Opens the store, making its folder, and removes what an earlier run left half-written. Blocks.
    package init(path: String, limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveError) {
        self.path = path
        self.limits = limits
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            for name in try FileManager.default.contentsOfDirectory(atPath: path)
            where name.hasPrefix(Self.temporaryPrefix) || name.hasPrefix(Self.trashPrefix) {
                Self.remove(path + "/" + name)
            }
        } catch {
            throw ArchiveError(.storage, "cannot open the code store \(path): \(error.localizedDescription)")
        }
    }

    /// The folder of a digest, whether or not it is there.
    package func folder(_ digest: String) -> String { path + "/" + digest }

    /// Unpacks code into the store unless it is there already.
    ///
    /// - Parameters:
    ///   - filename: decides the format: `.zip`, `.tar`, `.tar.gz`, `.tgz`, else a single file of that name.
    ///   - isProgram: makes a single file executable.
    /// - Returns: code that is held until it is let go with ``release(_:)``, also over a collection.
    package func put(_ bytes: [UInt8], filename: String, isProgram: Bool) async throws(ArchiveError) -> StoredCode {
        try await onQueue { (store) throws(ArchiveError) in
            try store.store(bytes, filename: filename, isProgram: isProgram)
        }
    }

    /// Does disk work where it disturbs nobody.
    func onQueue<Value: Sendable>(
        _ work: @escaping @Sendable (CodeStore) throws(ArchiveError) -> Value
    ) async throws(ArchiveError) -> Value {
        let outcome: Result<Value, ArchiveError> = await withCheckedContinuation { continuation in
            queue.async { [self] in
                do throws(ArchiveError) {
                    continuation.resume(returning: .success(try work(self)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }

    /// Lets go of code that was put: from now on a collection may take it if nothing refers to it.
    package func release(_ code: StoredCode) {
        uses.withLock { uses in
            let left = (uses.held[code.digest] ?? 1) - 1
            uses.held[code.digest] = left > 0 ? left : nil
            if uses.isCollecting { uses.letGo.insert(code.digest) }
        }
    }

    /// Removes code to which nothing refers.
    ///
    /// Code of a deleted function may still be running: call this when no worker does, as at start.
    /// - Parameter referenced: asked once, after the collection has begun.
    /// - Returns: the digests that went.
    @discardableResult
    package func collect<Failure>(
        referenced: () async throws(Failure) -> Set<String>
    ) async throws(Failure) -> [String] {
        uses.withLock { uses in
            uses.isCollecting = true
            uses.letGo = []
        }
        defer { uses.withLock { $0.isCollecting = false } }
        let kept = try await referenced()
        return await withCheckedContinuation { continuation in
            queue.async { [self] in continuation.resume(returning: remove(except: kept)) }
        }
    }

    // MARK: On the queue

    private func store(_ bytes: [UInt8], filename: String, isProgram: Bool) throws(ArchiveError) -> StoredCode {
        let temporary = path + "/" + Self.temporaryPrefix + UUID().uuidString
        defer { Self.remove(temporary) }
        var folder = try CodeFolder(creating: temporary)
        defer { folder.close() }
        let entries: [ArchiveEntry]
        if let format = Archive.Format(filename: filename) {
            entries = try Archive.extract(bytes, format, limits: limits, into: &folder)
            guard entries.contains(where: { !$0.isFolder }) else {
                throw ArchiveError(.corrupt, "the archive holds no file")
            }
        } else {
            guard bytes.count <= limits.totalSize else {
                throw ArchiveError(.tooLarge, "the code is larger than \(limits.totalSize) bytes")
            }
            var listing = ArchiveListing(limits)
            let name = filename.split(separator: "/").last.map(String.init) ?? ""
            guard
                let entry = try listing.add(rawName: Array(name.utf8), isFolder: false, isExecutable: isProgram)
            else { throw ArchiveError(.unsafe, "the code's file has no name") }
            try folder.begin(entry)
            try folder.write(bytes[...])
            try folder.end()
            entries = [entry]
        }
        return try place(&folder, at: temporary, entries)
    }

    /// Gives a folder that is written its name for ever, unless its content is there already.
    func place(
        _ folder: inout CodeFolder, at temporary: String, _ entries: [ArchiveEntry]
    ) throws(ArchiveError) -> StoredCode {
        let digest = try folder.finish()
        let files = entries.filter { !$0.isFolder }.map(\.path).sorted()
        let programs = Set(entries.filter(\.isExecutable).map(\.path))
        let code = StoredCode(digest: digest, files: files, programs: programs)
        // Held before it is looked for, so that a collection does not take it in between.
        uses.withLock { $0.held[digest, default: 0] += 1 }
        let target = self.folder(digest)
        if access(target, F_OK) == 0 { return code }
        // Another process may have been faster; its folder holds the same.
        guard rename(temporary, target) == 0 || errno == EEXIST || errno == ENOTEMPTY else {
            let failure = CodeFolder.failure("cannot put the code into \(target)")
            release(code)
            throw failure
        }
        let parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw CodeFolder.failure("cannot open the folder \(path)") }
        defer { close(parent) }
        guard fsync(parent) == 0 else { throw CodeFolder.failure("cannot write the folder \(path)") }
        return code
    }

    private func remove(except kept: Set<String>) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().filter { name in
            guard !name.hasPrefix("."), !kept.contains(name) else { return false }
            let trash = path + "/" + Self.trashPrefix + UUID().uuidString
            // Taken away under the lock under which code is held: nobody finds it that is about to go.
            let taken = uses.withLock { uses in
                uses.held[name] == nil && !uses.letGo.contains(name) && rename(folder(name), trash) == 0
            }
            if taken { Self.remove(trash) }
            return taken
        }
    }

    /// Removes a read-only tree; links in it would not be followed, but there are none.
    static func remove(_ tree: String) {
        chmod(tree, 0o700)
        if let walk = FileManager.default.enumerator(atPath: tree) {
            while let name = walk.nextObject() as? String {
                if walk.fileAttributes?[.type] as? FileAttributeType == .typeDirectory {
                    chmod(tree + "/" + name, 0o700)
                }
            }
        }
        try? FileManager.default.removeItem(atPath: tree)
    }

    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        let digits = Array("0123456789abcdef".utf8)
        for byte in digest {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
        return String(decoding: out, as: UTF8.self)
    }
}

/// Code that lies in the store.
package struct StoredCode: Sendable, Hashable {
    /// SHA-256, hexadecimal, of paths, executable bits and contents.
    package let digest: String
    /// All files, sorted.
    package let files: [String]
    /// Those that may be executed.
    package let programs: Set<String>
}
