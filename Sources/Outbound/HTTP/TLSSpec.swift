package import CloudEvents
package import Manifest
package import NIOSSL

/// What is trusted and shown on TLS connections: files of the server's machine.
package struct TLSSpec: Sendable, Hashable {
    /// A file of PEM certificates, or a folder as `openssl rehash` leaves it; the system's when absent.
    package var trust: String?
    /// A client certificate with its chain, and its key, in PEM.
    package var certificate: String?
    package var key: String?

    package init(trust: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.trust = trust
        self.certificate = certificate
        self.key = key
    }

    package var isDefault: Bool { self == TLSSpec() }

    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        self.init()
        guard var inner = try reader.object("tls") else { return }
        func file(_ name: String) throws(DocumentError) -> String? {
            guard let path = try inner.string(name) else { return nil }
            guard path.hasPrefix("/") else {
                throw DocumentError(path: inner.path(of: name), message: "\"\(path)\" is not an absolute path")
            }
            return path
        }
        trust = try file("trust")
        certificate = try file("certificate")
        key = try file("key")
        try inner.finish()
        guard (certificate == nil) == (key == nil) else {
            throw DocumentError(
                path: inner.path(of: certificate == nil ? "certificate" : "key"),
                message: "a client certificate needs its key, and a key its certificate")
        }
    }

    package func write(into object: inout JSONObject) {
        guard !isDefault else { return }
        var inner = JSONObject()
        for (name, value) in [("trust", trust), ("certificate", certificate), ("key", key)] {
            if let value { inner[name] = .string(value) }
        }
        object["tls"] = .object(inner)
    }

    /// Reads the files.
    package func configuration() throws(OutboundError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let trust {
            // NIOSSL tells a folder from a file by the slash at its end.
            configuration.trustRoots = .file(trust)
        }
        do {
            if let certificate, let key {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
            }
        } catch {
            throw OutboundError(.configuration, "the client certificate \(certificate ?? "") cannot be used: \(error)")
        }
        return configuration
    }
}
