import CloudEvents
import Manifest
import Outbound

/// What several kinds of sinks ask for.
extension DocumentReader {
    /// A template that must be there.
    mutating func template(_ key: String) throws(DocumentError) -> Template {
        guard let template = try optionalTemplate(key) else {
            throw DocumentError(path: path(of: key), message: "this is required")
        }
        guard !template.text.isEmpty else {
            throw DocumentError(path: path(of: key), message: "this must not be empty")
        }
        return template
    }

    /// A template that has a usual form.
    mutating func template(_ key: String, usual: String) throws(DocumentError) -> Template {
        if let template = try optionalTemplate(key) { return template }
        do throws(TemplateError) {
            return try Template(usual)
        } catch {
            throw DocumentError(path: path(of: key), message: error.message)
        }
    }

    mutating func optionalTemplate(_ key: String) throws(DocumentError) -> Template? {
        guard let text = try string(key) else { return nil }
        do throws(TemplateError) {
            return try Template(text)
        } catch {
            throw DocumentError(path: path(of: key), message: error.message)
        }
    }

    mutating func documentTemplate(_ key: String) throws(DocumentError) -> DocumentTemplate? {
        guard let value = value(key) else { return nil }
        do throws(TemplateError) {
            return try DocumentTemplate(value)
        } catch {
            throw DocumentError(path: path(of: key), message: error.message)
        }
    }

    /// The address of a web server, without `/` at its end, a query or a name and password in it.
    mutating func webAddress(_ key: String) throws(DocumentError) -> String {
        var text = Substring(try requiredString(key))
        while text.last == "/" { text.removeLast() }
        let rest = text.hasPrefix("https://") ? text.dropFirst(8) : text.hasPrefix("http://") ? text.dropFirst(7) : ""
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 && $0 != 0x40 }
        guard !rest.isEmpty, rest.first != "/", isPlain else {
            throw DocumentError(
                path: path(of: key), message: "\"\(text)\" is no address such as https://search.example.org:9200")
        }
        return String(text)
    }

    /// An absolute path of a folder, without `/` at its end.
    mutating func folder(_ key: String) throws(DocumentError) -> String {
        let text = try requiredString(key)
        guard text.hasPrefix("/"), !text.split(separator: "/").contains("..") else {
            throw DocumentError(path: path(of: key), message: "\"\(text)\" is not an absolute path without \"..\"")
        }
        var folder = Substring(text)
        while folder.count > 1, folder.last == "/" { folder.removeLast() }
        return String(folder)
    }
}

/// Credentials go over TLS, or stay on this machine.
enum PlainTransport {
    static func isLocal(_ host: some StringProtocol) -> Bool {
        ["localhost", "127.0.0.1", "::1"].contains(String(host))
    }

    static func check(_ hasCredential: Bool, url: String, path: String) throws(DocumentError) {
        guard hasCredential, url.hasPrefix("http://") else { return }
        let host = url.dropFirst(7).prefix { $0 != "/" }
        let name = host.hasPrefix("[") ? host.prefix { $0 != "]" }.dropFirst() : host.prefix { $0 != ":" }
        guard isLocal(name) else {
            throw DocumentError(path: path, message: "a credential is not sent without TLS: write https://")
        }
    }
}
