import CloudEvents
import Glibc

/// Where the values of secrets are.
package struct SecretStore: Sendable {
    /// The value of a secret of a namespace, as it is now.
    package let value: @Sendable (_ namespace: String, _ name: String) throws(SecretError) -> [UInt8]

    package init(value: @escaping @Sendable (_ namespace: String, _ name: String) throws(SecretError) -> [UInt8]) {
        self.value = value
    }

    /// The value as text.
    package func text(_ reference: SecretReference, namespace: String) throws(SecretError) -> String {
        let bytes = try value(namespace, reference.name)
        guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.contains(where: { $0 < 0x20 }) else {
            throw SecretError(
                .unusable, "the secret \"\(reference.name)\" is no text of one line: it cannot be used here")
        }
        return text
    }

    /// Secrets as files, `<directory>/<namespace>/<name>`, looked up each time, so that a new value counts at once.
    package static func folder(_ directory: String) -> SecretStore {
        SecretStore { (namespace, name) throws(SecretError) in
            try SecretFile.read("\(directory)/\(namespace)/\(name)", name: name)
        }
    }

    /// No secrets.
    package static let none = SecretStore { (_, name) throws(SecretError) in
        throw SecretError(.missing, "there is no secret \"\(name)\": this server holds none")
    }
}

/// Why a secret cannot be had.
package struct SecretError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable { case missing, exposed, unusable }
    package let code: Code
    /// A sentence that names the secret and says what to do; never its value.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

private enum SecretFile {
    private static let limit = 64 << 10

    static func read(_ path: String, name: String) throws(SecretError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            let why = String(cString: strerror(errno))
            throw SecretError(.missing, "there is no secret \"\(name)\" to be read (\(path): \(why))")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw SecretError(.unusable, "the secret \"\(name)\" is no plain file: \(path)")
        }
        guard facts.st_mode & 0o077 == 0 else {
            throw SecretError(
                .exposed, "the secret \"\(name)\" can be read by others than its owner: chmod 600 \(path)")
        }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SecretError(.unusable, "the secret \"\(name)\" cannot be read: \(path)") }
            if count == 0 { break }
            bytes += part[..<count]
            guard bytes.count <= limit else {
                throw SecretError(.unusable, "the secret \"\(name)\" is longer than \(limit) bytes")
            }
        }
        // An editor's last line end is none of it.
        if bytes.last == 0x0A { bytes.removeLast() }
        if bytes.last == 0x0D { bytes.removeLast() }
        guard !bytes.isEmpty else { throw SecretError(.unusable, "the secret \"\(name)\" is empty: \(path)") }
        return bytes
    }
}
