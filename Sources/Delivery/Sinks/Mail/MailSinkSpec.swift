internal import CloudEvents
internal import Manifest
package import Outbound

/// E-mail by SMTP, as a person specifies it.
package struct MailSinkSpec: Sendable, Hashable {
    package var host: String
    package var port: Int
    package var security: SMTPOptions.Security
    /// What the server is told as this machine's name; the host's own when absent.
    package var name: String?
    package var user: String?
    package var password: SecretReference?
    package var tls = TLSSpec()
    package var from: String
    package var to: [String]
    package var subject: Template
    package var text: Template

    private static let usualText = "${type}\n${subject|}\n${time:yyyy-MM-dd HH:mm:ss} UTC\n\n${data|}\n"

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        let address = try reader.requiredString("server")
        let parts = address.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "smtp:" || parts[0] == "smtps:", parts[1].isEmpty,
            let (host, port) = Self.endpoint(parts[2], usual: parts[0] == "smtps:" ? 465 : 587)
        else {
            throw DocumentError(
                path: reader.path(of: "server"),
                message: "\"\(address)\" is no mail server: write smtp://host:587 (STARTTLS) or smtps://host:465")
        }
        (self.host, self.port) = (host, port)
        let usual: SMTPOptions.Security = parts[0] == "smtps:" ? .tls : .starttls
        let word = try reader.word("security", of: SMTPOptions.Security.allCases.map(\.rawValue))
        security = word.flatMap { SMTPOptions.Security(rawValue: $0) } ?? usual
        guard (security == .tls) == (parts[0] == "smtps:") else {
            throw DocumentError(
                path: reader.path(of: "security"), message: "smtps:// goes with tls, smtp:// with starttls or none")
        }
        name = try reader.string("name")
        if let name, name.isEmpty || !name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            throw DocumentError(path: reader.path(of: "name"), message: "a host name was expected")
        }
        user = try reader.string("user")
        password = try reader.secret("password")
        guard (user == nil) == (password == nil) else {
            throw DocumentError(
                path: reader.path(of: user == nil ? "user" : "password"), message: "user and password go together")
        }
        if user != nil, security == .none, !PlainTransport.isLocal(host) {
            throw DocumentError(
                path: reader.path(of: "security"), message: "a password is not sent without TLS: write starttls")
        }
        tls = try TLSSpec(&reader)
        from = try reader.requiredString("from")
        guard MailAddress.isPlain(from) else {
            throw DocumentError(path: reader.path(of: "from"), message: "\"\(from)\" is no address: write name@host")
        }
        to = []
        let list = reader.value("to").map { value in value.array ?? [value] } ?? []
        for (index, value) in list.enumerated() {
            guard let text = value.string, MailAddress.isPlain(text) else {
                throw DocumentError(
                    path: "\(reader.path(of: "to"))[\(index)]",
                    message: "\(value.text) is no address: write name@host")
            }
            to.append(text)
        }
        guard (1...100).contains(to.count) else {
            throw DocumentError(path: reader.path(of: "to"), message: "one to a hundred addresses are required")
        }
        subject = try reader.template("subject", usual: "${type} ${subject|}")
        text = try reader.template("text", usual: Self.usualText)
    }

    private static func endpoint(_ text: Substring, usual: Int) -> (String, Int)? {
        guard !text.contains("/"), !text.contains("@"), !text.isEmpty else { return nil }
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (host, usual) }
            return rest.first == ":" ? port(rest.dropFirst()).map { (host, $0) } : nil
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return (String(text), usual)
        case 2: return parts[0].isEmpty ? nil : port(parts[1]).map { (String(parts[0]), $0) }
        default: return nil
        }
    }

    private static func port(_ text: Substring) -> Int? {
        Int(text).flatMap { (1...65_535).contains($0) ? $0 : nil }
    }

    func write(into object: inout JSONObject) {
        let name = host.contains(":") ? "[\(host)]" : host
        object["server"] = .string("\(security == .tls ? "smtps" : "smtp")://\(name):\(port)")
        if security == .none { object["security"] = "none" }
        if let name = self.name { object["name"] = .string(name) }
        if let user { object["user"] = .string(user) }
        if let password { object["password"] = password.document }
        tls.write(into: &object)
        object["from"] = .string(from)
        object["to"] = .array(to.map { .string($0) })
        object["subject"] = .string(subject.text)
        object["text"] = .string(text.text)
    }
}
