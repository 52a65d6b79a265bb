internal import Crypto
internal import Functions
internal import Glibc
internal import NIOCore

/// A blob that is being fetched: a file that grows, and the digest of what it holds.
actor PartialBlob {
    private let path: String
    private var file: Int32
    private(set) var count: Int64 = 0
    private var hash = SHA256()
    private let disk = BlockingThreads("registry")

    /// Opens the file and goes through what an earlier attempt left in it. Blocks.
    init(path: String) throws(ContainerError) {
        self.path = path
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        self.file = file
        guard file >= 0 else { throw Self.failure("cannot open \(path)") }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let got = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            hash.update(data: buffer[..<got])
            count += Int64(got)
        }
    }

    deinit { if file >= 0 { Glibc.close(file) } }

    func close() {
        if file >= 0 { Glibc.close(file) }
        file = -1
    }

    /// Throws away what is there.
    func restart() throws(ContainerError) {
        guard ftruncate(file, 0) == 0, lseek(file, 0, SEEK_SET) == 0 else { throw Self.failure("cannot empty \(path)") }
        count = 0
        hash = SHA256()
    }

    func append(_ buffer: ByteBuffer, limit: Int64, _ what: String) async throws(ContainerError) {
        guard count + Int64(buffer.readableBytes) <= limit else {
            throw ContainerError(.invalidImage, "\(what) is longer than it was said to be")
        }
        let (file, path, before) = (file, path, hash)
        hash = try await disk.run { () throws(ContainerError) in
            var hash = before
            try buffer.withUnsafeReadableBytes { (bytes) throws(ContainerError) in
                hash.update(bufferPointer: bytes)
                var done = 0
                while done < bytes.count, let start = bytes.baseAddress {
                    let written = write(file, start + done, bytes.count - done)
                    if written < 0, errno == EINTR { continue }
                    guard written > 0 else { throw Self.failure("cannot write \(path)") }
                    done += written
                }
            }
            return hash
        }
        count += Int64(buffer.readableBytes)
    }

    /// Gives the file its name if it is what its digest says; else throws it away.
    func finish(_ blob: ImageDescriptor, _ image: ImageReference, as name: String) throws(ContainerError) {
        guard RegistryClient.hexadecimal(hash.finalize()) == blob.digest.hexadecimal else {
            unlink(path)
            close()
            throw ContainerError(
                .invalidImage, "the layer \(blob.digest) of \(image) is not what its digest says: it came damaged")
        }
        guard rename(path, name) == 0 else { throw Self.failure("cannot name \(name)") }
        close()
    }

    static func failure(_ what: String) -> ContainerError {
        let code = errno
        guard code == ENOSPC || code == EDQUOT else {
            return ContainerError(.storage, "\(what): \(String(cString: strerror(code)))")
        }
        return ContainerError(.diskFull, "\(what): the disk is full")
    }
}
