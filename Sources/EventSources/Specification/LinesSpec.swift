import CloudEvents
import Manifest
package import StorageEvents

/// Files of lines that others write, as a person specifies them.
package struct LinesSpec: Sendable, Hashable {
    package enum Start: String, Sendable, Hashable, CaseIterable { case earliest, latest }

    package var directory: String
    /// Which files below it.
    package var filter: NameFilter
    package var format: StorageEventFormat
    package var start = Start.earliest
    /// The name of a system whose records do not tell it.
    package var system: String?
    package var timezone = "UTC"
    /// How often it is looked whether there is more; milliseconds.
    package var poll: Int64 = 1_000

    static let formats = StorageEventFormat.allCases.filter { $0 != .sse }.map(\.rawValue).sorted()

    package init(directory: String, filter: NameFilter = NameFilter(), format: StorageEventFormat) {
        self.directory = directory
        self.filter = filter
        self.format = format
    }

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        directory = try reader.directory("directory")
        filter = NameFilter(
            include: try reader.strings("include").map(Glob.init), exclude: try reader.strings("exclude").map(Glob.init)
        )
        guard let word = try reader.word("format", of: Self.formats) else {
            throw DocumentError(
                path: reader.path(of: "format"),
                message: "this is required: one of \(Self.formats.joined(separator: ", "))")
        }
        format = StorageEventFormat(rawValue: word) ?? .cloudEvents
        start =
            try reader.word("start", of: Start.allCases.map(\.rawValue)).flatMap { Start(rawValue: $0) } ?? .earliest
        system = try reader.string("system")
        timezone = try reader.zone("timezone")
        poll = try reader.duration("poll") ?? poll
        guard (100...3_600_000).contains(poll) else {
            throw DocumentError(path: reader.path(of: "poll"), message: "100ms to 1h is allowed")
        }
    }

    func write(into object: inout JSONObject) {
        object["directory"] = .string(directory)
        object["include"] = .array(filter.include.map { .string($0.pattern) })
        object["exclude"] = .array(filter.exclude.map { .string($0.pattern) })
        object["format"] = .string(format.rawValue)
        object["start"] = .string(start.rawValue)
        if let system { object["system"] = .string(system) }
        object["timezone"] = .string(timezone)
        object["poll"] = .string(Quantity.text(milliseconds: poll))
    }
}
