import CloudEvents
import Glibc

/// The file that holds the admin key: made on first start, for its owner's eyes only.
package enum AdminKeyFile {
    private static let prefix = "weir_"

    /// The key in the file, or a new one when there is no file.
    ///
    /// - Returns: the key, and whether it was made now.
    /// - Throws: ``IdentityError`` `keyFile` when others can read the file, or it holds no key.
    package static func open(at path: String) throws(IdentityError) -> (key: Secret, isNew: Bool) {
        if let key = try read(path) { return (key, false) }
        let key = makeKey()
        if try create(path, key) { return (key, true) }
        // Another process was faster: its key counts.
        guard let other = try read(path) else { throw failure(path, "cannot read the key", ENOENT) }
        return (other, false)
    }

    /// The key in the file; `nil` when there is no file. For the command, which finds the key by itself.
    package static func read(_ path: String) throws(IdentityError) -> Secret? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw errno == ELOOP
                ? IdentityError(.keyFile, "\(path): the key's file is a symbolic link; put the file itself there")
                : failure(path, "cannot read the key", errno)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure(path, "cannot read the key", errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityError(.keyFile, "\(path): the key's file is no regular file; move it away")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw IdentityError(
                .keyFile,
                "\(path): others can read the admin key; run \"chmod 600 \(path)\", "
                    + "or delete the file for a new key if someone may have read it")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw IdentityError(.keyFile, "\(path): the key's file belongs to another user (uid \(status.st_uid))")
        }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw failure(path, "cannot read the key", errno) }
        let text = bytes.prefix(count).filter { $0 != 0x0A && $0 != 0x0D && $0 != 0x20 }
        guard count < 512, text.starts(with: prefix.utf8), text.count >= prefix.utf8.count + 43 else {
            throw IdentityError(
                .keyFile, "\(path): this is no admin key; delete the file and a new one is made at the next start")
        }
        return Secret(String(decoding: text, as: UTF8.self))
    }

    /// 256 random bits in the letters of RFC 4648 §5, behind a prefix by which leaked keys can be searched.
    static func makeKey() -> Secret {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let text = Base64.encode(bytes).utf8.compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
        return Secret(prefix + String(decoding: text, as: UTF8.self))
    }

    /// Puts the whole file there at once; `false` when there is one already.
    private static func create(_ path: String, _ key: Secret) throws(IdentityError) -> Bool {
        let temporary = "\(path).\(getpid())-\(UInt64.random(in: 0...UInt64.max)).tmp"
        let file = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure(path, "cannot make the key's file", errno) }
        defer { unlink(temporary) }
        let bytes = Array((key.reveal() + "\n").utf8)
        let written = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        // The mode again, whatever the umask left of it.
        let ok = written == bytes.count && fchmod(file, 0o600) == 0 && fsync(file) == 0
        let code = errno
        guard close(file) == 0, ok else { throw failure(path, "cannot write the key's file", code) }
        // Unlike rename, link does not replace the file of a server that started at the same moment.
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { return false }
            throw failure(path, "cannot make the key's file", errno)
        }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return true
    }

    private static func failure(_ path: String, _ what: String, _ code: Int32) -> IdentityError {
        IdentityError(.keyFile, "\(path): \(what): \(String(cString: strerror(code)))")
    }
}
