import Dispatch
import Foundation
import Glibc

/// Archives as they were uploaded, for who asks to have them back: by the digest of the code that they hold.
///
/// Two archives of the same content (packed at another time, in another order) are one here: the last one stands. What
/// goes from the code store goes from here, too.
package final class UploadStore: Sendable {
    /// Absolute.
    package let path: String
    private let queue = DispatchQueue(label: "dev.weir.uploads")

    /// Beside the folder of the code; made when the first archive comes.
    init(beside store: CodeStore) {
        path = store.path + "-uploads"
    }

    private func file(_ digest: String) -> String { path + "/" + digest }

    /// Where the archive of a version's code is, if it was kept.
    ///
    /// - Parameter directory: the code's folder in its store.
    package static func file(of directory: String) -> String {
        guard let slash = directory.lastIndex(of: "/") else { return "" }
        return directory[..<slash] + "-uploads" + directory[slash...]
    }

    /// Keeps an archive; on disk when this returns.
    func keep(_ bytes: [UInt8], of digest: String) async throws(ArchiveError) {
        let failure: ArchiveError? = await withCheckedContinuation { continuation in
            queue.async { [self] in
                do throws(ArchiveError) {
                    try write(bytes, digest)
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        }
        if let failure { throw failure }
    }

    /// The archive; `nil` when there is none.
    package func bytes(_ digest: String) async -> [UInt8]? {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                continuation.resume(returning: FileManager.default.contents(atPath: file(digest)).map { [UInt8]($0) })
            }
        }
    }

    func forget(_ digest: String) { unlink(file(digest)) }

    private func write(_ bytes: [UInt8], _ digest: String) throws(ArchiveError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw CodeFolder.failure("cannot make \(path)") }
        let temporary = file(".incoming-" + UUID().uuidString)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw CodeFolder.failure("cannot make the file \(temporary)") }
        defer { unlink(temporary) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = CodeFolder.failure("cannot write the file \(temporary)")
                close(descriptor)
                throw failure
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, close(descriptor) == 0, rename(temporary, file(digest)) == 0 else {
            throw CodeFolder.failure("cannot write the file \(file(digest))")
        }
    }
}
