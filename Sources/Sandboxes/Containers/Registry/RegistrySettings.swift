package import CloudEvents
package import Functions
package import Identity
package import Manifest

/// What the operator says about registries: credentials, and which may be used at all.
package struct RegistrySettings: Sendable {
    /// One registry.
    package struct Entry: Sendable {
        package var username: String?
        package var password: Secret?
        /// Plain HTTP instead of TLS.
        package var isPlain: Bool?
        /// Whose functions may use the credentials; `nil`: everybody's.
        package var namespaces: Set<String>?
    }

    package var entries: [String: Entry] = [:]
    /// Whether images of other registries are refused.
    package var isExclusive = false

    package init() {}

    /// Reads a configuration: ours, or Docker's `config.json` with its `auths`.
    ///
    /// - Parameter readFile: gives the text of a password's file.
    package init(
        _ document: JSONValue, readFile: (String) throws(DocumentError) -> String
    ) throws(DocumentError) {
        if document["auths"] != nil, document["registries"] == nil {
            entries = try Self.docker(document)
            return
        }
        var reader = try DocumentReader(document)
        isExclusive = try reader.bool("only") ?? false
        for member in try reader.freeObject("registries")?.members ?? [] {
            let path = "registries.\(member.name)"
            let host = try Self.host(member.name, path: path)
            var entry = Entry()
            var one = try DocumentReader(member.value, path: path)
            entry.username = try one.string("username")
            let password = try one.string("password")
            let file = try one.string("passwordFile")
            guard password == nil || file == nil else {
                throw DocumentError(
                    path: one.path(of: "passwordFile"),
                    message: "there is either a password or a passwordFile, not both")
            }
            if let password { entry.password = Secret(password) }
            if let file { entry.password = Secret(Self.firstLine(try readFile(file))) }
            guard (entry.username == nil) == (entry.password == nil) else {
                throw DocumentError(path: path, message: "a username and a password belong together")
            }
            entry.isPlain = try one.bool("http")
            entry.namespaces = try Self.namespaces(&one)
            try one.finish()
            entries[host] = entry
        }
        try reader.finish()
    }

    private static func docker(_ document: JSONValue) throws(DocumentError) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        for member in document["auths"]?.object?.members ?? [] {
            let path = "auths.\(member.name)"
            // Docker writes its own registry as an address.
            let isDocker = member.name == "https://index.docker.io/v1/"
            let host = try host(isDocker ? ImageReference.dockerHost : member.name, path: path)
            guard let packed = member.value["auth"]?.string, !packed.isEmpty else { continue }
            guard let bytes = Base64.decode(packed.utf8),
                let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
            else { throw DocumentError(path: "\(path).auth", message: "this is not name:password in Base64") }
            entries[host] = Entry(
                username: String(decoding: bytes[..<colon], as: UTF8.self),
                password: Secret(String(decoding: bytes[(colon + 1)...], as: UTF8.self)))
        }
        return entries
    }

    /// The credentials of a registry for a namespace's function; `nil`: ask without.
    package func credentials(_ host: String, namespace: String) -> (username: String, password: Secret)? {
        guard let entry = entries[host], let name = entry.username, let password = entry.password else { return nil }
        if let allowed = entry.namespaces, !allowed.contains(namespace) { return nil }
        return (name, password)
    }

    /// Whether what was fetched from a registry for one namespace may be used by this one without asking it.
    package func isOpen(_ image: ImageReference, to namespace: String) -> Bool {
        entries[image.host]?.namespaces?.contains(namespace) ?? true
    }

    /// Whether a registry is asked without TLS: as configured, else only on this machine.
    package func isPlain(_ image: ImageReference) -> Bool { entries[image.host]?.isPlain ?? image.isLoopback }

    /// Refuses an image of a registry that may not be used.
    package func check(_ image: ImageReference) throws(ContainerError) {
        guard !isExclusive || entries[image.host] != nil else {
            throw ContainerError(.refused, "images of \(image.host) may not be used on this server")
        }
    }

    private static func host(_ text: String, path: String) throws(DocumentError) -> String {
        guard let image = try? ImageReference("\(text)/x"), image.host == text.lowercased() else {
            throw DocumentError(path: path, message: "\"\(text)\" is no host of a registry, as in host:5000/name:tag")
        }
        return image.host
    }

    private static func namespaces(_ reader: inout DocumentReader) throws(DocumentError) -> Set<String>? {
        guard let list = try reader.array("namespaces") else { return nil }
        var names: Set<String> = []
        for entry in list {
            guard let name = entry.string else {
                throw DocumentError(path: reader.path(of: "namespaces"), message: "a list of names was expected")
            }
            names.insert(name)
        }
        return names
    }

    private static func firstLine(_ text: String) -> String {
        String(text.prefix { $0 != "\n" && $0 != "\r\n" && $0 != "\r" })
    }
}
