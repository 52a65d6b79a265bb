import Crypto
import Foundation
import Glibc

/// What was installed or built for versions of functions: folders by the digest of their content, as code lies in a
/// ``CodeStore``, and which order made which.
package final class LayerStore: Sendable {
    private let store: CodeStore
    /// One file an order that was carried out, holding the digest.
    private let orders: String
    /// Folders in which work is under way.
    private let workshop: String

    /// What one layer may hold.
    package static var limits: ArchiveLimits {
        var limits = ArchiveLimits()
        limits.entries = 200_000
        limits.totalSize = 16 << 30
        return limits
    }

    /// Opens the store, making its folders, and removes what an earlier run left half-made. Blocks.
    package init(path: String) throws(ArchiveError) {
        orders = path + "/orders"
        workshop = path + "/work"
        CodeStore.remove(workshop)
        store = try CodeStore(path: path + "/content", limits: Self.limits)
        do {
            for folder in [orders, workshop] {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
        } catch {
            throw ArchiveError(.storage, "cannot open the layers \(path): \(error.localizedDescription)")
        }
    }

    /// The folder of a layer, whether or not it is there.
    package func folder(_ digest: String) -> String { store.folder(digest) }

    /// The layer that an order made earlier, if it is still there.
    ///
    /// - Parameter order: everything that decides what is made.
    package func layer(of order: String) -> String? {
        guard let digest = try? String(contentsOfFile: file(of: order), encoding: .utf8), digest.utf8.count == 64,
            access(folder(digest), F_OK) == 0
        else { return nil }
        return digest
    }

    /// A new place for work. Only the server can reach it, until its folders are shown to a sandbox.
    package func makeWorkFolder() throws(FunctionError) -> WorkFolder {
        let work = WorkFolder(path: workshop + "/" + UUID().uuidString)
        guard mkdir(work.path, 0o700) == 0, mkdir(work.output, 0o777) == 0, chmod(work.output, 0o777) == 0,
            mkdir(work.scratch, 0o777) == 0, chmod(work.scratch, 0o777) == 0
        else { throw FunctionError(CodeFolder.failure("cannot make the folder \(work.path)")) }
        return work
    }

    package func remove(_ work: WorkFolder) { CodeStore.remove(work.path) }

    /// Keeps what an order has made: the output folder, or one folder in it.
    ///
    /// - Returns: the layer's digest.
    package func keep(
        _ work: WorkFolder, member: String = "", madeBy order: String
    ) async throws(FunctionError) -> String {
        do throws(ArchiveError) {
            let stored = try await store.adopt(work.output, member: member)
            // Nothing is collected while the server runs, so nothing has to hold it.
            store.release(stored)
            try await record(order, stored.digest)
            return stored.digest
        } catch {
            throw error.code == .storage || error.code == .diskFull
                ? FunctionError(error)
                : FunctionError(.preparation, "what was installed or built cannot be kept: \(error.message)")
        }
    }

    private func record(_ order: String, _ digest: String) async throws(ArchiveError) {
        let path = file(of: order)
        try await store.onQueue { (_) throws(ArchiveError) in
            guard FileManager.default.createFile(atPath: path + ".new", contents: Data(digest.utf8)),
                rename(path + ".new", path) == 0
            else { throw CodeFolder.failure("cannot write \(path)") }
        }
    }

    /// Removes layers to which no version refers, and what is known of orders that made them.
    ///
    /// - Returns: the digests that went.
    @discardableResult
    package func collect<Failure>(
        referenced: () async throws(Failure) -> Set<String>
    ) async throws(Failure) -> [String] {
        let gone = try await store.collect(referenced: referenced)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: orders)) ?? [] {
            let path = orders + "/" + name
            let digest = try? String(contentsOfFile: path, encoding: .utf8)
            if digest.map({ access(folder($0), F_OK) != 0 }) ?? true { unlink(path) }
        }
        return gone
    }

    private func file(of order: String) -> String {
        orders + "/" + CodeStore.hexadecimal(SHA256.hash(data: Array(order.utf8)))
    }
}

/// A place where something is made for a layer.
package struct WorkFolder: Sendable {
    let path: String
    /// What becomes the layer. Any user may write here who sees it.
    package var output: String { path + "/output" }
    /// What is thrown away. Any user may write here who sees it.
    package var scratch: String { path + "/scratch" }
}
