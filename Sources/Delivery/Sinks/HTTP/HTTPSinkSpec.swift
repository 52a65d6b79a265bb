internal import CloudEvents
internal import Manifest
package import Outbound

/// A web server, as a person specifies it.
package struct HTTPSinkSpec: Sendable, Hashable {
    package enum Mode: String, Sendable, CaseIterable { case binary, structured }

    package struct Header: Sendable, Hashable {
        package enum Value: Sendable, Hashable {
            case text(Template)
            case secret(SecretReference)
        }
        package var name: String
        package var value: Value
    }

    /// What is sent in place of a CloudEvent.
    package enum Shape: Sendable, Hashable {
        /// A JSON document.
        case document(DocumentTemplate)
        /// Text, with its media type.
        case text(Template, type: String)
    }

    package var url: Template
    package var method = "POST"
    package var mode = Mode.binary
    package var headers: [Header] = []
    package var shape: Shape?
    package var credential = CredentialSpec.none
    package var tls = TLSSpec()

    static let methods = ["POST", "PUT", "PATCH"]

    /// The sink that only a URL names.
    init(url: String, path: String) throws(DocumentError) {
        self.url = try Self.address(url, path)
    }

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        url = try Self.address(try reader.requiredString("url"), reader.path(of: "url"))
        method = try reader.word("method", of: Self.methods) ?? "POST"
        let mode = try reader.word("mode", of: Mode.allCases.map(\.rawValue))
        self.mode = mode.flatMap { Mode(rawValue: $0) } ?? .binary
        let place = reader.path(of: "headers")
        for member in try reader.freeObject("headers")?.members ?? [] {
            headers.append(try Self.header(member, place))
        }
        let document = try reader.documentTemplate("template")
        let text = try reader.optionalTemplate("text")
        let type = try reader.string("contentType")
        switch (document, text) {
        case (let document?, nil): shape = .document(document)
        case (nil, let text?): shape = .text(text, type: type ?? "text/plain; charset=utf-8")
        case (nil, nil): break
        case (_?, _?):
            throw DocumentError(path: reader.path(of: "text"), message: "write a template (JSON) or a text, not both")
        }
        if type != nil, text == nil {
            throw DocumentError(path: reader.path(of: "contentType"), message: "this goes with text")
        }
        if mode != nil, shape != nil {
            throw DocumentError(
                path: reader.path(of: "mode"),
                message: "this is about CloudEvents, and a template or text is sent in their place")
        }
        credential = try CredentialSpec(&reader)
        try PlainTransport.check(
            credential != .none || headers.contains { if case .secret = $0.value { true } else { false } },
            url: url.text, path: reader.path(of: "url"))
        tls = try TLSSpec(&reader)
    }

    /// Only behind the host may places stand: an event does not choose the server.
    private static func address(_ text: String, _ path: String) throws(DocumentError) -> Template {
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) && text.utf8.count > scheme.utf8.count {
            let rest = text.dropFirst(scheme.count)
            let host = rest.prefix { !"/?#".contains($0) }
            guard !host.isEmpty, !host.contains("${"), !host.contains("@") else {
                throw DocumentError(
                    path: path, message: "\"\(text)\" must name its host in plain text, without user and password")
            }
            do throws(TemplateError) { return try Template(text) } catch {
                throw DocumentError(path: path, message: error.message)
            }
        }
        throw DocumentError(path: path, message: "\"\(text)\" is no address: write http://… or https://…")
    }

    private static func header(_ member: JSONObject.Member, _ place: String) throws(DocumentError) -> Header {
        let path = "\(place).\(member.name)"
        guard !member.name.isEmpty, member.name.utf8.allSatisfy(isTokenByte) else {
            throw DocumentError(path: path, message: "\"\(member.name)\" is no name of a header")
        }
        if member.value.object != nil {
            var reader = try DocumentReader(.object([member.name: member.value]), path: place)
            if let secret = try reader.secret(member.name) {
                return Header(name: member.name, value: .secret(secret))
            }
        }
        guard let text = member.value.string, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw DocumentError(
                path: path, message: "a header name and a text without control characters were expected")
        }
        do throws(TemplateError) {
            return Header(name: member.name, value: .text(try Template(text)))
        } catch {
            throw DocumentError(path: path, message: error.message)
        }
    }

    /// RFC 9110 §5.6.2, token.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Whether the URL says all.
    var isPlain: Bool {
        method == "POST" && mode == .binary && headers.isEmpty && shape == nil && credential == .none && tls.isDefault
    }

    /// Whether address and headers are the same for every event.
    var isSameForAll: Bool {
        url.isConstant
            && headers.allSatisfy { header in
                if case .text(let template) = header.value { template.isConstant } else { true }
            }
    }

    func write(into object: inout JSONObject) {
        object["url"] = .string(url.text)
        if method != "POST" { object["method"] = .string(method) }
        if mode != .binary { object["mode"] = .string(mode.rawValue) }
        if !headers.isEmpty {
            object["headers"] = .object(
                JSONObject(
                    members: headers.map { header in
                        switch header.value {
                        case .text(let template): .init(name: header.name, value: .string(template.text))
                        case .secret(let secret): .init(name: header.name, value: secret.document)
                        }
                    }))
        }
        switch shape {
        case .document(let document)?: object["template"] = document.document
        case .text(let text, let type)?:
            object["text"] = .string(text.text)
            object["contentType"] = .string(type)
        case nil: break
        }
        credential.write(into: &object)
        tls.write(into: &object)
    }
}
