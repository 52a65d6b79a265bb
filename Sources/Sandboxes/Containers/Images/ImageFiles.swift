internal import CloudEvents
internal import Crypto
internal import Foundation
internal import Functions
internal import Glibc

/// Where images lie on the disk. Nothing is there under its name before all of it is.
///
///     manifests/<digest>   manifests and indexes, as they came
///     configurations/<digest>
///     layers/<digest>/     unpacked, by the digest of the unpacked tar: images share what they have in common
///     names/<hash>         what a name stood for when it was asked for last: {"name", "digest"}
///     incoming/            what is on its way; emptied at start, but for blobs of which a part is there
struct ImageFiles: Sendable {
    let path: String

    /// Makes the folders and clears away what was on its way when the server ended. Blocks.
    init(path: String) throws(ContainerError) {
        self.path = path
        for folder in ["", "/manifests", "/configurations", "/layers", "/names", "/incoming"] {
            // Only their owner may look in: what is in an image may be for few.
            guard mkdir(path + folder, 0o700) == 0 || errno == EEXIST else {
                throw PartialBlob.failure("cannot make the folder \(path)\(folder)")
            }
        }
        for name in Self.names(path + "/incoming") where !name.hasSuffix(".part") {
            try? Self.remove(path + "/incoming", name)
        }
        for name in Self.names(path + "/layers") where name.hasPrefix(".") {
            try? Self.remove(path + "/layers", name)
        }
    }

    /// Layers belong to the ids with which they were unpacked: others need others. Blocks.
    func keep(_ ownership: LayerOwnership) throws(ContainerError) {
        let text = "\(ownership)"
        if let known = FileManager.default.contents(atPath: path + "/ownership"), Array(known) == Array(text.utf8) {
            return
        }
        for name in Self.names(path + "/layers") { try Self.remove(path + "/layers", name) }
        try write(Array(text.utf8), "ownership")
    }

    func layer(_ digest: ImageDigest) -> String { path + "/layers/" + digest.hexadecimal }
    func incoming(_ name: String) -> String { path + "/incoming/" + name }

    func hasLayer(_ digest: ImageDigest) -> Bool { access(layer(digest), F_OK) == 0 }

    func manifest(_ digest: ImageDigest) -> [UInt8]? { read("manifests/" + digest.hexadecimal, digest) }
    func configuration(_ digest: ImageDigest) -> [UInt8]? { read("configurations/" + digest.hexadecimal, digest) }

    func keepManifest(_ bytes: [UInt8], _ digest: ImageDigest) throws(ContainerError) {
        try write(bytes, "manifests/" + digest.hexadecimal)
    }

    func keepConfiguration(_ bytes: [UInt8], _ digest: ImageDigest) throws(ContainerError) {
        try write(bytes, "configurations/" + digest.hexadecimal)
    }

    /// What a name (or any other key) stood for.
    func named(_ name: String) -> ImageDigest? {
        guard let bytes = FileManager.default.contents(atPath: namePath(name)),
            let record = try? JSONValue(parsing: Array(bytes)), record["name"]?.string == name
        else { return nil }
        return record["digest"]?.string.flatMap { ImageDigest($0) }
    }

    func keepName(_ name: String, _ digest: ImageDigest) throws(ContainerError) {
        let record: JSONValue = ["name": .string(name), "digest": .string(digest.description)]
        try write(record.encoded(), "names/" + Self.hash(name))
    }

    func forgetName(_ name: String) { unlink(namePath(name)) }

    /// All names with what they stood for.
    func allNames(_ disk: BlockingThreads) async -> [(String, ImageDigest)] {
        let path = path
        let names = try? await disk.run { () throws(ContainerError) in
            Self.names(path + "/names").compactMap { file -> (String, ImageDigest)? in
                guard let data = FileManager.default.contents(atPath: path + "/names/" + file),
                    let record = try? JSONValue(parsing: Array(data)), let name = record["name"]?.string,
                    let digest = record["digest"]?.string.flatMap({ ImageDigest($0) })
                else { return nil }
                return (name, digest)
            }
        }
        return names ?? []
    }

    /// Removes what none of the kept manifests needs.
    func collect(manifests: Set<ImageDigest>, configurations: Set<ImageDigest>, layers: Set<ImageDigest>) {
        func sweep(_ folder: String, _ kept: Set<ImageDigest>) {
            let names = Set(kept.map(\.hexadecimal))
            for name in Self.names(path + "/" + folder) where !names.contains(name) {
                try? Self.remove(path + "/" + folder, name)
            }
        }
        sweep("manifests", manifests)
        sweep("configurations", configurations)
        sweep("layers", layers)
        for name in Self.names(path + "/names") {
            let record = FileManager.default.contents(atPath: path + "/names/" + name)
                .flatMap { try? JSONValue(parsing: Array($0)) }
            let digest = record?["digest"]?.string.flatMap { ImageDigest($0) }
            if digest.map({ !manifests.contains($0) }) ?? true { unlink(path + "/names/" + name) }
        }
        for name in Self.names(path + "/incoming") { try? Self.remove(path + "/incoming", name) }
    }

    static func names(_ folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }

    /// Removes a file or a tree without following links.
    static func remove(_ folder: String, _ name: String) throws(ContainerError) {
        let parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw PartialBlob.failure("cannot open the folder \(folder)") }
        defer { close(parent) }
        try LayerFolder.remove(parent, name.utf8.map { CChar(bitPattern: $0) } + [0])
    }

    private func namePath(_ name: String) -> String { path + "/names/" + Self.hash(name) }

    private static func hash(_ text: String) -> String {
        RegistryClient.hexadecimal(SHA256.hash(data: Array(text.utf8)))
    }

    /// What is damaged counts as absent and is fetched again.
    private func read(_ name: String, _ digest: ImageDigest) -> [UInt8]? {
        guard let data = FileManager.default.contents(atPath: path + "/" + name) else { return nil }
        let bytes = Array(data)
        return RegistryClient.hexadecimal(SHA256.hash(data: bytes)) == digest.hexadecimal ? bytes : nil
    }

    private func write(_ bytes: [UInt8], _ name: String) throws(ContainerError) {
        let temporary = incoming(UUID().uuidString)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw PartialBlob.failure("cannot write \(temporary)") }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = PartialBlob.failure("cannot write \(temporary)")
                unlink(temporary)
                throw failure
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0, rename(temporary, path + "/" + name) == 0 else {
            throw PartialBlob.failure("cannot write \(path)/\(name)")
        }
    }
}
