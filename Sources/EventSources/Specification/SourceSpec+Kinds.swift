import CloudEvents
import Manifest

extension DocumentReader {
    /// A folder's absolute path, without `/` at its end.
    fileprivate mutating func directory(_ key: String) throws(DocumentError) -> String {
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

    fileprivate mutating func strings(_ key: String) throws(DocumentError) -> [String] {
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
}

extension BillingSpec {
    init(_ reader: inout DocumentReader) throws(DocumentError) {
        let directory = try reader.directory("directory")
        let zone = try reader.string("timezone") ?? "UTC"
        guard !zone.isEmpty, !zone.hasPrefix("/"), !zone.contains("..") else {
            throw DocumentError(
                path: reader.path(of: "timezone"), message: "\"\(zone)\" is no time zone: write Europe/Berlin or UTC")
        }
        let start = try reader.word("start", of: Start.allCases.map(\.rawValue)) ?? Start.earliest.rawValue
        // Both layouts are found by looking, so the word is accepted and says nothing more.
        _ = try reader.word("layout", of: ["auto"])
        self.init(directory: directory, timezone: zone, start: Start(rawValue: start) ?? .earliest)
    }

    func write(into object: inout JSONObject) {
        object["directory"] = .string(directory)
        object["timezone"] = .string(timezone)
        object["start"] = .string(start.rawValue)
        object["layout"] = "auto"
    }
}

extension FolderSpec {
    /// What may be asked for besides the usual.
    private static let extras = ["IN_ACCESS", "IN_CREATE", "IN_MODIFY", "IN_OPEN"]

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        let directory = try reader.directory("directory")
        let recursive = try reader.bool("recursive") ?? true
        let filter = NameFilter(
            include: try reader.strings("include").map(Glob.init), exclude: try reader.strings("exclude").map(Glob.init)
        )
        let existing = try reader.word("existing", of: Existing.allCases.map(\.rawValue)) ?? Existing.announce.rawValue
        var publish: InotifyMask = []
        for (index, name) in try reader.strings("publish").enumerated() {
            guard Self.extras.contains(name), let flag = InotifyMask(name: name) else {
                let near = Suggestion.nearest(to: name, in: Self.extras).map { ": did you mean \"\($0)\"?" } ?? ""
                throw DocumentError(
                    path: "\(reader.path(of: "publish"))[\(index)]",
                    message: "\"\(name)\" is not one of \(Self.extras.joined(separator: ", "))\(near)")
            }
            publish.insert(flag)
        }
        self.init(
            directory: directory, recursive: recursive, filter: filter,
            existing: Existing(rawValue: existing) ?? .announce, publish: publish)
    }

    func write(into object: inout JSONObject) {
        object["directory"] = .string(directory)
        object["recursive"] = .bool(recursive)
        object["include"] = .array(filter.include.map { .string($0.pattern) })
        object["exclude"] = .array(filter.exclude.map { .string($0.pattern) })
        object["existing"] = .string(existing.rawValue)
        object["publish"] = .array(publish.names.sorted().map { .string($0) })
    }
}
