import CloudEvents
import Manifest
import Outbound

/// What several kinds of sources ask for.
extension DocumentReader {
    /// A folder's absolute path, without `/` at its end.
    mutating func directory(_ key: String) throws(DocumentError) -> String {
        let text = try requiredString(key)
        guard text.hasPrefix("/") else {
            throw DocumentError(
                path: path(of: key), message: "\"\(text)\" is not an absolute path: it must begin with /")
        }
        guard !text.split(separator: "/").contains("..") else {
            throw DocumentError(path: path(of: key), message: "\"\(text)\" must not contain \"..\"")
        }
        var folder = Substring(text)
        while folder.count > 1, folder.last == "/" { folder.removeLast() }
        return String(folder)
    }

    mutating func strings(_ key: String) throws(DocumentError) -> [String] {
        guard let values = try array(key) else { return [] }
        var texts: [String] = []
        for (index, value) in values.enumerated() {
            guard let text = value.string, !text.isEmpty else {
                throw DocumentError(
                    path: "\(path(of: key))[\(index)]", message: "a string was expected, not \(value.kindName)")
            }
            texts.append(text)
        }
        return texts
    }

    /// A list of words of a set.
    mutating func words(_ key: String, of words: [String]) throws(DocumentError) -> [String] {
        let texts = try strings(key)
        for (index, text) in texts.enumerated() where !words.contains(text) {
            let near = Suggestion.nearest(to: text, in: words).map { ": did you mean \"\($0)\"?" } ?? ""
            throw DocumentError(
                path: "\(path(of: key))[\(index)]",
                message: "\"\(text)\" is not one of \(words.joined(separator: ", "))\(near)")
        }
        return texts
    }

    /// The address of a web server, without `/` at its end, a query or a name and password in it.
    mutating func webAddress(_ key: String) throws(DocumentError) -> String {
        var text = Substring(try requiredString(key))
        while text.last == "/" { text.removeLast() }
        let rest = text.hasPrefix("https://") ? text.dropFirst(8) : text.hasPrefix("http://") ? text.dropFirst(7) : ""
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 && $0 != 0x40 }
        guard !rest.isEmpty, rest.first != "/", isPlain else {
            throw DocumentError(
                path: path(of: key), message: "\"\(text)\" is no address such as https://host.example.org:3880")
        }
        return String(text)
    }

    /// The name of a time zone of the tz database.
    mutating func zone(_ key: String) throws(DocumentError) -> String {
        let zone = try string(key) ?? "UTC"
        guard !zone.isEmpty, !zone.hasPrefix("/"), !zone.contains("..") else {
            throw DocumentError(
                path: path(of: key), message: "\"\(zone)\" is no time zone: write Europe/Berlin or UTC")
        }
        return zone
    }
}

/// Credentials go over TLS, or stay on this machine.
enum PlainCredential {
    static func check(_ credential: CredentialSpec, url: String, path: String) throws(DocumentError) {
        guard credential != .none, url.hasPrefix("http://") else { return }
        let host = url.dropFirst(7).prefix { $0 != "/" }
        let name = host.hasPrefix("[") ? host.prefix { $0 != "]" }.dropFirst() : host.prefix { $0 != ":" }
        guard ["localhost", "127.0.0.1", "::1"].contains(String(name)) else {
            throw DocumentError(path: path, message: "a credential is not sent without TLS: write https://")
        }
    }
}
