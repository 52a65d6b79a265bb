package import CloudEvents
package import Manifest

/// The keys `input`, `mounts`, `output` and `network` of a function.
extension FunctionStaging {
    /// The most mounts of one function.
    private static let mountLimit = 16

    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        input = try reader.word("input", of: Input.allCases.map(\.rawValue)).flatMap(Input.init) ?? .event
        mounts = []
        let path = reader.path(of: "mounts")
        for (index, value) in (try reader.array("mounts") ?? []).enumerated() {
            let mount = try MountRequest(value, path: "\(path)[\(index)]")
            guard !mounts.contains(where: { $0.name == mount.name }) else {
                throw DocumentError(
                    path: "\(path)[\(index)]", message: "the mount \"\(mount.name)\" is named twice: it has one place")
            }
            mounts.append(mount)
        }
        guard mounts.count <= Self.mountLimit else {
            throw DocumentError(path: path, message: "a function has at most \(Self.mountLimit) mounts")
        }
        output = nil
        if let value = reader.value("output") { output = try OutputRequest(value, path: reader.path(of: "output")) }
    }

    /// Adds what differs from the default.
    package func write(into members: inout JSONObject) {
        if input != .event { members["input"] = .string(input.rawValue) }
        if !mounts.isEmpty { members["mounts"] = .array(mounts.map(\.document)) }
        members["output"] = output?.document
    }
}

extension MountRequest {
    /// A name alone, or `{ name, path, writable }`.
    package init(_ value: JSONValue, path: String) throws(DocumentError) {
        if let name = value.string {
            self.init(name: name)
            try Self.check(name, path: path)
            return
        }
        var reader = try DocumentReader(value, path: path)
        let name = try reader.requiredString("name")
        try Self.check(name, path: reader.path(of: "name"))
        let folder = try reader.string("path") ?? ""
        guard let normal = StagingPath.normalised(folder) else {
            throw DocumentError(
                path: reader.path(of: "path"),
                message: "a folder inside the mount was expected: relative, without \"..\" and control characters")
        }
        self.init(name: name, path: normal, isWritable: try reader.bool("writable") ?? false)
        try reader.finish()
    }

    var document: JSONValue {
        var members: JSONObject = ["name": .string(name)]
        if !path.isEmpty { members["path"] = .string(path) }
        if isWritable { members["writable"] = true }
        return .object(members)
    }

    /// Names become folders and environment variables.
    package static func check(_ name: String, path: String) throws(DocumentError) {
        guard let first = name.utf8.first, name.utf8.count <= 64, first != 0x2D,
            name.utf8.allSatisfy({
                (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
            })
        else {
            throw DocumentError(
                path: path,
                message:
                    "a mount's name has letters, digits, \"-\" and \"_\", at most 64, and does not begin with \"-\"")
        }
    }
}

extension OutputRequest {
    private static let limits = Int64(1)...(Int64(1) << 36)

    /// `mount:NAME/TEMPLATE` alone, or `{ to, overwrite, provenance, limit }`.
    package init(_ value: JSONValue, path: String) throws(DocumentError) {
        if let text = value.string {
            let (mount, template) = try Self.place(text, path: path)
            self.init(mount: mount, template: template)
            return
        }
        var reader = try DocumentReader(value, path: path)
        let (mount, template) = try Self.place(try reader.requiredString("to"), path: reader.path(of: "to"))
        let overwrite = try reader.word("overwrite", of: Overwrite.allCases.map(\.rawValue)).flatMap(Overwrite.init)
        var provenance = Provenance.beside
        if let text = try reader.string("provenance"), text != "beside" {
            guard let folder = StagingPath.normalised(text), !folder.isEmpty else {
                throw DocumentError(
                    path: reader.path(of: "provenance"),
                    message: "\"beside\" or a folder inside the mount was expected: relative, without \"..\"")
            }
            provenance = .folder(folder)
        }
        let limit = try reader.size("limit") ?? Self.defaultLimit
        guard Self.limits.contains(limit) else {
            throw DocumentError(
                path: reader.path(of: "limit"),
                message:
                    "\(Quantity.text(bytes: limit)) is out of range: up to \(Quantity.text(bytes: Self.limits.upperBound))"
            )
        }
        try reader.finish()
        self.init(
            mount: mount, template: template, overwrite: overwrite ?? .never, provenance: provenance, limit: limit)
    }

    private static func place(
        _ text: String, path: String
    ) throws(DocumentError) -> (mount: String, template: OutputTemplate) {
        guard text.hasPrefix("mount:") else {
            throw DocumentError(
                path: path,
                message: "a place on a mount was expected: mount:NAME/{subject.directory}/{subject.stem}.json")
        }
        let rest = text.dropFirst("mount:".count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let name = String(rest[..<slash])
        try MountRequest.check(name, path: path)
        do throws(OutputTemplate.Fault) {
            return (name, try OutputTemplate(String(rest[slash...].dropFirst())))
        } catch {
            throw DocumentError(path: path, message: error.message)
        }
    }

    var document: JSONValue {
        var members: JSONObject = ["to": .string("mount:\(mount)/\(template.text)")]
        members["overwrite"] = .string(overwrite.rawValue)
        if case .folder(let folder) = provenance { members["provenance"] = .string(folder) }
        members["limit"] = .string(Quantity.text(bytes: limit))
        return .object(members)
    }
}

extension NetworkRequest {
    private static let ruleLimit = 64

    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        guard let value = reader.value("network") else {
            self = .none
            return
        }
        let path = reader.path(of: "network")
        if value.string != nil {
            switch try reader.word("network", of: ["none", "proxy", "host"]) {
            case "host": self = .host
            case "proxy":
                throw DocumentError(
                    path: path, message: "say what may be reached: { mode: proxy, allow: [\"example.org:443\"] }")
            default: self = .none
            }
            return
        }
        var inner = try DocumentReader(value, path: path)
        let mode = try inner.word("mode", of: ["none", "proxy", "host"])
        let allow = try inner.array("allow")
        try inner.finish()
        guard mode == "proxy" || mode == nil && allow != nil else {
            guard allow == nil else {
                throw DocumentError(
                    path: inner.path(of: "allow"), message: "a list of what is allowed belongs to the mode \"proxy\"")
            }
            self = mode == "host" ? .host : .none
            return
        }
        guard let allow, !allow.isEmpty else {
            throw DocumentError(
                path: inner.path(of: "allow"),
                message: "this is required: what may be reached, as [\"example.org:443\"]")
        }
        guard allow.count <= Self.ruleLimit else {
            throw DocumentError(path: inner.path(of: "allow"), message: "at most \(Self.ruleLimit) places are allowed")
        }
        var rules: [EgressRule] = []
        for (index, value) in allow.enumerated() {
            let place = "\(inner.path(of: "allow"))[\(index)]"
            guard let text = value.string else {
                throw DocumentError(path: place, message: "a string was expected, not \(value.kindName)")
            }
            do throws(EgressRule.Fault) {
                rules.append(try EgressRule(text))
            } catch {
                throw DocumentError(path: place, message: error.message)
            }
        }
        self = .proxy(rules)
    }

    /// `nil` for the default.
    package var document: JSONValue? {
        switch self {
        case .none: nil
        case .host: "host"
        case .proxy(let rules): ["mode": "proxy", "allow": .array(rules.map { .string($0.description) })]
        }
    }

    /// Reads back what ``document`` wrote.
    package init?(document: JSONValue?) {
        guard let document else {
            self = .none
            return
        }
        guard var reader = try? DocumentReader(["network": document]), let read = try? NetworkRequest(&reader) else {
            return nil
        }
        self = read
    }
}

extension FunctionStaging {
    /// Reads back what ``write(into:)`` wrote, from among other members.
    package init?(document: JSONValue) {
        var members = JSONObject()
        for name in ["input", "mounts", "output"] { members[name] = document[name] }
        guard var reader = try? DocumentReader(.object(members)), let read = try? FunctionStaging(&reader) else {
            return nil
        }
        self = read
    }
}
