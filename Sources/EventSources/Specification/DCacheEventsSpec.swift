import CloudEvents
import Manifest
package import Outbound

/// The event stream of a dCache frontend, as a person specifies it.
package struct DCacheEventsSpec: Sendable, Hashable {
    package enum Existing: String, Sendable, Hashable, CaseIterable {
        /// Files that are there at the very first start are announced like new ones.
        case announce
        /// They are only remembered.
        case ignore
    }

    /// The frontend: `https://dcache.example.org:3880`.
    package var url: String
    /// The folders to watch, absolute.
    package var paths: [String]
    package var recursive: Bool
    package var filter: NameFilter
    package var existing: Existing
    /// What is published besides the usual, by dCache's names: `IN_OPEN` …
    package var publish: [String]
    /// Whether a written file is looked at before it is announced.
    package var confirm: Bool
    package var credential: CredentialSpec
    package var tls: TLSSpec
    /// How often the server is to show that it is there; milliseconds.
    package var heartbeat: Int64
    /// How long the server keeps the channel while nobody listens; milliseconds. Cut to what the server allows.
    package var keep: Int64
    /// How many folders are watched at most; a frontend holds about 49 900 watches of all its users.
    package var watchLimit: Int

    static let extras = ["IN_ACCESS", "IN_CLOSE_NOWRITE", "IN_CREATE", "IN_MODIFY", "IN_OPEN"]

    package init(url: String, paths: [String], credential: CredentialSpec = .none) {
        self.url = url
        self.paths = paths
        recursive = true
        filter = NameFilter()
        existing = .ignore
        publish = []
        confirm = true
        self.credential = credential
        tls = TLSSpec()
        heartbeat = 30_000
        keep = 86_400_000
        watchLimit = 40_000
    }
}

extension DCacheEventsSpec {
    init(_ reader: inout DocumentReader) throws(DocumentError) {
        self.init(url: try reader.webAddress("url"), paths: [])
        paths = try reader.strings("paths")
        guard !paths.isEmpty else {
            throw DocumentError(path: reader.path(of: "paths"), message: "this is required: a list of folders")
        }
        for (index, path) in paths.enumerated() {
            let place = "\(reader.path(of: "paths"))[\(index)]"
            guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw DocumentError(path: place, message: "\"\(path)\" is not an absolute path without \"..\"")
            }
            var folder = Substring(path)
            while folder.count > 1, folder.last == "/" { folder.removeLast() }
            paths[index] = String(folder)
        }
        for (index, path) in paths.enumerated() {
            let covers = paths.firstIndex { other in
                other != path && path.hasPrefix(other == "/" ? "/" : other + "/")
            }
            guard covers == nil, paths.firstIndex(of: path) == index else {
                throw DocumentError(
                    path: "\(reader.path(of: "paths"))[\(index)]",
                    message: "\"\(path)\" lies in another folder of the list: each file would be told twice")
            }
        }
        recursive = try reader.bool("recursive") ?? true
        filter = NameFilter(
            include: try reader.strings("include").map(Glob.init), exclude: try reader.strings("exclude").map(Glob.init)
        )
        existing =
            try reader.word("existing", of: Existing.allCases.map(\.rawValue)).flatMap { Existing(rawValue: $0) }
            ?? existing
        publish = try reader.words("publish", of: Self.extras).sorted()
        confirm = try reader.bool("confirm") ?? true
        credential = try CredentialSpec(&reader)
        try PlainCredential.check(credential, url: url, path: reader.path(of: "url"))
        tls = try TLSSpec(&reader)
        heartbeat = try reader.duration("heartbeat") ?? heartbeat
        // The metronome takes up to 300 s.
        guard (1_000...300_000).contains(heartbeat) else {
            throw DocumentError(path: reader.path(of: "heartbeat"), message: "1s to 5m is allowed")
        }
        keep = try reader.duration("keep") ?? keep
        guard keep >= 1_000 else {
            throw DocumentError(path: reader.path(of: "keep"), message: "at least 1s is allowed")
        }
        watchLimit = try reader.integer("watchLimit", in: 1...1_000_000) ?? watchLimit
    }

    func write(into object: inout JSONObject) {
        object["url"] = .string(url)
        object["paths"] = .array(paths.map { .string($0) })
        object["recursive"] = .bool(recursive)
        object["include"] = .array(filter.include.map { .string($0.pattern) })
        object["exclude"] = .array(filter.exclude.map { .string($0.pattern) })
        object["existing"] = .string(existing.rawValue)
        object["publish"] = .array(publish.map { .string($0) })
        object["confirm"] = .bool(confirm)
        credential.write(into: &object)
        tls.write(into: &object)
        object["heartbeat"] = .string(Quantity.text(milliseconds: heartbeat))
        object["keep"] = .string(Quantity.text(milliseconds: keep))
        object["watchLimit"] = .integer(Int64(watchLimit))
    }
}
