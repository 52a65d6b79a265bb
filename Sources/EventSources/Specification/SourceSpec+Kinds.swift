import CloudEvents
import Manifest

extension BillingSpec {
    init(_ reader: inout DocumentReader) throws(DocumentError) {
        let directory = try reader.directory("directory")
        let zone = try reader.zone("timezone")
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
        for name in try reader.words("publish", of: Self.extras) {
            if let flag = InotifyMask(name: name) { publish.insert(flag) }
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
