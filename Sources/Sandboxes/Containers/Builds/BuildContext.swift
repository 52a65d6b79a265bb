internal import AsyncHTTPClient
internal import Foundation
internal import Glibc
internal import NIOCore

/// A function's folder as builders take it.
enum BuildContext {
    /// Writes a tar of a folder of the code store: plain files and folders, nothing else is there. Blocks.
    static func write(_ folder: String, to path: String) throws(ContainerError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw PartialBlob.failure("cannot write \(path)") }
        defer { close(file) }
        var names = (FileManager.default.subpaths(atPath: folder) ?? []).sorted()
        // A folder stands before what is in it.
        names.removeAll { $0.isEmpty }
        for name in names {
            var status = stat()
            guard lstat(folder + "/" + name, &status) == 0 else { continue }
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            guard isFolder || status.st_mode & S_IFMT == S_IFREG else { continue }
            let mode = isFolder || status.st_mode & 0o111 != 0 ? 0o755 : 0o644
            try put(
                TarWriter.header(name, size: isFolder ? 0 : Int(status.st_size), mode: mode, isFolder: isFolder), file)
            if isFolder { continue }
            try copy(folder + "/" + name, Int(status.st_size), file)
        }
        try put([UInt8](repeating: 0, count: 1024), file)
    }

    private static func copy(_ path: String, _ size: Int, _ target: Int32) throws(ContainerError) {
        let source = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard source >= 0 else { throw PartialBlob.failure("cannot read \(path)") }
        defer { close(source) }
        var left = size
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while left > 0 {
            let count = buffer.withUnsafeMutableBytes { read(source, $0.baseAddress, min($0.count, left)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ContainerError(.storage, "\(path) changed while it was read") }
            try put(Array(buffer[..<count]), target)
            left -= count
        }
        try put([UInt8](repeating: 0, count: (512 - size % 512) % 512), target)
    }

    private static func put(_ bytes: [UInt8], _ file: Int32) throws(ContainerError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw PartialBlob.failure("cannot write the build's context") }
            rest = rest.dropFirst(count)
        }
    }

    /// The file as the body of a request, read as it is sent.
    static func body(of path: String) throws(ContainerError) -> HTTPClientRequest.Body {
        var status = stat()
        guard stat(path, &status) == 0 else { throw PartialBlob.failure("cannot read \(path)") }
        return .stream(FileChunks(path: path), length: .known(Int64(status.st_size)))
    }

    /// What went wrong, with the builder's last words.
    static func failure(_ reason: String, _ lines: [String]) -> String {
        let tail = lines.suffix(15).map { String($0.prefix(500)) }.joined(separator: "\n")
        return "the image cannot be built: \(reason)" + (tail.isEmpty ? "" : "\n\(tail)")
    }

    private struct FileChunks: AsyncSequence, Sendable {
        typealias Element = ByteBuffer
        let path: String

        func makeAsyncIterator() -> Iterator { Iterator(path: path) }

        struct Iterator: AsyncIteratorProtocol {
            let path: String
            var offset: Int64 = 0
            let disk = BlockingThreads("build")

            mutating func next() async throws -> ByteBuffer? {
                let (path, at) = (path, offset)
                let bytes = try await disk.run { () throws(ContainerError) in
                    let file = open(path, O_RDONLY | O_CLOEXEC)
                    guard file >= 0 else { throw PartialBlob.failure("cannot read \(path)") }
                    defer { close(file) }
                    return [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
                        count = Swift.max(0, pread(file, buffer.baseAddress, buffer.count, off_t(at)))
                    }
                }
                offset += Int64(bytes.count)
                return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
            }
        }
    }
}

/// Heads of tar entries (POSIX.1-2017, "ustar Interchange Format"; long names as pax headers).
enum TarWriter {
    static func header(_ name: String, size: Int, mode: Int, isFolder: Bool) -> [UInt8] {
        let bytes = Array((isFolder ? name + "/" : name).utf8)
        guard bytes.count > 100 else { return block(bytes, size, mode, isFolder ? "5" : "0") }
        let body = " path=\(name)\n"
        var length = body.utf8.count + 1
        while "\(length)".utf8.count + body.utf8.count != length { length += 1 }
        var record = Array("\(length)\(body)".utf8)
        let head = block(Array("pax".utf8), record.count, 0o644, "x")
        record += [UInt8](repeating: 0, count: (512 - record.count % 512) % 512)
        return head + record + block(Array(bytes.prefix(100)), size, mode, isFolder ? "5" : "0")
    }

    private static func block(_ name: [UInt8], _ size: Int, _ mode: Int, _ kind: Character) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Collection<UInt8>, _ at: Int) {
            for (index, byte) in text.enumerated() { block[at + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
        }
        put(name, 0)
        put(octal(mode, 7), 100)
        put(octal(0, 7), 108)
        put(octal(0, 7), 116)
        put(octal(size, 11), 124)
        // One time for all: the same folder gives the same bytes.
        put(octal(0, 11), 136)
        block[156] = kind.asciiValue ?? 0x30
        put(Array("ustar\u{0}00".utf8), 257)
        for index in 148..<156 { block[index] = 0x20 }
        put(octal(block.reduce(0) { $0 + Int($1) }, 6) + [0, 0x20], 148)
        return block
    }
}
